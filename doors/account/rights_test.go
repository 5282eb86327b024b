package account

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// steppingDown names the directory of the program that gives root up.
const steppingDown = "ACCOUNT_STEPPING_DOWN"

// stepDown is that program: it prints the state of each of its threads and of a child.
func stepDown(dir string) int {
	runtime.LockOSThread()
	err := func() error {
		who, err := Find(dir, nobody)
		if err != nil {
			return err
		}
		busy() // threads that were there before
		rights, err := who.Assume(dir, Keep{Entries: []string{"*"}}, Files{})
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, "made"), nil, 0o600); err != nil {
			return err
		}
		var port net.Listener
		err = rights.ForPort(81, func() (err error) {
			port, err = listening()
			return errors.Join(err, os.WriteFile(filepath.Join(dir, "made-as-root"), nil, 0o600))
		})
		if err != nil {
			return err
		}
		defer port.Close()
		if err := rights.Drop(); err != nil {
			return err
		}
		busy()
		return report()
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// busy makes threads, and lets them stay.
func busy() {
	for range 5 {
		runs := make(chan struct{})
		go func() {
			runtime.LockOSThread()
			close(runs)
			select {}
		}()
		<-runs
	}
}

func report() error {
	threads, err := filepath.Glob("/proc/self/task/*/status")
	if err != nil {
		return err
	}
	for _, file := range threads {
		status, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		fmt.Printf("thread\n%s", status)
	}
	child, err := exec.Command("cat", "/proc/self/status").Output()
	fmt.Printf("child\n%s", child)
	var death int32
	err = errors.Join(err, unix.Prctl(unix.PR_GET_PDEATHSIG, uintptr(unsafe.Pointer(&death)), 0, 0, 0))
	fmt.Printf("death %d\n", death)
	score, wrong := exec.Command("cat", "/proc/self/oom_score_adj").Output() // a child's is its parent's
	fmt.Printf("score %s", score)
	return errors.Join(err, wrong)
}

func TestRootIsGivenUpByEveryThreadAndChild(t *testing.T) {
	who, dir := find(t), open(t)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), steppingDown+"="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Credential: &syscall.Credential{Groups: []uint32{0, other}}}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	said := string(out)
	if n := strings.Count(said, "thread\n"); n < 10 {
		t.Errorf("%d threads were looked at", n)
	}
	for line := range strings.Lines(said) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		value = strings.Join(strings.Fields(value), " ")
		want, known := map[string]string{
			"Uid": four(who.UID), "Gid": four(who.GID), "Groups": "",
			"CapInh": none, "CapPrm": none, "CapEff": none, "CapAmb": none,
		}[name]
		if known && value != want {
			t.Errorf("%s: %s, want %q", name, value, want)
		}
	}
	for _, want := range []string{"child\n", "death 15\n", "score " + scoreAllowed(t) + "\n"} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is not in:\n%s", want, said[strings.LastIndex(said, "child\n"):])
		}
	}
	for _, file := range []string{"made", "made-as-root"} {
		if got := owner(t, filepath.Join(dir, file)); got != who.UID {
			t.Errorf("%s belongs to %d, want %d", file, got, who.UID)
		}
	}
}

// scoreAllowed is the score of a program that a root like us starts: a container's may not
// be allowed to put itself last (CAP_SYS_RESOURCE).
func scoreAllowed(t *testing.T) string {
	t.Helper()
	const file = "/proc/self/oom_score_adj"
	before, err := os.ReadFile(file)
	must(t, err)
	if os.WriteFile(file, []byte("-500"), 0o644) != nil {
		return strings.TrimSpace(string(before))
	}
	must(t, os.WriteFile(file, before, 0o644))
	return "-500"
}

const none = "0000000000000000"

func four(id int) string { return strings.TrimSpace(strings.Repeat(fmt.Sprint(id, " "), 4)) }

// A container whose root may not become another account is left as it was.
func TestARootWithoutTheRightIsToldBeforeAnythingIsChanged(t *testing.T) {
	dir := open(t)
	lay(t, dir, "made")
	cmd := exec.Command("setpriv", "--bounding-set=-setuid", os.Args[0])
	cmd.Env = append(os.Environ(), steppingDown+"="+dir)
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "account-no-right") {
		t.Errorf("%v\n%s", err, out)
	}
	if got := owner(t, filepath.Join(dir, "made")); got != 0 {
		t.Errorf("a file was given to %d all the same", got)
	}
}
