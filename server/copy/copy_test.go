package copy

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"releve"
	"releve/adapters/postgres"
	"releve/proof/sitetest"
	"releve/rules/takeover"
	"releve/server/order"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const limit = sitetest.Limit(2 * time.Minute)

var within, must, until = limit.Within, sitetest.Must, limit.Until

// shortLog is how much log a main keeps for its mirror in these tests.
const shortLog = 64 << 20

// home is a database with its directory, and who copies it.
type home struct {
	*postgres.Runner
	*Copier
	dir string
}

// databases are those of both servers of a site, each of which prepares the other's copies.
func databases(t *testing.T) (main, secondary home) {
	t.Helper()
	first, second := sitetest.New(t, func(o *postgres.Options) { o.KeepWAL = shortLog })
	return databaseOf(first, second), databaseOf(second, first)
}

func databaseOf(made, other sitetest.Server) home {
	o := made.Options
	disk := func() (takeover.DiskKind, releve.DataID, error) {
		state, err := made.Whose()
		if err != nil || state.Presence != postgres.Ours || state.Unusable != "" {
			return takeover.DiskForeign, "", err
		}
		return takeover.DiskOurs, state.DataID, nil
	}
	return home{
		postgres.NewRunner(made.Cluster, nil, func(releve.Sentence) {}),
		New(Options{PostgreSQL: made.Cluster, Disk: disk, Other: o.Upstream, Link: linkTo{Desk(other.Cluster)}, Log: o.Log}),
		o.Dir,
	}
}

// linkTo has orders carried out as the other server's link does.
type linkTo struct{ order.Desk }

func (l linkTo) Command(ctx context.Context, name string, args json.RawMessage, emit func(json.RawMessage) error) error {
	return l.Desk[name](ctx, args, emit)
}

// said are the codes of what a copy says, each once.
type said []string

func (s *said) say(what releve.Sentence, _ *releve.Progress) {
	if !slices.Contains(*s, what.Code) {
		*s = append(*s, what.Code)
	}
}

// inTime does again what did not end in its time, as the agent does: a look has a second, and a
// machine may be busy for longer.
func inTime(t *testing.T, what string, do func() error) {
	t.Helper()
	until(t, what, func() bool {
		err := do()
		if !errors.Is(err, context.DeadlineExceeded) {
			must(t, err)
		}
		return err == nil
	})
}

func mirrorOf(t *testing.T, owner home) (m postgres.MirrorSession, own postgres.Position) {
	t.Helper()
	inTime(t, "the owner says how its mirror is", func() error {
		at, seen, err := owner.Runner.Look(within(t))
		if err == nil && seen == nil {
			err = errors.New("nothing of its mirror")
		}
		if err == nil {
			m, own = *seen, at
		}
		return err
	})
	return m, own
}

func follow(t *testing.T, copied home) {
	t.Helper()
	inTime(t, "the copy follows", func() error { return copied.Follow(within(t)) })
}

func inSync(t *testing.T, owner home) {
	t.Helper()
	until(t, "the mirror is in sync", func() bool { m, _ := mirrorOf(t, owner); return m.InSync() })
}

// protected is a main on duty with its mirror in sync, and a table on both.
func protected(t *testing.T) (main, secondary home) {
	t.Helper()
	main, secondary = databases(t)
	must(t, main.Create(within(t), releve.NewDataID()))
	must(t, main.StartPrimary(within(t)))
	_, err := secondary.Rejoin(within(t), takeover.Promotion{Timeline: 1}, new(said).say)
	must(t, err)
	follow(t, secondary)
	inSync(t, main)
	run(t, main, "CREATE TABLE facts ()")
	until(t, "the mirror has the table", func() bool {
		_, own := mirrorOf(t, main)
		var copied postgres.Position
		inTime(t, "the mirror says how far it is", func() (err error) {
			copied, err = secondary.Position(within(t))
			return err
		})
		return copied.Replay >= own.Flush
	})
	return main, secondary
}

// run runs statements as the owner of the database, whose commits wait for nobody.
func run(t *testing.T, d home, statements ...string) {
	t.Helper()
	ctx := within(t)
	pool, err := d.Pool(ctx, 1)
	must(t, err)
	defer pool.Close()
	for _, statement := range statements {
		_, err := pool.Exec(ctx, "BEGIN; SET LOCAL synchronous_commit = local; "+statement+"; COMMIT")
		must(t, err)
	}
}

func rows(t *testing.T, d home) (n int) {
	t.Helper()
	pool, err := d.Pool(within(t), 1)
	must(t, err)
	defer pool.Close()
	must(t, pool.QueryRow(within(t), "SELECT count(*) FROM facts").Scan(&n))
	return n
}

// outgrow writes until the log that the mirror needs is gone.
func outgrow(t *testing.T, owner home) {
	t.Helper()
	written := 0
	until(t, "the slot has lost the mirror's log", func() bool {
		run(t, owner, "INSERT INTO facts SELECT FROM generate_series(1, 200000)")
		written++
		must(t, owner.Checkpoint(within(t)))
		m, _ := mirrorOf(t, owner)
		if m.InSync() {
			t.Fatal("a mirror that is away is in sync")
		}
		return m.Lost
	})
	if written < 3 {
		t.Errorf("%d bytes of log are to be kept, and they were lost after %d checkpoints", shortLog, written)
	}
}

func asides(t *testing.T, d home) []string {
	t.Helper()
	found, err := d.Unsalvaged()
	must(t, err)
	return found
}

func TestAMirrorThatWasAwayForTooLongIsClonedAnewByItself(t *testing.T) {
	main, secondary := protected(t)
	must(t, secondary.Stop(within(t)))
	outgrow(t, main)
	must(t, main.Stop(within(t)))
	must(t, main.StartPrimary(within(t)))
	if m, _ := mirrorOf(t, main); !m.Lost {
		t.Fatalf("after a restart it is forgotten: %+v", m)
	}

	var all said
	copied := 0
	secondary.Copied = func() { copied++ }
	id, err := secondary.Rejoin(within(t), takeover.Promotion{Timeline: 1}, all.say)
	must(t, err)
	if copied != 1 {
		t.Errorf("%d times it was told that the data is a copy now", copied)
	}
	if want := (said{"copy-clones", "copy-starts"}); !slices.Equal(all, want) {
		t.Errorf("it said %v, expected %v", all, want)
	}
	if _, now, err := secondary.Disk(); err != nil || now != id {
		t.Errorf("the data is %s, expected %s (%v)", now, id, err)
	}
	follow(t, secondary)
	inSync(t, main)
	if m, _ := mirrorOf(t, main); m.Lost {
		t.Errorf("the log is still said to be gone: %+v", m)
	}
	until(t, "the mirror has all rows", func() bool { return rows(t, secondary) == rows(t, main) })
	kept, err := filepath.Glob(filepath.Join(secondary.dir, "data.aside-*"))
	if err != nil || len(kept) > 0 {
		t.Errorf("a copy of which nothing was its own is kept: %v (%v)", kept, err)
	}
}

// A copy is not begun whose log could not be kept while it is made; there is room, and it is.
func TestAnOwnerWithoutRoomForTheLogIsNotCopiedFrom(t *testing.T) {
	disk := smallDisk(t)
	made, _ := sitetest.New(t, func(o *postgres.Options) {
		if o.Seat == releve.Main {
			o.Dir = filepath.Join(disk, "postgres")
		}
	})
	main := databaseOf(made, made)
	ctx := within(t)
	must(t, main.Create(ctx, releve.NewDataID()))
	must(t, main.StartPrimary(ctx))
	ballast := filepath.Join(disk, "ballast")
	must(t, os.WriteFile(ballast, make([]byte, 190<<20), 0o600))
	_, err := Prepare(ctx, main.Link)
	fault, ok := errors.AsType[*releve.Fault](err)
	if !ok || fault.Why.Code != "copy-source-no-room" || fault.Why.Args["seat"] != "main" {
		t.Errorf("who would copy is answered %v", err)
	}
	must(t, os.Remove(ballast))
	_, err = Prepare(ctx, main.Link)
	must(t, err)
}

func asRoot(command ...string) *exec.Cmd {
	if os.Geteuid() != 0 {
		command = append([]string{"sudo", "-n"}, command...)
	}
	return exec.Command(command[0], command[1:]...)
}

// smallDisk is a file system of 300 MB, for which the test needs to be root.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "rlv-")
	must(t, errors.Join(err, os.Chmod(dir, 0o755)))
	if out, err := asRoot("mount", "-t", "tmpfs", "-o", "size=300m,mode=777", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Fatalf("this test mounts a file system, for which it needs root, or sudo without a password: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := asRoot("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("umount %s: %v: %s", dir, err, out)
		}
		must(t, os.Remove(dir))
	})
	return dir
}

func TestAnOldOwnerWhoseRewindLeadsNowhereIsClonedAtOnce(t *testing.T) {
	main, secondary := protected(t)
	ctx := within(t)
	main.Fence()
	p, err := secondary.Promote(ctx, postgres.Asked{ID: "promotion"})
	must(t, err)
	outgrow(t, secondary)

	var all said
	began := time.Now()
	_, err = main.Rejoin(ctx, takeover.Promotion{Timeline: p.Timeline, Fork: p.Fork}, all.say)
	must(t, err)
	t.Logf("%v in %s", all, time.Since(began))
	if want := (said{"copy-rewinds", "copy-starts", "copy-clones"}); !slices.Equal(all, want) || len(asides(t, main)) > 0 {
		t.Errorf("it said %v, expected %v, and kept %v", all, want, asides(t, main))
	}
	follow(t, main)
	inSync(t, secondary)
	until(t, "the old owner has all rows", func() bool { return rows(t, main) == rows(t, secondary) })
}

func TestAMirrorThatWasWritableIsNeverThrownAway(t *testing.T) {
	main, secondary := protected(t)
	ctx := within(t)
	must(t, secondary.Stop(ctx))
	must(t, secondary.StartPrimary(ctx)) // whatever made it so
	run(t, secondary, "INSERT INTO facts DEFAULT VALUES")
	must(t, secondary.Stop(ctx))
	run(t, main, "INSERT INTO facts SELECT FROM generate_series(1, 1000)")

	var all said
	_, err := secondary.Rejoin(ctx, takeover.Promotion{Timeline: 1}, all.say)
	must(t, err)
	if !slices.Contains(all, "copy-set-aside") || len(asides(t, secondary)) != 1 {
		t.Errorf("it said %v and kept %v", all, asides(t, secondary))
	}
}

func TestLostDataComesBackAsACopyToPromote(t *testing.T) {
	main, secondary := protected(t)
	ctx := within(t)
	run(t, main, "INSERT INTO facts SELECT FROM generate_series(1, 1000)")
	until(t, "the mirror has all rows", func() bool { return rows(t, secondary) == 1000 })
	main.Fence()
	must(t, os.RemoveAll(filepath.Join(main.dir, "data", "base")))
	var all said
	id, err := main.Restore(ctx, all.say)
	must(t, err)
	if kind, now, err := main.Disk(); err != nil || kind != takeover.DiskOurs || now != id {
		t.Errorf("%s %s, expected %s (%v)", kind, now, id, err)
	}
	if db, err := main.Position(ctx); err != nil || !db.InRecovery {
		t.Errorf("it is no copy: %+v (%v)", db, err)
	}
	_, err = main.Promote(ctx, postgres.Asked{ID: "promotion"})
	must(t, err)
	inSync(t, main)
	if n := rows(t, main); n != 1000 || id == releve.DataID("") {
		t.Errorf("%d rows of 1000", n)
	}
	if want := (said{"copy-clones", "copy-set-aside", "copy-starts"}); !slices.Equal(all, want) {
		t.Errorf("it said %v, expected %v", all, want)
	}
}

// Two promotions to one timeline's number pass for one with pg_rewind (R10).
func TestDataPromotedToTheSameNumberIsSetAsideAndNeverRewound(t *testing.T) {
	main, secondary := protected(t)
	ctx := within(t)
	must(t, main.Stop(ctx))
	must(t, secondary.Stop(ctx))
	var both [2]takeover.Promotion
	for i, d := range []home{main, secondary} {
		must(t, d.StartCopy(ctx))
		p, err := d.Promote(ctx, postgres.Asked{ID: "promotion"})
		must(t, err)
		both[i] = takeover.Promotion{Timeline: p.Timeline, Fork: p.Fork}
		run(t, d, "INSERT INTO facts DEFAULT VALUES")
		if i == 0 {
			must(t, d.Stop(ctx))
		}
	}
	if both[0] != both[1] {
		t.Fatalf("they can be told apart: %v", both)
	}
	var all said
	_, err := main.Rejoin(ctx, both[1], all.say)
	must(t, err)
	if slices.Contains(all, "copy-rewinds") || len(asides(t, main)) != 1 {
		t.Errorf("it said %v and kept %v", all, asides(t, main))
	}
}

// What the owner answers to who would copy from it is a history, or why not.
func TestAnOwnerWithoutRoomSaysSoToWhoWouldCopyFromIt(t *testing.T) {
	var forks []releve.Fork
	must(t, readPrepared(order.Args([]releve.Fork{{Timeline: 1, At: 7}}), &forks))
	if len(forks) != 1 || forks[0].At != 7 {
		t.Errorf("the history is read as %v", forks)
	}
	must(t, readPrepared(order.Args([]releve.Fork(nil)), &forks))
	err := readPrepared(order.Args(releve.Say("copy-source-no-room", "free", "7")), &forks)
	fault, ok := errors.AsType[*releve.Fault](err)
	if !ok || !errors.Is(err, releve.ErrNoRoom) || fault.Why.Args["free"] != "7" {
		t.Errorf("the refusal is read as %v", err)
	}
}
