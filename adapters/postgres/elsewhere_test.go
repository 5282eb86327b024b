package postgres

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"releve"
)

// moveTo moves a directory to a disk of its own and leaves a link, as who has a full disk
// does.
func moveTo(t *testing.T, disk, dir string) {
	t.Helper()
	real := filepath.Join(disk, filepath.Base(dir))
	if out, err := exec.Command("cp", "-a", dir, real).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	must(t, errors.Join(os.RemoveAll(dir), os.Symlink(real, dir)))
}

// A site whose log, or whose whole data, was moved to another disk: every operation that links
// or renames does its work all the same.
func TestASiteWithAnotherDiskForItsLogOrItsData(t *testing.T) {
	for story, moved := range map[string][]string{"the log": {"data", "pg_wal"}, "the data": {"data"}} {
		t.Run(story, func(t *testing.T) {
			main, secondary := pair(t)
			pool := openPool(t, main)
			sql(t, pool, "CREATE TABLE facts AS SELECT 1 AS n")
			must(t, secondary.Stop(within(t), true))
			moveTo(t, mount(t, "-t", "tmpfs", "-o", "size=400m", "tmpfs"), secondary.path(moved...))
			must(t, secondary.Examine())
			follow(t, secondary, main)
			inSync(t, main)
			sql(t, pool, "INSERT INTO facts VALUES (2)")
			main.Fence()
			_, err := secondary.Promote(within(t), Asked{ID: "promotion"})
			must(t, err)
			if _, err := os.Stat(secondary.path("data", "pg_wal", keptTail)); !os.IsNotExist(err) {
				t.Errorf("what was kept for the promotion is still there: %v", err)
			}
			if n := count(t, openPool(t, secondary), "SELECT count(*) FROM facts"); n != 2 {
				t.Errorf("%d rows after the promotion", n)
			}
			kept, first := keptOf(t, secondary)
			must(t, secondary.keepEvidence(kept, first))
			if evidence, err := filepath.Glob(secondary.path("tail-*", "0*")); err != nil || len(evidence) == 0 {
				t.Errorf("the evidence of a damaged tail is not kept: %v", err)
			}
			must(t, secondary.Checkpoint(within(t)))
			must(t, secondary.Stop(within(t), true))
			aside, err := secondary.SetAside(within(t), "a story")
			must(t, err)
			a, err := secondary.OpenAside(within(t), filepath.Base(aside))
			must(t, err)
			a.Close()
			main.opts.Upstream, secondary.opts.Upstream = secondary.opts.Listen, main.opts.Listen
			must(t, main.Start(within(t), Primary))
			must(t, secondary.Clone(within(t), main.opts.Listen, releve.NewDataID(), nil))
			follow(t, secondary, main)
		})
	}
}

func keptOf(t *testing.T, c *Cluster) (string, attempt) {
	t.Helper()
	kept, first, err := c.keepTail("a look", Position{Timeline: 1, Replay: segmentSize})
	must(t, err)
	return kept, first
}

// A mirror without room asks first: nothing is copied, and a sentence has the numbers.
func TestACloneLooksForRoomFirst(t *testing.T) {
	main, secondary := pair(t)
	must(t, secondary.Stop(within(t), true))
	o := secondary.opts
	o.Dir = filepath.Join(mount(t, "-t", "tmpfs", "-o", "size=100m", "tmpfs"), "pg")
	small := newCluster(t, o)
	local(t, openPool(t, main), "CREATE TABLE big AS SELECT repeat(md5(i::text), 20) AS t FROM generate_series(1, 60000) AS i")
	err := small.Clone(within(t), main.opts.Listen, releve.NewDataID(), func(int64, int64) { t.Error("a copy was begun") })
	fault := (*releve.Fault)(nil)
	if !errors.Is(err, releve.ErrNoRoom) || !errors.As(err, &fault) ||
		fault.Why.Args["free"] == "" || fault.Why.Args["needed"] == "" {
		t.Fatalf("it ended with %v", err)
	}
	if senders := count(t, openPool(t, main), "SELECT count(*) FROM pg_stat_replication"); senders != 0 {
		t.Errorf("%d sessions copy", senders)
	}
}

// A rewind copies the log that the other kept: where there is no room for it, nothing is begun,
// and the data stays as it was.
func TestARewindLooksForRoomFirst(t *testing.T) {
	main, secondary := diverge(t)
	must(t, secondary.EnsureSlot(within(t)))
	for range 5 {
		recordMuch(t, secondary)
	}
	moveTo(t, mount(t, "-t", "tmpfs", "-o", "size=160m", "tmpfs"), main.logDir())
	_, err := main.Rewind(within(t), secondary.opts.Listen, releve.NewDataID(), func(int64, int64) { t.Error("it was begun") })
	fault := (*releve.Fault)(nil)
	if !errors.Is(err, releve.ErrNoRoom) || !errors.As(err, &fault) || fault.Why.Args["directory"] != main.logDir() {
		t.Fatalf("it ended with %v", err)
	}
	if state, err := main.State(); err != nil || state.Unusable != "" {
		t.Errorf("%+v (%v)", state, err)
	}
}

// What others write meanwhile ends a copy before it takes the last of the disk.
func TestACopyUnderWayLeavesRoom(t *testing.T) {
	main, secondary := pair(t)
	must(t, secondary.Stop(within(t), true))
	dir := mount(t, "-t", "tmpfs", "-o", "size=300m", "tmpfs")
	o := secondary.opts
	o.Dir, o.CopyRate = filepath.Join(dir, "pg"), 4<<20
	small := newCluster(t, o)
	var ballast sync.Once
	err := small.Clone(within(t), main.opts.Listen, releve.NewDataID(), func(int64, int64) {
		ballast.Do(func() { // little by little, for the copy goes on meanwhile
			file, err := os.Create(filepath.Join(dir, "ballast"))
			d, unknown := diskOf(dir)
			for err == nil && unknown == nil && d.free >= d.spare()/2 {
				_, err = file.Write(make([]byte, 1<<20))
				d, unknown = diskOf(dir)
			}
			if err := errors.Join(err, unknown, file.Close()); err != nil {
				t.Error(err)
			}
		})
	})
	if !errors.Is(err, releve.ErrNoRoom) {
		t.Fatalf("it ended with %v", err)
	}
	if d, err := diskOf(dir); err != nil || d.free == 0 {
		t.Errorf("the disk is full: %+v, %v", d, err)
	}
}
