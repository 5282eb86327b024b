package acceptance

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// bench is the establishment without the product: a PBX, telephones and callers,
// with SIPp in the place of the two servers, to prove that the tests would see
// what goes wrong.
type bench struct {
	dir   string
	pbx   *pbx
	ear   *ear
	phone *phone
}

func newBench(t *testing.T) *bench {
	t.Helper()
	closeSharedSite() // it uses the same addresses
	b := &bench{dir: newDir(t)}
	var err error
	if b.ear, err = listen(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.ear.close)
	if b.pbx, err = startPBX(b.dir, nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.pbx.close)
	if b.phone, err = startPhone(b.dir, "1001", "127.0.0.31"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.phone.close)
	return b
}

// newDir is a directory for one test, open to the accounts of the parts.
func newDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp(os.Getenv(envDir), "t")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// server puts a SIPp in the place of one of the two servers.
func (b *bench) server(t *testing.T, user, password, host, scenario string, args ...string) *part {
	t.Helper()
	dir := filepath.Join(b.dir, user)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	p, err := startUAS(dir, scenario, host, args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.stop)
	if err := registerAt(dir, user, password, host); err != nil {
		t.Fatal(err)
	}
	return p
}

func (b *bench) call(t *testing.T, l load) []outcome {
	t.Helper()
	c, err := startCallers(b.dir, b.ear, l)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.sipp.stop)
	return c.wait(t, 30*time.Second)
}

// plan writes a list of answers for SIPp to give in turn.
func (b *bench) plan(t *testing.T, name, answers string) string {
	t.Helper()
	file := filepath.Join(b.dir, name+".csv")
	if err := os.WriteFile(file, []byte("SEQUENTIAL\n"+answers), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestTheHarnessSeesATransferAndTheGreetingBeforeIt(t *testing.T) {
	b := newBench(t)
	b.server(t, "reception", receptionPassword, mainHost, "attendant", "-d", "1500", "-key", "target", "sip:1001@"+domain)
	for _, o := range b.call(t, load{rate: 5, calls: 5, digits: "1001", patience: 5 * time.Second}) {
		if !o.greeted() || o.soundFrom.String() != mainHost || !o.transferred || o.hungUpBy != "server" {
			t.Error(o)
		}
	}
}

func TestTheHarnessSeesThatNobodySpoke(t *testing.T) {
	b := newBench(t)
	b.server(t, "reception", receptionPassword, mainHost, "phone", "-d", "0")
	// Without a sound from the caller the echo has nothing to give back.
	for _, o := range b.call(t, load{rate: 2, calls: 2, patience: time.Second}) {
		if !o.answered || o.greeted() || o.hungUpBy != "caller" {
			t.Error(o)
		}
	}
}

func TestTheHarnessSeesOverflowRefusalAndReturn(t *testing.T) {
	b := newBench(t)
	start := time.Now()
	b.server(t, "reception", receptionPassword, mainHost, "plan", "-d", "0", "-deadcall_wait", "0",
		"-inf", b.plan(t, "main", "486;Busy Here;\n486;Busy Here;\n486;Busy Here;\n486;Busy Here;\n"))
	b.server(t, "standby", standbyPassword, secondaryHost, "plan", "-d", "0", "-deadcall_wait", "0",
		"-inf", b.plan(t, "standby", "486;Main Is Well;\n"))
	for _, o := range b.call(t, load{rate: 1, calls: 1, patience: time.Second}) {
		if o.answered || o.code != 480 {
			t.Error(o)
		}
	}
	for kind, want := range map[string]int{"main-refused": 1, "overflow-standby": 1, "standby-refused": 1, "back-to-main": 3, "give-up": 1} {
		if got := len(b.pbx.events(start, kind)); got != want {
			t.Errorf("%d events %s, want %d:\n%s", got, kind, want, tail(b.pbx.log(), 20))
		}
	}
	if took := lapses(b.pbx.events(start), "overflow-standby", "standby-refused"); len(took) != 1 || took[0] <= 0 || took[0] > time.Second {
		t.Errorf("time from overflow to refusal: %v", took)
	}
}

func TestTheHarnessPullsACableAndPutsItBack(t *testing.T) {
	b := newBench(t)
	b.server(t, "reception", receptionPassword, mainHost, "phone", "-d", "0")
	b.server(t, "standby", standbyPassword, secondaryHost, "phone", "-d", "0")
	answeredBy := func(want string) {
		t.Helper()
		for _, o := range b.call(t, load{rate: 1, calls: 1, digits: "1", patience: time.Second}) {
			if o.soundFrom.String() != want {
				t.Errorf("want the sound of %s: %v", want, o)
			}
		}
	}
	answeredBy(mainHost)
	heal := cut(t, "main", between(pbxHost, mainHost)...)
	answeredBy(secondaryHost)
	heal()
	answeredBy(mainHost)
}

// Whatever a story does with a server that does not run: how it came to that is judged.
func TestTheHarnessHearsOfAnEndThatNobodyOrdered(t *testing.T) {
	for name, end := range map[string]struct {
		script string
		order  func(*part)
		wrong  string // a part of what is said, "" where all is as it should be
	}{
		"it gives up":             {"exit 0", nil, "nobody had asked it to"},
		"it races":                {"exit 66", nil, "exit code 66"},
		"somebody kills it":       {"kill -9 $$", nil, "nobody had killed it"},
		"a story kills it":        {"exec sleep 60", func(p *part) { _ = exits.kill(p.cmd.Process.Pid) }, ""},
		"it ends as it was asked": {"trap 'exit 0' TERM; echo ready; while :; do sleep 0.1; done", (*part).stop, ""},
		"it ends badly":           {"trap 'exit 1' TERM; echo ready; while :; do sleep 0.1; done", (*part).stop, "was asked to end"},
		"it went on after a panic": {"echo 'http: panic serving 127.0.0.1'; exec sleep 60",
			func(p *part) { _ = exits.kill(p.cmd.Process.Pid) }, "panic serving"},
	} {
		p, err := launch(filepath.Join(newDir(t), "out"), shell(end.script))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(end.script, "echo") {
			eventually(t, 5*time.Second, name, func() error {
				if tail(p.output, 1) == "" {
					return errNotYet
				}
				return nil
			})
		}
		if end.order != nil {
			end.order(p)
		}
		if _, err := p.wait(10 * time.Second); err != nil {
			t.Fatal(err)
		}
		if said := exits.judge(p); !strings.Contains(said, end.wrong) || (said == "") != (end.wrong == "") {
			t.Errorf("%s: it is said that it %q, want %q", name, said, end.wrong)
		}
	}
}

func TestTheHarnessForgetsNoProcessOfAFamily(t *testing.T) {
	p, err := launch(filepath.Join(newDir(t), "out"), shell("setsid sleep 60 & sleep 60 & wait"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.stop)
	members := func() []process { return family(p.cmd.Process.Pid, "") }
	eventually(t, 5*time.Second, "three processes", func() error {
		if n := len(members()); n != 3 {
			return fmt.Errorf("%d", n)
		}
		return nil
	})
	stopped := freeze(members)
	for _, m := range members() {
		if m.state != 'T' {
			t.Errorf("%d %s is in state %c", m.pid, m.command, m.state)
		}
	}
	killAll(stopped)
	eventually(t, 5*time.Second, "nobody left", func() error {
		if left := members(); len(left) > 0 {
			return fmt.Errorf("%v", left)
		}
		return nil
	})
}
