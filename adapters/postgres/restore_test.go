package postgres

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"releve"
)

// loaded is a pair with acknowledged rows, its owner fenced in the middle of more.
func loaded(t *testing.T) (main, secondary *Cluster, l *load) {
	t.Helper()
	main, secondary = pair(t)
	return main, secondary, workload(t, main)
}

// workload leaves a cluster fenced in the middle of the rows that it acknowledged.
func workload(t *testing.T, main *Cluster) *load {
	t.Helper()
	pool := openPool(t, main)
	sql(t, pool, "CREATE TABLE facts (n int PRIMARY KEY)")
	l := startLoad(t, pool, 4)
	until(t, "rows are acknowledged", func() bool { return len(l.rows()) >= 300 })
	main.Fence()
	l.writers.Wait()
	return l
}

// restored makes main's data anew, promotes it and has the mirror follow, and checks that
// no acknowledged row is missing on either.
func restored(t *testing.T, main, secondary *Cluster, l *load, old Replaced) (aside string) {
	t.Helper()
	ctx := within(t)
	id, mirrors := releve.NewDataID(), identityOf(t, secondary)
	var done, total int64
	aside, err := main.Restore(ctx, secondary.opts.Listen, id, old, func(d, n int64) { done, total = d, n })
	must(t, err)
	if done == 0 || done != total {
		t.Errorf("progress ended at %d of %d bytes", done, total)
	}
	must(t, main.Start(ctx, CatchUp))
	must(t, main.CatchUpWith(ctx, secondary.opts.Listen))
	if p, err := secondary.Position(ctx); err != nil || !p.InRecovery || identityOf(t, secondary) != mirrors {
		t.Errorf("the mirror did not stay what it was: %+v (%v)", p, err)
	}
	p, err := main.Promote(ctx, Asked{ID: "promotion"})
	must(t, err)
	must(t, main.EnsureSlot(ctx))
	if p.Timeline != 2 || identityOf(t, main) != id {
		t.Errorf("%+v, with the id %s, expected %s", p, identityOf(t, main), id)
	}
	inSync(t, main) // the mirror goes over to the new timeline by itself
	pool := openPool(t, main)
	if n := l.missingFrom(t, pool); n > 0 {
		t.Errorf("%d of %d acknowledged rows are lost", n, len(l.rows()))
	}
	sql(t, pool, "INSERT INTO facts VALUES (-1)")
	until(t, "the mirror has the first row after the restore", func() bool {
		return count(t, openPool(t, secondary), "SELECT count(*) FROM facts WHERE n = -1") == 1
	})
	t.Logf("%d rows acknowledged, none missing", len(l.rows()))
	return aside
}

func identityOf(t *testing.T, c *Cluster) releve.DataID {
	t.Helper()
	state, err := c.ownership()
	must(t, err)
	return state.DataID
}

func TestLostDataIsRestoredFromTheMirrorWithEveryAcknowledgedRow(t *testing.T) {
	for name, lose := range map[string]func(t *testing.T, data string){
		"all files gone": func(t *testing.T, data string) { must(t, os.RemoveAll(data)) },
		"every file gone, directories left": func(t *testing.T, data string) {
			if out, err := exec.Command("find", data, "-type", "f", "-delete").CombinedOutput(); err != nil {
				t.Fatalf("find: %v: %s", err, out)
			}
		},
		"tables gone": func(t *testing.T, data string) { must(t, os.RemoveAll(filepath.Join(data, "base"))) },
		"the control file damaged": func(t *testing.T, data string) {
			spoilPage(t, filepath.Join(data, "global", "pg_control"), 16)
		},
		"WAL gone": func(t *testing.T, data string) { must(t, os.RemoveAll(filepath.Join(data, "pg_wal"))) },
	} {
		t.Run(name, func(t *testing.T) {
			main, secondary, l := loaded(t)
			lose(t, main.dataDir())
			_, gone := os.Stat(main.dataDir())
			aside := restored(t, main, secondary, l, SetAside)
			if _, err := os.Stat(aside); gone == nil && err != nil {
				t.Errorf("what was there is not kept whole: %q (%v)", aside, err)
			}
		})
	}
}

func TestAMirrorThatHadNotReplayedAllIsRestoredFromWhole(t *testing.T) {
	main, secondary := pair(t)
	pool := openPool(t, main)
	sql(t, pool, "CREATE TABLE facts (n int PRIMARY KEY)")
	paused := pauseReplay(t, secondary)
	l := startLoad(t, pool, 4)
	until(t, "rows are acknowledged", func() bool { return len(l.rows()) >= 300 })
	main.Fence()
	l.writers.Wait()
	must(t, os.RemoveAll(main.dataDir()))
	p, err := secondary.Position(within(t))
	must(t, err)
	if p.Replay != paused.Replay || p.Flush <= p.Replay {
		t.Fatalf("the mirror has replayed on: %+v", p)
	}
	ctx := within(t)
	_, err = main.Restore(ctx, secondary.opts.Listen, releve.NewDataID(), SetAside, nil)
	must(t, err)
	must(t, main.Start(ctx, CatchUp))
	must(t, main.CatchUpWith(ctx, secondary.opts.Listen))
	_, err = main.Promote(ctx, Asked{ID: "promotion"})
	must(t, err)
	if n := l.missingFrom(t, openPool(t, main)); n > 0 {
		t.Errorf("%d of %d acknowledged rows are lost", n, len(l.rows()))
	}
	must(t, secondary.do(ctx, limit, "SELECT pg_wal_replay_resume()"))
	must(t, main.EnsureSlot(ctx))
	inSync(t, main)
}

func TestAFullDiskIsRestoredWithoutRoomForBoth(t *testing.T) {
	disk := mount(t, "-t", "tmpfs", "-o", "size=320m", "tmpfs")
	mainAddress, secondaryAddress := freeAddress(t), freeAddress(t)
	o := optionsFor(t, releve.Main, mainAddress, secondaryAddress)
	o.Dir = filepath.Join(disk, "pg")
	main, secondary := pairOf(t, newCluster(t, o), newCluster(t, optionsFor(t, releve.Secondary, secondaryAddress, mainAddress)))
	// Nothing on its way when it dies: that would be a commit that only this server has.
	pool := openPool(t, main)
	sql(t, pool, "CREATE TABLE facts (n int PRIMARY KEY)")
	l := &load{}
	for n := range 100 {
		sql(t, pool, "INSERT INTO facts VALUES ($1)", n)
		l.acknowledged = append(l.acknowledged, n)
	}
	main.Fence()
	fill(t, disk, 8<<20)
	_, err := main.Restore(within(t), secondary.opts.Listen, releve.NewDataID(), SetAside, nil)
	if !errors.Is(err, releve.ErrNoRoom) {
		t.Fatalf("without room for both: %v", err)
	}
	if aside := restored(t, main, secondary, l, Removed); aside != "" {
		t.Errorf("it is still there: %s", aside)
	}
}

func TestDataThatMayHoldRowsOfItsOwnIsNotRemoved(t *testing.T) {
	main, secondary := pair(t)
	ctx := within(t)
	pool := openPool(t, main)
	sql(t, pool, "CREATE TABLE facts (n int PRIMARY KEY)")
	must(t, secondary.Stop(ctx, true))
	local(t, pool, "INSERT INTO facts VALUES (1)") // alone
	main.Fence()
	must(t, secondary.Start(ctx, Isolated))
	restore := func() error {
		_, err := main.Restore(ctx, secondary.opts.Listen, releve.NewDataID(), Removed, nil)
		return err
	}
	if err := restore(); !errors.Is(err, ErrOnlyOne) || !strings.Contains(err.Error(), "never reached the mirror") {
		t.Errorf("with a commit of its own: %v", err)
	}
	must(t, os.RemoveAll(main.path("data", "pg_wal"))) // it can no longer be told
	if err := restore(); !errors.Is(err, ErrOnlyOne) {
		t.Errorf("without a log: %v", err)
	}
	if _, err := os.Stat(main.path("data", "PG_VERSION")); err != nil {
		t.Errorf("it was touched: %v", err)
	}
	aside, err := main.Restore(ctx, secondary.opts.Listen, releve.NewDataID(), SetAside, nil)
	must(t, err)
	if names, err := main.Unsalvaged(); err != nil || len(names) != 1 || names[0] != filepath.Base(aside) {
		t.Errorf("its rows are forgotten: %v (%v)", names, err)
	}
}

func TestOnlyASoundMirrorOfThisSiteIsRestoredFrom(t *testing.T) {
	main, secondary := pair(t)
	ctx := within(t)
	pool := openPool(t, main)
	sql(t, pool, "CREATE TABLE facts AS SELECT generate_series(1, 5000) AS n")
	onDisk(t, main, secondary)
	main.Fence()
	refused := func(what string, c *Cluster, source *Cluster, old Replaced, says string) {
		t.Helper()
		before := listing(t, c.dataDir())
		_, err := c.Restore(ctx, source.opts.Listen, releve.NewDataID(), old, nil)
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, expected %q", what, err, says)
		}
		if listing(t, c.dataDir()) != before {
			t.Errorf("%s: what was there was touched", what)
		}
	}
	var file string
	must(t, openPool(t, secondary).QueryRow(ctx, "SELECT pg_relation_filepath('facts')").Scan(&file))
	spoilPage(t, secondary.path("data", file), 100)
	refused("a damaged page", main, secondary, SetAside, "damaged pages: [{"+file)
	refused("a damaged page, no room", main, secondary, Removed, "damaged pages: [{"+file)

	o := main.opts
	o.SiteID, o.Dir = "another-site", filepath.Join(openDir(t), "pg")
	stranger := newCluster(t, o)
	createFromTemplate(t, stranger)
	refused("a mirror of another site", stranger, secondary, SetAside, "another site")

	o = main.opts
	o.Dir = filepath.Join(openDir(t), "pg")
	apart := newCluster(t, o)
	must(t, apart.Create(ctx, releve.NewDataID()))
	refused("data created apart", apart, secondary, SetAside, ErrOtherCluster.Error())

	must(t, secondary.do(ctx, limit, "SELECT pg_promote(true)"))
	refused("a server that was promoted", main, secondary, SetAside, "not a mirror but writable")
	must(t, main.Start(ctx, Primary))
	if _, err := main.Restore(ctx, secondary.opts.Listen, releve.NewDataID(), SetAside, nil); err == nil || !strings.Contains(err.Error(), "is running") {
		t.Errorf("data in use: %v", err)
	}
	var rows int // its files change by themselves
	must(t, openPool(t, main).QueryRow(ctx, "SELECT count(*) FROM facts").Scan(&rows))
	if rows != 5000 {
		t.Errorf("data in use: %d rows are left", rows)
	}
}

func TestARestoreThatWasInterruptedLeavesEverythingInItsPlace(t *testing.T) {
	main, secondary, l := loaded(t)
	before := listing(t, main.dataDir())
	interrupted, interrupt := context.WithCancel(within(t))
	_, err := main.Restore(interrupted, secondary.opts.Listen, releve.NewDataID(), SetAside, func(int64, int64) { interrupt() })
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("the interruption is told as: %v", err)
	}
	if listing(t, main.dataDir()) != before {
		t.Error("what was there was touched")
	}
	restored(t, main, secondary, l, SetAside)
}
