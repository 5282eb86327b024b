package acceptance

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// process is one line of /proc.
type process struct {
	pid, parent int
	state       byte // of proc(5): R, S, D, T, Z …
	command     string
	directory   string // where it works; "" when it is gone
}

// dead says that it has ended and only its parent has not looked yet.
func (p process) dead() bool { return p.state == 'Z' || p.state == 'X' }

// processes are all processes of the namespace.
func processes() []process {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	var all []process
	for _, file := range stats {
		if p, ok := readProcess(file); ok {
			all = append(all, p)
		}
	}
	return all
}

// readProcess reads one /proc/PID/stat; a process that ended meanwhile is not ok.
func readProcess(file string) (process, bool) {
	raw, err := os.ReadFile(file)
	_, rest, found := bytes.Cut(raw, []byte(") ")) // the name before it may hold spaces
	fields := strings.Fields(string(rest))
	if err != nil || !found || len(fields) < 2 {
		return process{}, false
	}
	dir := filepath.Dir(file)
	pid, _ := strconv.Atoi(filepath.Base(dir))
	parent, _ := strconv.Atoi(fields[1])
	command, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
	cwd, _ := os.Readlink(filepath.Join(dir, "cwd"))
	return process{pid: pid, parent: parent, state: fields[0][0], directory: cwd,
		command: strings.TrimSpace(strings.ReplaceAll(string(command), "\x00", " "))}, true
}

// family is a process with all that descends from it, and everything that works
// below a directory: a backend whose postmaster was killed has another parent, but
// still works in its data directory. Our own process is never one of them.
func family(root int, below string) []process {
	var found []process
	in := map[int]bool{root: root != 0}
	all := processes()
	for grown := true; grown; {
		grown = false
		for _, p := range all {
			if !in[p.pid] && (in[p.parent] || within(p.directory, below)) && p.pid != os.Getpid() {
				in[p.pid], grown = true, true
			}
		}
	}
	for _, p := range all {
		if in[p.pid] && !p.dead() {
			found = append(found, p)
		}
	}
	return found
}

// living are those of some processes that have not ended. One that a killed parent had just
// started is of no family any more.
func living(all []process) []process {
	return slices.DeleteFunc(slices.Clone(all), func(p process) bool {
		now, there := readProcess(fmt.Sprintf("/proc/%d/stat", p.pid))
		return !there || now.dead()
	})
}

// within says whether a directory is another one or lies below it.
func within(directory, parent string) bool {
	return parent != "" && (directory == parent || strings.HasPrefix(directory, parent+"/"))
}

// freeze stops a family as one: it looks again until nobody is left running, since
// a member may have forked while the others were being stopped.
func freeze(members func() []process) []process {
	for {
		all, running := members(), false
		for _, p := range all {
			if p.state != 'T' {
				running = true
				_ = syscall.Kill(p.pid, syscall.SIGSTOP)
			}
		}
		if !running {
			return all
		}
	}
}

// thaw lets processes run again.
func thaw(all []process) {
	for _, p := range all {
		_ = syscall.Kill(p.pid, syscall.SIGCONT)
	}
}

// sigFinish makes SIPp start no new call and end when the last one has.
const sigFinish = syscall.SIGUSR1

// part is a program that the tests run beside the product.
type part struct {
	name   string
	output string // file with what it said
	cmd    *exec.Cmd
	gone   chan struct{} // closed when it has ended
	asked  atomic.Int32  // the signal that last asked it to end, 0: none did
}

// launch starts a program in a process group of its own, its output in a file.
func launch(output string, cmd *exec.Cmd) (*part, error) {
	file, err := os.OpenFile(output, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	defer file.Close() // the child has its own copy
	p := &part{name: filepath.Base(cmd.Path), output: output, cmd: cmd, gone: make(chan struct{})}
	if cmd.Stdout == nil {
		cmd.Stdout = file
	}
	if cmd.Stderr == nil {
		cmd.Stderr = file
	}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s does not start: %w; `make test` installs what the tests need", p.name, err)
	}
	go func() {
		_ = cmd.Wait()
		close(p.gone)
	}()
	return p, nil
}

// signal sends a signal to the part's whole group.
func (p *part) signal(s syscall.Signal) {
	if s == syscall.SIGTERM || s == syscall.SIGINT || s == syscall.SIGQUIT {
		p.asked.Store(int32(s))
	}
	_ = syscall.Kill(-p.cmd.Process.Pid, s)
}

// wait gives the exit code, or an error when the limit passes first.
func (p *part) wait(limit time.Duration) (int, error) {
	select {
	case <-p.gone:
		return p.cmd.ProcessState.ExitCode(), nil
	case <-time.After(limit):
		return 0, fmt.Errorf("%s still runs after %v", p.name, limit)
	}
}

// stop ends the part politely, and after three seconds at once.
func (p *part) stop() {
	p.signal(syscall.SIGCONT)
	p.signal(syscall.SIGTERM)
	if _, err := p.wait(3 * time.Second); err != nil {
		p.signal(syscall.SIGKILL)
		<-p.gone
	}
}

// running says whether it has not ended yet.
func (p *part) running() bool {
	select {
	case <-p.gone:
		return false
	default:
		return true
	}
}

// tail is the end of a file, for the message of a failure. What each call went
// through is left out: there are hundreds.
func tail(file string, lines int) string {
	raw, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimRight(string(raw), "\n"), "\n")
	all = slices.DeleteFunc(all, func(line string) bool { return strings.Contains(line, `msg="call `) })
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// eventually waits for a condition; when it does not come within the limit the
// test fails with what the condition said last.
func eventually(t testing.TB, limit time.Duration, what string, condition func() error) {
	t.Helper()
	if err := await(limit, condition); err != nil {
		t.Fatalf("%s: not within %v: %v", what, limit, err)
	}
}

var errNotYet = errors.New("not yet")

// await looks at a condition every 20 ms until it holds or the limit passes.
func await(limit time.Duration, condition func() error) error {
	deadline := time.NewTimer(allowed(limit))
	defer deadline.Stop()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for {
		err := condition()
		if err == nil {
			return nil
		}
		select {
		case <-deadline.C:
			return err
		case <-look.C:
		}
	}
}

// killAll ends processes at once, as a power cut does.
func killAll(all []process) {
	for _, p := range all {
		_ = exits.kill(p.pid)
	}
}

func shell(script string) *exec.Cmd { return exec.Command("sh", "-c", script) }
