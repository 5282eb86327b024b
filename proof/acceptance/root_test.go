package acceptance

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// checkUnrooted finds out that of what root has started nothing is root any more (K9).
func (m *machine) checkUnrooted(t testing.TB) {
	t.Helper()
	for _, p := range m.members() {
		if err := p.unrooted(); err != nil {
			t.Errorf("%s: process %d, %q: %v", m.name, p.pid, p.command, err)
		}
	}
}

// checkOwns finds out that nothing on its disk is root's.
func (m *machine) checkOwns(t testing.TB) {
	t.Helper()
	mustDo(t, filepath.WalkDir(m.data, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return nil // it went meanwhile
		}
		info, err := e.Info()
		if err == nil && info.Sys().(*syscall.Stat_t).Uid == 0 {
			t.Errorf("%s: %s is root's", m.name, path)
		}
		return nil
	}))
}

// unrooted looks at each of a process's threads (proc(5), status).
func (p process) unrooted() error {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", p.pid))
	for _, file := range threads {
		status, err := os.ReadFile(file)
		if err != nil {
			continue // it ended meanwhile
		}
		for line := range strings.Lines(string(status)) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
			switch fields := strings.Fields(value); {
			case raced() && (name == "CapBnd" || name == "NoNewPrivs"): // closed on the threads that are Go's alone
			case strings.HasPrefix(name, "Cap") && fields[0] != "0000000000000000",
				name == "NoNewPrivs" && fields[0] != "1",
				name == "Groups" && len(fields) > 0,
				(name == "Uid" || name == "Gid") && strings.Contains(value+"\t", "\t0\t"):
				return fmt.Errorf("%s of thread %s", line, filepath.Base(filepath.Dir(file)))
			}
		}
	}
	return nil
}

// checkSoundOnTime: the thread that keeps time for the sound has kept what it took root to ask.
func (m *machine) checkSoundOnTime(t testing.TB) {
	t.Helper()
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", m.process.cmd.Process.Pid))
	for _, thread := range threads {
		id, _ := strconv.Atoi(filepath.Base(thread))
		if how, err := unix.SchedGetAttr(id, 0); err == nil && (how.Policy == unix.SCHED_FIFO || how.Nice < 0) {
			return
		}
	}
	t.Errorf("none of the %d threads of the %s server runs before others", len(threads), m.name)
}

// A server that an older Relève ran as root, its page at a port of root's: everything is
// the account's from now on, through a takeover and a return. In a home that the account
// may not enter it answers as root, and says so.
func TestRootStartsAServerThatIsNotRoot(t *testing.T) {
	s := ownSite(t, plan{witness: true})
	s.secondary.stop() // it gives the vote back, and does not take over from who is away a moment
	s.main.stop()
	s.main.wasRoots(t)
	mustDo(t, setInFile(s.main.file, "console.listen", strconv.Quote(mainHost+":81")))
	s.main.start(t)
	s.secondary.start(t)
	s.waitNormal(t)
	s.main.checkSoundOnTime(t)
	s.takeOver(t, func(t testing.TB) { s.main.kill9(t) })
	s.bringBack(t)
	for _, m := range s.machines() {
		m.checkOwns(t)
	}

	home := filepath.Join(s.dir, "home")
	mustDo(t, os.Mkdir(home, 0o700))
	mustDo(t, exec.Command("cp", "-a", filepath.Join(s.dir, "tls"), home).Run())
	mustDo(t, os.Chown(home, 4242, 4242))
	for key, file := range map[string]string{"ca": "ca.pem", "certificate": "main.pem", "key": "main.key", "other_certificate": "secondary.pem"} {
		mustDo(t, setInFile(s.main.file, "peer."+key, strconv.Quote("home/tls/"+file)))
	}
	if said := s.main.mustRun(t, "check"); !strings.Contains(said, home) {
		t.Errorf("`check` does not name %s:\n%s", home, said)
	}
	s.secondary.stop()
	s.main.stop()
	start := time.Now()
	s.main.start(t)
	s.secondary.start(t)
	eventually(t, time.Minute, "the site protected by a server that stays root", func() error { return s.protectedUnder(s.main) })
	s.main.eventSaid(t, "account-closed-path", start, 5*time.Second)

	mustDo(t, os.Chmod(home, 0o711))
	if said := s.main.mustRun(t, "check"); strings.Contains(said, home) {
		t.Errorf("`check` still names %s:\n%s", home, said)
	}
	s.secondary.stop()
	s.main.stop()
	s.main.start(t)
	s.secondary.start(t)
	s.waitNormal(t)
}

// wasRoots leaves a server's files as a Relève that stayed root wrote them.
func (m *machine) wasRoots(t testing.TB) {
	t.Helper()
	mustDo(t, filepath.WalkDir(m.data, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() && path == filepath.Join(m.data, "postgres", "data") {
			return fs.SkipDir // PostgreSQL had its account before
		}
		return os.Lchown(path, 0, 0)
	}))
}

func mustDo(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
