package postgres

import (
	"context"
	"errors"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"releve"
	"releve/proof/practice/freeze"
)

func TestWhatAdvancesIsWaitedForAndWhatStandsStillIsNot(t *testing.T) {
	s := stall{limit: 10 * time.Second}
	begin := time.Now()
	look := func(second int, mark string) error { return s.at(begin.Add(time.Duration(second)*time.Second), mark) }
	for i := range 100 { // slow, but it moves every nine seconds
		if err := look(i, strconv.Itoa(i/9)); err != nil {
			t.Fatal(err)
		}
	}
	for i := 100; i < 110; i++ {
		if err := look(i, "still"); err != nil {
			t.Fatal(err)
		}
	}
	if err := look(111, "still"); !errors.Is(err, ErrStalled) {
		t.Errorf("after eleven seconds: %v", err)
	}
	if err := look(200, "still"); err != nil {
		t.Errorf("who looks slept himself: %v", err)
	}
}

// processesOf are the processes of a program that works on a directory.
func processesOf(program, dir string) (pids []int) {
	for _, pid := range allProcesses() {
		args := commandLine(pid)
		if len(args) > 0 && strings.HasSuffix(args[0], program) && strings.Contains(strings.Join(args, " "), dir) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// The disk that is copied onto stalls for longer than a mirror in sync may: the copy goes on
// where it was.
func TestACopySurvivesAStall(t *testing.T) {
	main, secondary := pair(t)
	sql(t, openPool(t, main), "CREATE TABLE big AS SELECT repeat(md5(i::text), 20) AS t FROM generate_series(1, 20000) AS i")
	must(t, secondary.Stop(within(t), true))
	secondary.opts.CopyRate = 6 << 20
	cloned := make(chan error, 1)
	ctx, cancel := context.WithTimeout(context.Background(), 2*limit)
	defer cancel()
	go func() { cloned <- secondary.Clone(ctx, main.opts.Listen, releve.NewDataID(), nil) }()
	var pids []int
	until(t, "the copy has two halves", func() bool {
		pids = processesOf("pg_basebackup", secondary.opts.Dir)
		return len(pids) == 2
	})
	for _, pid := range pids {
		freeze.Stop(t, pid)
	}
	time.Sleep(5 * time.Second) // the stall itself
	for _, pid := range pids {
		must(t, syscall.Kill(pid, syscall.SIGCONT))
	}
	must(t, <-cloned)
}

func TestACopyWhoseSourceStandsStillIsEnded(t *testing.T) {
	main, secondary := pair(t)
	must(t, secondary.Stop(within(t), true))
	secondary.stalls = 2 * time.Second
	cloned := make(chan error, 1)
	go func() {
		cloned <- secondary.Clone(within(t), main.opts.Listen, releve.NewDataID(), nil)
	}()
	var senders []int
	until(t, "the source sends", func() bool {
		senders = nil
		streams := false // the copy and its log: one that only begins would be refused and not stalled
		for _, pid := range allProcesses() {
			if args := commandLine(pid); main.isBackend(args) && strings.Contains(args[0], "walsender "+RoleClone) {
				senders = append(senders, pid)
				streams = streams || strings.Contains(args[0], " streaming ")
			}
		}
		return len(senders) == 2 && streams
	})
	for _, pid := range senders {
		freeze.Stop(t, pid)
		defer syscall.Kill(pid, syscall.SIGCONT)
	}
	if err := <-cloned; !errors.Is(err, ErrStalled) {
		t.Errorf("it ended with %v", err)
	}
}

// Replay that advances is waited for, though each step of it comes late.
func TestASlowRecoveryIsWaitedFor(t *testing.T) {
	c := alone(t)
	pool := openPool(t, c)
	must(t, c.Checkpoint(within(t)))
	local(t, pool, "CREATE TABLE w AS SELECT repeat(md5(g::text), 60) AS t FROM generate_series(1, 60000) AS g")
	pool.Close()
	c.Fence()
	c.stalls = 3 * time.Second
	began := time.Now()
	started := make(chan error, 1)
	var reported atomic.Int64
	go func() {
		started <- c.StartShowing(within(t), Primary, func(done, total int64) { reported.Store(done) })
	}()
	var replays []int
	for running := true; running; {
		select {
		case err := <-started:
			must(t, err)
			running = false
		default:
			pid := startupOf(c)
			if pid == 0 {
				time.Sleep(time.Millisecond)
				continue
			}
			if len(replays) == 0 || replays[len(replays)-1] != pid {
				replays = append(replays, pid)
			}
			hold(pid, time.Since(began) < 9*time.Second || reported.Load() == 0 && isReplaying(pid))
		}
	}
	if len(replays) != 1 || time.Since(began) < 3*c.stalls || reported.Load() == 0 {
		t.Errorf("replayed by %v within %s, %d bytes reported", replays, time.Since(began), reported.Load())
	}
}

// isReplaying: what comes before may take longer than a test, if it is held up as well.
func isReplaying(pid int) bool {
	return strings.Contains(strings.Join(commandLine(pid), " "), "startup recovering")
}

// hold lets a process take a step only now and then, as a slow disk would. On a busy machine a
// step takes its time.
func hold(pid int, slow bool) {
	before := ""
	if slow {
		_ = syscall.Kill(pid, syscall.SIGSTOP)
		time.Sleep(time.Second)
		before = effort(pid)
	}
	_ = syscall.Kill(pid, syscall.SIGCONT)
	for end := time.Now().Add(limit); ; {
		time.Sleep(12 * time.Millisecond)
		if now := effort(pid); now == "" || now != before || time.Now().After(end) {
			return
		}
	}
}

func startupOf(c *Cluster) int {
	for _, pid := range allProcesses() {
		if args := commandLine(pid); c.isBackend(args) && strings.Contains(args[0], ": startup") {
			return pid
		}
	}
	return 0
}

func TestARecoveryThatStandsStillIsEnded(t *testing.T) {
	c := alone(t)
	must(t, c.Checkpoint(within(t)))
	local(t, openPool(t, c), "CREATE TABLE w AS SELECT repeat(md5(g::text), 60) AS t FROM generate_series(1, 60000) AS g")
	c.Fence()
	c.stalls = 2 * time.Second
	started := make(chan error, 1)
	go func() { started <- c.Start(within(t), Primary) }()
	until(t, "it replays", func() bool {
		pid := startupOf(c)
		return pid != 0 && syscall.Kill(pid, syscall.SIGSTOP) == nil
	})
	if err := <-started; !errors.Is(err, ErrStalled) {
		t.Errorf("it ended with %v", err)
	}
	if _, err := os.Stat(c.path("data", "PG_VERSION")); err != nil {
		t.Error(err)
	}
}

// A machine may be so busy that the first session of a start comes later than a look waits:
// it is asked for again, and a PostgreSQL that never answers is no start.
func TestAFirstAnswerThatComesLateIsWaitedFor(t *testing.T) {
	c := alone(t)
	p := c.postmaster()
	held := func() {
		freeze.Stop(t, p.cmd.Process.Pid)
		p.pool.Reset() // no session is left
	}
	t.Cleanup(func() { _ = p.cmd.Process.Signal(syscall.SIGCONT) })
	held()
	time.AfterFunc(2*askLimit, func() { _ = p.cmd.Process.Signal(syscall.SIGCONT) })
	if at, err := c.firstAnswer(within(t), p); err != nil || at.InRecovery || at.Timeline != 1 {
		t.Errorf("it is at %+v (%v)", at, err)
	}
	held()
	c.stalls = 2 * askLimit
	if at, err := c.firstAnswer(within(t), p); !errors.Is(err, ErrStalled) {
		t.Errorf("it is at %+v (%v)", at, err)
	}
}
