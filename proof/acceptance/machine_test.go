package acceptance

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	adapter "releve/adapters/witness"
	"releve/rules/takeover"
)

// machine is one of the site's, with what an operator runs there: a server, or the
// witness.
type machine struct {
	name    string // of its configuration, its log and its directory
	command string // of the product
	data    string // its directory
	file    string // its configuration
	said    string // file with its log
	program string // that it runs; "": the product
	process *part  // nil before its first start
	frozen  bool
}

func newMachine(name, command, dir string) machine {
	return machine{name: name, command: command, data: filepath.Join(dir, name), file: filepath.Join(dir, name+".toml"),
		said: filepath.Join(dir, name+".log")}
}

func (m *machine) log() string { return m.said }

// start starts it, as an operator or systemd would.
func (m *machine) start(t testing.TB) {
	t.Helper()
	var err error
	if m.process, err = launch(m.said, exec.Command(cmp.Or(m.program, product()), m.command, "-c", m.file)); err != nil {
		t.Fatal(err)
	}
	exits.watch(m.name, m.process)
}

// stop ends it politely, if it runs, and whatever it left.
func (m *machine) stop() {
	if m.process == nil {
		return
	}
	m.thaw()
	m.process.signal(syscall.SIGTERM)
	if _, err := m.process.wait(allowed(stopLimit)); err != nil {
		exits.add(fmt.Sprintf("the %s did not stop: %v\n%s", m.name, err, tail(m.said, 10)))
	}
	_ = m.kill()
}

// stopLimit is how long a server may take to end in good order. Its own limits come to 16 s: 3
// until its word is heard and its callers are gone, 2 for the PBX, 10 for PostgreSQL and 1 to end
// that by force; systemd gives it 90.
const stopLimit = 20 * time.Second

// exits are the ends of processes of ours that nobody ordered, or that were not what was
// ordered: a panic, a data race, a server that gives up, is killed or does not stop. None is
// passed over, whatever a story does with a server that does not run.
var exits = unordered{killed: map[int]bool{}}

type unordered struct {
	watching sync.WaitGroup
	mu       sync.Mutex
	told     []string
	killed   map[int]bool // by a story
}

func (u *unordered) add(what string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.told = append(u.told, what)
}

// kill ends a process at once, because a story says so.
func (u *unordered) kill(pid int) error {
	u.mu.Lock()
	u.killed[pid] = true
	u.mu.Unlock()
	return syscall.Kill(pid, syscall.SIGKILL)
}

func (u *unordered) wasKilled(pid int) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	defer delete(u.killed, pid)
	return u.killed[pid]
}

// watch waits for the end of a process, and judges it and what the process said.
func (u *unordered) watch(name string, p *part) {
	u.watching.Go(func() {
		<-p.gone
		if why := u.judge(p); why != "" {
			u.add(fmt.Sprintf("the %s %s\n%s", name, why, tail(p.output, 60)))
		}
	})
}

// judge says what is wrong with a process that has ended, "" where nothing is.
func (u *unordered) judge(p *part) string {
	killed := u.wasKilled(p.cmd.Process.Pid)
	end, asked := p.cmd.ProcessState, syscall.Signal(p.asked.Load())
	switch {
	case asked == syscall.SIGQUIT: // to tell what each goroutine does: that ends with 2
		return ""
	case end.Exited() && asked == 0:
		return fmt.Sprintf("ended with exit code %d, and nobody had asked it to", end.ExitCode())
	case end.Exited() && end.ExitCode() != 0:
		return fmt.Sprintf("was asked to end, and did with exit code %d", end.ExitCode())
	case !end.Exited() && !killed && end.Sys().(syscall.WaitStatus).Signal() != asked: // else it was asked before it could hear
		return fmt.Sprintf("came to its end by %v, and nobody had killed it", end)
	}
	return broken(p.output)
}

// breakdowns are how a program of ours says that it should not have come to this: also where
// it goes on after it.
var breakdowns = []string{"WARNING: DATA RACE", "panic: ", "panic serving", "fatal error: ", "a fault of this program ended"}

// broken says what broke down by what a program has written, "" where nothing did.
func broken(file string) string {
	raw, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	for _, b := range breakdowns {
		if i := bytes.Index(raw, []byte(b)); i >= 0 {
			return fmt.Sprintf("broke down: %s", raw[i:min(len(raw), i+2000)])
		}
	}
	return ""
}

// take empties the list.
func (u *unordered) take() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	told := u.told
	u.told = nil
	return told
}

// members are its processes: ours, PostgreSQL and what they started, also those that
// have lost their parent.
func (m *machine) members() []process {
	root := 0
	if m.running() {
		root = m.process.cmd.Process.Pid
	}
	return family(root, m.data)
}

// running says whether our process there was started and has not ended.
func (m *machine) running() bool { return m.process != nil && m.process.running() }

// kill takes the power from the whole machine: each process at one moment. Nobody finds it
// running afterwards: a process that is dead and not yet waited for would pass for one.
func (m *machine) kill() error {
	all := freeze(m.members)
	killAll(all)
	err := await(10*time.Second, func() error {
		if left := append(living(all), m.members()...); len(left) > 0 {
			return fmt.Errorf("%d processes of the %s are left: %v", len(left), m.name, left)
		}
		return nil
	})
	if err == nil && m.process != nil {
		_, err = m.process.wait(allowed(stopLimit))
	}
	return err
}

// kill9 is kill, for a test that relies on it.
func (m *machine) kill9(t testing.TB) time.Time {
	t.Helper()
	at := time.Now()
	if err := m.kill(); err != nil {
		t.Fatal(err)
	}
	return at
}

// freeze stops every process at one moment, as a machine that hangs.
func (m *machine) freeze() {
	m.frozen = true
	freeze(m.members)
}

// thaw lets it go on where it was.
func (m *machine) thaw() {
	thaw(m.members())
	m.frozen = false
}

// answers says whether it can be asked at all.
func (m *machine) answers() bool { return m.running() && !m.frozen }

// result is what a command of ours answered.
type result struct {
	code           int
	stdout, stderr string
}

// runReleve runs the product's command line, for a minute and a half at most.
func runReleve(args ...string) result {
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	var out, said bytes.Buffer
	cmd := exec.CommandContext(ctx, product(), args...)
	cmd.Stdout, cmd.Stderr = &out, &said
	err := cmd.Run()
	if cmd.ProcessState == nil {
		return result{code: -1, stderr: err.Error()}
	}
	for _, b := range breakdowns {
		if bytes.Contains(said.Bytes(), []byte(b)) {
			exits.add(fmt.Sprintf("releve %s: %s", strings.Join(args, " "), said.String()))
		}
	}
	return result{code: cmd.ProcessState.ExitCode(), stdout: out.String(), stderr: said.String()}
}

// run runs a command with this machine's configuration.
func (m *machine) run(command string, args ...string) result {
	return runReleve(append([]string{command, "-c", m.file}, args...)...)
}

// mustRun is run, where only success will do.
func (m *machine) mustRun(t testing.TB, command string, args ...string) string {
	t.Helper()
	r := m.run(command, args...)
	if r.code != 0 {
		t.Fatalf("releve %s %s: exit code %d\n%s%s\n--- log of the %s:\n%s",
			command, strings.Join(args, " "), r.code, r.stdout, r.stderr, m.name, tail(m.said, 25))
	}
	return r.stdout
}

// witness is the site's third machine, as `releve witness` runs it (R5).
type witness struct{ machine }

func newWitness(dir string) *witness { return &witness{newMachine("witness", "witness", dir)} }

// flags are what `releve init` needs for it.
func (w *witness) flags() []string {
	return []string{"--witness", witnessHost + ":7444", "--witness-data", w.data}
}

// wipe takes its memory, as a disk that was exchanged.
func (w *witness) wipe(t testing.TB) {
	t.Helper()
	if w.running() {
		t.Fatal("the witness runs: its memory can be taken when it does not")
	}
	if err := os.RemoveAll(w.data); err != nil {
		t.Fatal(err)
	}
}

// show is what `releve witness show` says of it.
func (w *witness) show() (adapter.Status, error) {
	r := runReleve("witness", "show", "-c", w.file, "--output", "json")
	if r.code != 0 {
		return adapter.Status{}, fmt.Errorf("releve witness show: exit code %d: %s", r.code, r.stderr)
	}
	var status adapter.Status
	return status, json.Unmarshal([]byte(r.stdout), &status)
}

// mustShow is the register, for a test that relies on an answer.
func (w *witness) mustShow(t testing.TB) takeover.Register {
	t.Helper()
	return must(w.show())(t).Register
}
