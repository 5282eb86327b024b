package account

import (
	"errors"
	"fmt"
	"os"
	"releve"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Rights are what a process that acts as an account has left of root's. One goroutine
// uses them, before the process does anything for others. The zero value and nil, of a
// process that root did not start, have none, and nothing to give up.
type Rights struct {
	account Account
	give    func() error
	parent  int
	death   int32 // the signal that the parent's death sends, 0 for none
}

// killedLast is the process's score when memory runs out (proc(5), oom_score_adj): who
// answers the telephone goes after nearly all others.
const killedLast = -500

// Assume is all that a program does before it opens its files in dir: what it keeps there
// is the account's from then on, and the files that it reads while it runs can be read.
func (a Account) Assume(dir string, keep Keep, files Files) (*Rights, error) {
	if err := mayBecome(); err != nil {
		return nil, err
	}
	if err := a.Reach(dir, files); err != nil {
		return nil, err
	}
	give := func() error { return a.Give(dir, keep) }
	if err := give(); err != nil {
		return nil, err
	}
	r, err := a.act()
	if err != nil {
		return nil, err
	}
	r.give = give
	return r, nil
}

// act makes every thread act as the account, from the files that it opens to the programs
// that it starts; only Raised brings root back.
//
// It is called on the process's first thread, to which a signal for the parent's death
// belongs: the kernel forgets that one when the account changes (prctl(2)).
func (a Account) act() (*Rights, error) {
	r := &Rights{account: a, parent: os.Getppid()}
	if err := unix.Prctl(unix.PR_GET_PDEATHSIG, uintptr(unsafe.Pointer(&r.death)), 0, 0, 0); err != nil {
		return nil, err
	}
	outlive()
	if err := errors.Join(syscall.Setgroups([]int{}), syscall.Setresgid(a.GID, a.GID, a.GID)); err != nil {
		return nil, fmt.Errorf("the groups of the account %s: %w", a.Name, err)
	}
	if err := syscall.Setresuid(a.UID, a.UID, 0); err != nil {
		return nil, fmt.Errorf("the account %s: %w", a.Name, err)
	}
	return r, nil
}

// mayBecome finds out before anything is changed, as in a container without the rights.
func mayBecome() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var has [2]unix.CapUserData
	if err := unix.Capget(&header, &has[0]); err != nil {
		return err
	}
	const needed = 1<<unix.CAP_SETUID | 1<<unix.CAP_SETGID | 1<<unix.CAP_CHOWN
	if has[0].Effective&needed != needed {
		return &releve.Fault{Cause: ErrRights, Why: releve.Say("account-no-right")}
	}
	return nil
}

// outlive: a machine that does not allow it is served all the same.
func outlive() {
	const file = "/proc/self/oom_score_adj"
	now, err := os.ReadFile(file)
	if score, wrong := strconv.Atoi(strings.TrimSpace(string(now))); err == nil && wrong == nil && score > killedLast {
		_ = os.WriteFile(file, []byte(strconv.Itoa(killedLast)), 0o644)
	}
}

// Raised runs f as root. What it has made in the program's directory meanwhile is given
// like the rest.
func (r *Rights) Raised(f func() error) error {
	if r == nil {
		return f()
	}
	return r.raised(func() error { return errors.Join(f(), r.give()) })
}

func (r *Rights) raised(f func() error) error {
	if err := syscall.Setresuid(-1, 0, -1); err != nil {
		return err
	}
	return errors.Join(f(), syscall.Setresuid(-1, r.account.UID, -1))
}

// ForPort runs f, which opens a port, as root where the port is root's.
func (r *Rights) ForPort(port uint16, f func() error) error {
	if port >= 1024 {
		return f()
	}
	return r.Raised(f)
}

// Drop gives root up for good, on every thread and for every child. With its error the
// process is not what it should be, and must end.
func (r *Rights) Drop() error {
	if r == nil {
		return nil
	}
	uid := r.account.UID
	if err := r.raised(closeWays); err != nil {
		return err
	}
	if err := syscall.Setresuid(uid, uid, uid); err != nil {
		return err
	}
	if syscall.Setresuid(-1, 0, -1) == nil {
		return errors.New("root came back after it was given up")
	}
	// Whoever has become the account, through PostgreSQL, reads no keys out of our memory.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return err
	}
	return r.outliveNobody()
}

// closeWays takes from every thread the ways back that a program with rights of its own
// would be. With the C library in the program its threads are not all ours to ask, and
// the ways stay as every account has them.
func closeWays() error {
	for right := uintptr(0); right <= unix.CAP_LAST_CAP; right++ {
		_, _, errno := syscall.AllThreadsSyscall(unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, right, 0)
		if errno == unix.ENOTSUP {
			return nil
		}
		if errno != 0 && errno != unix.EINVAL && errno != unix.EPERM { // the kernel does not know it, or keeps it
			return errno
		}
	}
	if _, _, errno := syscall.AllThreadsSyscall6(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0); errno != 0 {
		return errno
	}
	return nil
}

// outliveNobody takes up again the signal for the parent's death, which may have come
// meanwhile.
func (r *Rights) outliveNobody() error {
	if r.death == 0 {
		return nil
	}
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(r.death), 0, 0, 0); err != nil {
		return err
	}
	if os.Getppid() != r.parent {
		return syscall.Kill(os.Getpid(), syscall.Signal(r.death))
	}
	return nil
}
