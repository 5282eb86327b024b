package demo

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"releve"
	"releve/proof/practice"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const soon = 20 * time.Second

// eventually waits for something that another process does.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(soon); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("never: " + what)
		}
	}
}

// script writes an executable shell script that stands for a server's processes.
func script(t *testing.T, dir, text string) string {
	t.Helper()
	file := filepath.Join(dir, "server.sh")
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"+text), 0o755); err != nil {
		t.Fatal(err)
	}
	return file
}

func alive(pid int) bool {
	parents, _ := processes("/nowhere")
	_, ok := parents[pid]
	return ok
}

func start(t *testing.T, text string) (*server, string) {
	t.Helper()
	dir := t.TempDir()
	n := newNursery()
	t.Cleanup(n.close)
	s, err := n.serve(script(t, dir, text), "main", "main.toml", dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.stop(); err != nil {
			t.Error(err)
		}
	})
	return s, dir
}

// A postmaster has a session of its own, and outlives its parent's group.
const withPostmaster = `setsid sleep 1000 & echo $! > child
wait`

func childOf(t *testing.T, dir string) int {
	t.Helper()
	var pid int
	eventually(t, "a child", func() bool {
		text, _ := os.ReadFile(filepath.Join(dir, "child"))
		pid = atoi(string(text))
		return pid != 0
	})
	return pid
}

func atoi(text string) (n int) {
	for _, c := range strings.TrimSpace(text) {
		n = n*10 + int(c-'0')
	}
	return n
}

func TestCrashTakesTheWholeServer(t *testing.T) {
	s, dir := start(t, withPostmaster)
	child := childOf(t, dir)
	if n := s.killAll(); n < 2 {
		t.Errorf("%d processes killed", n)
	}
	eventually(t, "the end of the child", func() bool { return !alive(child) })
}

func TestStopFindsWhatAKilledServerLeftBehind(t *testing.T) {
	s, dir := start(t, withPostmaster)
	child := childOf(t, dir)
	if err := syscall.Kill(s.pid(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-s.done
	if !alive(child) {
		t.Fatal("the child ended with its parent: this test shows nothing")
	}
	if err := s.stop(); err != nil || alive(child) {
		t.Errorf("child alive after stop: %v", err)
	}
}

func TestServerThatEndsSaysItsLastWords(t *testing.T) {
	s, _ := start(t, "echo 'port 5060 is in use'; exit 4")
	<-s.done
	if err := s.ended(); err == nil || !strings.Contains(err.Error(), "port 5060 is in use") ||
		!strings.Contains(err.Error(), "exit status 4") {
		t.Errorf("%v", err)
	}
}

// The show may be killed too, and then nobody is left to stop anything.
func TestServersEndWithAShowThatIsKilled(t *testing.T) {
	if dir := os.Getenv("SHOW_KILLED"); dir != "" {
		n := newNursery()
		if _, err := n.serve(filepath.Join(dir, "server.sh"), "main", "main.toml", dir); err != nil {
			t.Fatal(err)
		}
		select {} // until it is killed
	}
	dir := t.TempDir()
	script(t, dir, "echo $$ > child; exec sleep 1000")
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), "SHOW_KILLED="+dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	child := childOf(t, dir)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	eventually(t, "the end of the server", func() bool { return !alive(child) })
}

func TestCommandGivesItsLinesAndItsFailure(t *testing.T) {
	var lines []string
	each := func(text string) { lines = append(lines, text) }
	file := script(t, t.TempDir(), "echo one; echo two; exit 5")
	err := run(t.Context(), each, file)
	if strings.Join(lines, " ") != "one two" || err == nil || !strings.Contains(err.Error(), "exit status 5: two") {
		t.Errorf("%q, %v", lines, err)
	}
}

func TestTakenAddressesAreLeftAlone(t *testing.T) {
	const busy = street(200)
	taken, err := net.Listen("tcp", netAddr(busy.house(secondaryHouse).String(), "5442"))
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	if err := busy.free(); err == nil {
		t.Error("a street with a database in it is called free")
	}
	if s, err := freeStreet(); err != nil || s == busy {
		t.Errorf("%d, %v", s, err)
	}
}

func netAddr(host, port string) string { return net.JoinHostPort(host, port) }

func TestOnlyRowsThatAreInTheDatabaseOnceAreFound(t *testing.T) {
	rows := []entry{{id: "1"}, {id: "2"}, {id: "3"}}
	if n := found(rows, map[releve.FactID]int{"1": 1, "2": 2, "4": 1}); n != 1 {
		t.Errorf("%d rows found", n)
	}
}

func TestCallsAreCountedByWhatTheCallerHeard(t *testing.T) {
	var f facts
	f.count([]practice.Result{
		{Answered: true, FirstSoundAfter: 1, Code: 200, Cleanly: true, Transferred: true},
		{Answered: true, FirstSoundAfter: 1, Code: 200},
		{Answered: true, Code: 200},
		{Code: 486},
		{},
	})
	want := facts{offered: 5, heard: 2, refused: 1, lost: 2, broken: 1, through: 1}
	if f != want {
		t.Errorf("%+v", f)
	}
}

func TestTimesOfTheTakeoverAreThePBXs(t *testing.T) {
	tr := newTraffic(newNarrator(&bytes.Buffer{}, releve.English))
	tr.hosts = map[string]releve.Seat{"main": releve.Main, "standby": releve.Secondary}
	failure := time.Now()
	at := func(ms int) time.Time { return failure.Add(time.Duration(ms) * time.Millisecond) }
	for _, e := range []practice.Event{
		{At: at(100), Kind: practice.CallOffered, Call: "a", User: callerUser},
		{At: at(100), Kind: practice.TryMain, Call: "a", Contact: "main"},
		{At: at(1100), Kind: practice.MainNoReply, Call: "a", Contact: "main"},
		{At: at(1101), Kind: practice.Overflow, Call: "a", Contact: "standby"},
		{At: at(1501), Kind: practice.Answered, Call: "a", Contact: "standby"},
		{At: at(50), Kind: practice.CallOffered, Call: "test", User: practice.StandbyUser},
		{At: at(50), Kind: practice.Overflow, Call: "test", Contact: "standby"},
	} {
		tr.heed(e)
	}
	tr.results = []practice.Result{{Call: "a", OfferedAt: at(100), Answered: true, FirstSoundAfter: 1500 * time.Millisecond}}
	var f facts
	if !f.takeover(tr, failure) {
		t.Fatal("no call was taken over")
	}
	f.count(tr.results)
	if f.sinceOverflow(f.answered) != 400*time.Millisecond || f.sinceOverflow(f.voice) != 499*time.Millisecond {
		t.Errorf("%+v", f)
	}
	if tr.offered != 1 {
		t.Errorf("%d calls offered: a procedure's own call is none", tr.offered)
	}
}

func TestWhatWasNotMeasuredIsSaid(t *testing.T) {
	var out bytes.Buffer
	n := newNarrator(&out, releve.French)
	n.table((&facts{}).rows(n))
	if text := out.String(); strings.Count(text, "non mesuré") != 8 || strings.Contains(text, "\x1b") {
		t.Errorf("%s", text)
	}
}

func TestLinesHaveTheirTime(t *testing.T) {
	var out bytes.Buffer
	n := newNarrator(&out, releve.English)
	n.sayAt(n.start.Add(1500*time.Millisecond), red, "lost", "call", 7)
	if out.String() != "   1.500 s  call 7: LOST, no voice and no refusal\n" {
		t.Errorf("%q", out.String())
	}
}

func TestPauseEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	began := time.Now()
	pause(ctx, time.Hour)
	if time.Since(began) > soon {
		t.Error("a pause outlives its context")
	}
}
