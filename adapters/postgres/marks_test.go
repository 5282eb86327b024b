package postgres

// What was seen to go wrong without a rule, each as a test of its own (RULES, the *run*
// marks). Each shows first that PostgreSQL does what the mark says, so that a version that
// does not is noticed.

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"releve"
	"releve/proof/practice/freeze"
)

// backendPID is the process of a kind that pg_stat_activity shows.
func backendPID(t *testing.T, c *Cluster, kind string) (pid int) {
	t.Helper()
	must(t, c.ask(within(t), limit, []any{&pid}, "SELECT pid FROM pg_stat_activity WHERE backend_type = $1", kind))
	return pid
}

// holdCheckpointer stops the checkpointer, as a long fsync does.
func holdCheckpointer(t *testing.T, c *Cluster) (release func()) {
	t.Helper()
	pid := backendPID(t, c, "checkpointer")
	freeze.Stop(t, pid)
	return func() { must(t, syscall.Kill(pid, syscall.SIGCONT)) }
}

// waits says whether a commit in a new session waits for a mirror that is not there.
func waits(t *testing.T, c *Cluster) bool {
	t.Helper()
	pool := openPool(t, c)
	if name := currentSetting(t, c, "synchronous_standby_names"); name != RoleMirror {
		t.Fatalf("the sessions do not show the mirror's name but %q", name)
	}
	ctx, cancel := context.WithCancel(within(t))
	done := make(chan error, 1)
	go func() {
		_, err := pool.Exec(ctx, "INSERT INTO facts VALUES (1)")
		done <- err
	}()
	waiting := false
	until(t, "the commit waits or is acknowledged", func() bool {
		select {
		case err := <-done:
			must(t, err)
			done <- nil
			return true
		default:
		}
		must(t, c.ask(within(t), limit, []any{&waiting},
			"SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'SyncRep'"))
		return waiting
	})
	cancel()
	<-done
	return waiting
}

// R1: a change of synchronous_standby_names is published by the checkpointer. While that
// is held, sessions show the mirror's name and commit alone. So the name is there from
// the first start, and a held checkpointer changes nothing.
func TestTheMirrorsNameHoldsWhileTheCheckpointerIsHeld(t *testing.T) {
	c := alone(t)
	ctx := within(t)
	local(t, openPool(t, c), "CREATE TABLE facts (n int)")
	release := holdCheckpointer(t, c)
	if !waits(t, c) {
		t.Error("a commit was acknowledged without a mirror")
	}
	release()

	// The same cluster as if the name came later.
	must(t, c.do(ctx, limit, "ALTER SYSTEM SET synchronous_standby_names = ''"))
	must(t, c.do(ctx, limit, "SELECT pg_reload_conf()"))
	until(t, "a commit returns", func() bool { _, err := c.mark(ctx); return err == nil })
	release = holdCheckpointer(t, c)
	defer release()
	must(t, c.do(ctx, limit, "ALTER SYSTEM RESET synchronous_standby_names"))
	must(t, c.do(ctx, limit, "SELECT pg_reload_conf()"))
	until(t, "the sessions show the name", func() bool { return currentSetting(t, c, "synchronous_standby_names") == RoleMirror })
	if waits(t, c) {
		t.Error("PostgreSQL publishes the name at once now: R1 could be relaxed")
	}
}

// R1: the commits of a server that is just starting wait as well, whatever its processes
// have got to: the checkpointer is held as soon as there is one. Versions that raced here
// are refused by Find.
func TestTheFirstCommitAfterAStartWaits(t *testing.T) {
	c := alone(t)
	local(t, openPool(t, c), "CREATE TABLE facts (n int)")
	for range 5 {
		must(t, c.Stop(within(t), true)) // in order: a recovery would wait for the checkpointer
		held := make(chan int, 1)
		stop := make(chan struct{})
		go func() { held <- holdFirst(c, "checkpointer", stop) }()
		must(t, c.Start(within(t), Primary))
		waiting := waits(t, c)
		close(stop)
		if pid := <-held; pid != 0 {
			must(t, syscall.Kill(pid, syscall.SIGCONT))
		} else {
			t.Error("the checkpointer was not seen")
		}
		if !waiting {
			t.Error("a commit right after the start was acknowledged without a mirror")
		}
	}
}

// holdFirst stops the first process of a title that it sees, and says which.
func holdFirst(c *Cluster, title string, stop <-chan struct{}) (pid int) {
	for {
		pids, err := c.members()
		if err != nil {
			return 0
		}
		for _, pid := range pids {
			args := commandLine(pid)
			if len(args) > 0 && strings.HasSuffix(strings.TrimSpace(args[0]), ": "+title) &&
				syscall.Kill(pid, syscall.SIGSTOP) == nil {
				return pid
			}
		}
		select {
		case <-stop:
			return 0
		case <-time.After(time.Millisecond):
		}
	}
}

// R1: a base backup under the mirror's name shows streaming and sync, and commits are
// acknowledged onto half a directory. So what bears the name is looked at, and a clone
// never does.
func TestABaseBackupUnderTheMirrorsNameIsNoMirror(t *testing.T) {
	main, secondary := pair(t)
	pool := openPool(t, main)
	sql(t, pool, "CREATE TABLE facts (n int)")
	must(t, secondary.Stop(within(t), true))
	for _, role := range []string{RoleClone, RoleMirror} {
		ctx, stop := context.WithCancel(within(t))
		half := filepath.Join(openDir(t), "half")
		must(t, os.Chmod(filepath.Dir(half), 0o777))
		done := make(chan error, 1)
		go func() {
			// As slow as it can be: it is still half a directory when it is killed.
			_, err := secondary.run(ctx, "", nil, "pg_basebackup",
				"--dbname="+secondary.conninfo(main.opts.Listen, role, RoleMirror),
				"--pgdata="+half, "--wal-method=stream", "--checkpoint=fast", "--max-rate=32k")
			done <- err
		}()
		until(t, "PostgreSQL takes it for the mirror", func() bool {
			var mirrored bool
			must(t, main.ask(within(t), limit, []any{&mirrored},
				"SELECT count(*) > 0 FROM pg_stat_replication "+
					"WHERE application_name = $1 AND state = 'streaming' AND sync_state = 'sync'", RoleMirror))
			m, err := main.Mirror(within(t))
			must(t, err)
			if m.InSync() {
				t.Fatalf("%s: it passes for the mirror: %+v", role, m)
			}
			return mirrored
		})
		if _, err := pool.Exec(within(t), "INSERT INTO facts VALUES (1)"); err != nil {
			t.Errorf("%s: PostgreSQL does not acknowledge onto a base backup now, R1 could be relaxed: %v", role, err)
		}
		stop()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("%s: the backup ended before the commit: %v", role, err)
		}
		until(t, "it is gone", func() bool {
			m, err := main.Mirror(within(t))
			must(t, err)
			return !m.Present
		})
	}
}

func TestACloneNeverBearsTheMirrorsName(t *testing.T) {
	main, secondary := pair(t)
	must(t, secondary.Stop(within(t), true))
	secondary.opts.CopyRate = 8 << 20
	done := make(chan error, 1)
	go func() { done <- secondary.Clone(context.Background(), main.opts.Listen, releve.NewDataID(), nil) }()
	looks := 0
	for cloning := true; cloning; {
		select {
		case err := <-done:
			must(t, err)
			cloning = false
		case <-time.After(5 * time.Millisecond):
		}
		var others, bearers int
		must(t, main.ask(within(t), limit, []any{&others, &bearers},
			"SELECT count(*), count(*) FILTER (WHERE lower(application_name) = $1) FROM pg_stat_replication", RoleMirror))
		if bearers > 0 {
			t.Fatal("a clone bears the mirror's name")
		}
		looks += others
	}
	if looks == 0 {
		t.Error("the clone was never seen")
	}
}

// R10: two promotions can both be timeline 2. pg_rewind then says that it is not required,
// and both show streaming, each with its own rows for ever.
func TestTwoPromotionsToOneTimelinePassForOne(t *testing.T) {
	main, secondary := alike(t)
	ctx := within(t)
	must(t, secondary.Start(ctx, Primary))
	must(t, secondary.EnsureSlot(ctx))
	must(t, secondary.Checkpoint(ctx))
	needed, err := main.Rewind(ctx, secondary.opts.Listen, releve.NewDataID(), nil)
	must(t, err)
	if needed {
		t.Error("pg_rewind tells them apart now: R10 could be relaxed")
	}
	must(t, main.Start(ctx, CatchUp))
	must(t, main.AwaitStream(ctx))
	local(t, openPool(t, secondary), "INSERT INTO later VALUES ('to both')")
	behind := openPool(t, main)
	until(t, "what the owner writes later is replayed", func() bool {
		return count(t, behind, "SELECT count(*) FROM later") == 1
	})
	for c, want := range map[*Cluster]string{main: "M", secondary: "S"} {
		var who string
		must(t, openPool(t, c).QueryRow(ctx, "SELECT who FROM facts").Scan(&who))
		if who != want {
			t.Errorf("it holds %q, expected %q", who, want)
		}
	}
	// What is left to tell them apart is what the rule asks to compare.
	main.Fence()
	if err := main.OnlyFollowed(ctx, secondary.opts.Listen); err == nil {
		t.Error("data with rows of its own passes for a mere copy")
	}
}

// alike is promotedApart when no background process of PostgreSQL has written into the
// log of one and not of the other.
func alike(t *testing.T) (main, secondary *Cluster) {
	t.Helper()
	for range 8 {
		main, secondary = promotedApart(t)
		const end = "Latest checkpoint location"
		mine, theirs := controlled(t, main, end), controlled(t, secondary, end)
		if mine == theirs {
			return main, secondary
		}
		t.Logf("one ends at %s, the other at %s", mine, theirs)
	}
	t.Fatal("PostgreSQL's own records never fell alike")
	return nil, nil
}

// promotedApart leaves both servers stopped on timelines 2 that parted at one position,
// each with a row of its own, and of the same length: the log of one goes on where that of
// the other ends. Nothing but those rows tells them apart.
func promotedApart(t *testing.T) (main, secondary *Cluster) {
	t.Helper()
	main, secondary = pair(t)
	ctx := within(t)
	sql(t, openPool(t, main), "CREATE TABLE facts (who text); CREATE TABLE later (to_whom text)")
	must(t, main.Stop(ctx, true)) // the mirror receives all of it
	must(t, secondary.Stop(ctx, true))
	for name, c := range map[string]*Cluster{"M": main, "S": secondary} {
		must(t, c.Start(ctx, Isolated))
		p, err := c.Promote(ctx, Asked{ID: "promotion"})
		must(t, err)
		if p.Timeline != 2 {
			t.Fatalf("%s is on timeline %d", name, p.Timeline)
		}
		local(t, openPool(t, c), "INSERT INTO facts VALUES ($1)", name)
		must(t, c.do(ctx, limit, "SELECT pg_switch_wal()"))
		must(t, c.Stop(ctx, true))
	}
	mine, err := main.History(2)
	must(t, err)
	theirs, err := secondary.History(2)
	must(t, err)
	if len(mine) != 1 || len(theirs) != 1 || mine[0] != theirs[0] {
		t.Fatalf("they parted apart: %v %v", mine, theirs)
	}
	return main, secondary
}
