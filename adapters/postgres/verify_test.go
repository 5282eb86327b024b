package postgres

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"releve"
)

// look is a snapshot of what a cluster has now.
func look(t *testing.T, c *Cluster) *Snapshot {
	t.Helper()
	s, err := c.SnapshotAt(within(t), 0)
	must(t, err)
	t.Cleanup(s.Close)
	return s
}

// unmirrored is a primary whose commits wait for nobody.
func unmirrored(t *testing.T) *Cluster {
	t.Helper()
	c := alone(t)
	ctx := within(t)
	must(t, c.do(ctx, changeLimit, "ALTER SYSTEM SET synchronous_standby_names = ''"))
	must(t, c.do(ctx, askLimit, "SELECT pg_reload_conf()"))
	until(t, "a commit returns", func() bool { _, err := c.mark(ctx); return err == nil })
	return c
}

func TestAFrozenOwnerAndItsMirrorShowTheSameWhileOthersWrite(t *testing.T) {
	main, secondary := pair(t)
	pool := openPool(t, main)
	sql(t, pool, "CREATE TABLE facts (n int PRIMARY KEY)")
	l := startLoad(t, pool, 4)
	defer func() { main.Fence(); l.writers.Wait() }()
	compared := int64(0)
	for range 20 {
		before := len(l.rows())
		until(t, "rows are acknowledged", func() bool { return len(l.rows()) > before })
		compared = max(compared, bothDigests(t, main, secondary, "public.facts").Rows)
	}
	if compared == 0 {
		t.Error("no row was ever compared")
	}
}

// bothDigests compares a table on both at one position, and fails on any difference.
func bothDigests(t *testing.T, owner, mirror *Cluster, table string) releve.Digest {
	t.Helper()
	ctx := within(t)
	var f *Frozen
	until(t, "the owner is held still", func() (held bool) {
		var err error
		f, err = owner.Freeze(ctx, table)
		return err == nil
	})
	defer f.Own.Close()
	there, err := mirror.SnapshotAt(ctx, f.At)
	if err := errors.Join(err, f.Release(ctx)); err != nil {
		t.Log(err) // a busy machine was late: the two compare with nothing
		return releve.Digest{}
	}
	defer there.Close()
	own, err := f.Own.Digest(ctx, releve.Stretch{Table: table})
	must(t, err)
	theirs, err := there.Digest(ctx, releve.Stretch{Table: table})
	must(t, err)
	if own != theirs {
		t.Errorf("at %s the owner has %+v and the mirror %+v", f.At, own, theirs)
	}
	return own
}

func TestAnOwnerThatNobodyReleasesGoesOnByItself(t *testing.T) {
	c := unmirrored(t)
	pool := openPool(t, c)
	local(t, pool, "CREATE TABLE facts (n int PRIMARY KEY)")
	f, err := c.Freeze(within(t), "public.facts")
	must(t, err)
	defer f.Own.Close()
	local(t, pool, "INSERT INTO facts VALUES (1)") // waits, and not for ever
	if err := f.Release(within(t)); !errors.Is(err, ErrFrozenTooLong) {
		t.Errorf("a release that came too late: %v", err)
	}
	if n, err := f.Own.Digest(within(t), releve.Stretch{Table: "public.facts"}); err != nil || n.Rows != 0 {
		t.Errorf("the snapshot of before shows %+v (%v)", n, err)
	}
}

func TestAWriterThatDoesNotEndIsNotHeldUpForLong(t *testing.T) {
	c := alone(t)
	pool := openPool(t, c)
	local(t, pool, "CREATE TABLE facts (n int PRIMARY KEY)")
	tx, err := pool.Begin(within(t))
	must(t, err)
	defer tx.Rollback(context.Background())
	_, err = tx.Exec(within(t), "INSERT INTO facts VALUES (1)")
	must(t, err)
	if _, err := c.Freeze(within(t), "public.facts"); err == nil {
		t.Fatal("held still, and a writer is at it")
	}
	_, err = tx.Exec(within(t), "INSERT INTO facts VALUES (2)")
	must(t, err)
}

func TestAnOwnerWithoutAMirrorIsNotFrozen(t *testing.T) {
	c := alone(t)
	pool := openPool(t, c)
	local(t, pool, "CREATE TABLE facts (n int PRIMARY KEY)")
	if _, err := c.Freeze(within(t), "public.facts"); err == nil {
		t.Fatal("it was frozen, and nobody can be compared with it")
	}
	local(t, pool, "INSERT INTO facts VALUES (1)")
	until(t, "nothing of it is left", func() bool {
		return count(t, pool, "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1 OR wait_event = 'SyncRep'",
			verifyName) == 0
	})
}

func TestAStretchIsCutAndReadByItsKey(t *testing.T) {
	c := alone(t)
	pool := openPool(t, c)
	local(t, pool, `CREATE TABLE "odd name" (b text, r int, a bigint, "c d" json, PRIMARY KEY (a, b))`)
	local(t, pool,
		`INSERT INTO "odd name" SELECT chr(65 + n % 3), n, n / 3, CASE WHEN n % 2 = 0 THEN '{"x": 1}'::json END `+
			`FROM generate_series(0, 99) AS n`)
	ctx, s := within(t), look(t, c)
	whole := releve.Stretch{Table: `public."odd name"`}
	names, _, err := s.Tables(ctx)
	if err != nil || len(names) != 1 || names[0] != whole.Table {
		t.Fatalf("tables %v (%v)", names, err)
	}
	pieces, err := s.Cut(ctx, whole, 30, 10)
	must(t, err)
	if len(pieces) != 4 || pieces[3].UpTo != nil || pieces[0].UpTo[0] != "9" || pieces[0].UpTo[1] != "C" {
		t.Fatalf("pieces %+v", pieces)
	}
	var counted int64
	for _, p := range pieces {
		d, err := s.Digest(ctx, p)
		must(t, err)
		counted += d.Rows
	}
	if counted != 100 {
		t.Errorf("the pieces have %d rows", counted)
	}
	rows, err := s.Rows(ctx, pieces[1], 5)
	must(t, err)
	if len(rows) != 5 || rows[0].Key[0] != "10" || *rows[0].Row["r"] != "30" ||
		*rows[0].Row["c d"] != `{"x": 1}` || rows[1].Row["c d"] != nil {
		t.Errorf("rows %+v", rows)
	}
	if some, err := s.Cut(ctx, whole, 30, 2); err != nil || len(some) != 2 || some[1].UpTo == nil {
		t.Errorf("two pieces: %+v (%v)", some, err)
	}
}

// TestALongValueIsToldByItsHash: rows of any size are compared, and none is carried whole.
func TestALongValueIsToldByItsHash(t *testing.T) {
	c := unmirrored(t)
	pool := openPool(t, c)
	sql(t, pool, "CREATE TABLE documents (n int PRIMARY KEY, body text, raw bytea, other jsonb)")
	sql(t, pool, `INSERT INTO documents SELECT n, repeat('é', 3000000) || CASE WHEN n = 3 THEN 'x' ELSE 'y' END,
		convert_to(repeat('z', 2000000), 'UTF8'), to_jsonb(repeat('w', 999 - n)) FROM generate_series(1, 3) AS n`)
	rows, err := look(t, c).Rows(within(t), releve.Stretch{Table: "public.documents"}, 10)
	must(t, err)
	if len(rows) != 3 {
		t.Fatalf("%d rows", len(rows))
	}
	for _, r := range rows {
		for column, v := range r.Row {
			if v == nil || len(*v) > 1100 {
				t.Errorf("row %s: %s has %d bytes", r.Key, column, len(*v))
			}
		}
	}
	first, second, third := *rows[0].Row["body"], *rows[1].Row["body"], *rows[2].Row["body"]
	if first != second || first == third || *rows[0].Row["raw"] != *rows[1].Row["raw"] {
		t.Errorf("bodies are told as %q, %q and %q", first, second, third)
	}
	if got := *rows[0].Row["other"]; len(got) != 1000 || got[0] != '"' {
		t.Errorf("a value of 1000 characters is told as %q", got)
	}
}

func TestRowsWithoutAKeyAreToldApartByWhatTheyHold(t *testing.T) {
	c := alone(t)
	pool := openPool(t, c)
	local(t, pool, "CREATE TABLE loose (a text, b int)")
	local(t, pool, "INSERT INTO loose VALUES ('x', 1), ('x', 1), (NULL, 2), ('', 2)")
	ctx, s := within(t), look(t, c)
	pieces, err := s.Cut(ctx, releve.Stretch{Table: "public.loose"}, 2, 10)
	must(t, err)
	keys := map[string]int{}
	for _, p := range pieces {
		rows, err := s.Rows(ctx, p, 10)
		must(t, err)
		for _, r := range rows {
			keys[r.Key[0]]++
		}
	}
	if len(keys) != 3 {
		t.Errorf("the three different rows have %d keys", len(keys))
	}
}

func TestABrokenPageIsFoundOnTheDiskOfAMirror(t *testing.T) {
	main, secondary := pair(t)
	ctx := within(t)
	pool := openPool(t, main)
	sql(t, pool, "CREATE TABLE facts (n int PRIMARY KEY)")
	sql(t, pool, "INSERT INTO facts SELECT generate_series(1, 20000)")
	sql(t, pool, "CREATE INDEX facts_again ON facts (n)") // read by nobody
	var file string
	must(t, pool.QueryRow(ctx, "SELECT pg_relation_filepath('facts_again')").Scan(&file))
	onDisk(t, main, secondary)
	var done, total int64
	for _, c := range []*Cluster{main, secondary} {
		if bad, err := c.CheckPages(ctx, func(d, n int64) { done, total = d, n }); err != nil ||
			len(bad) > 0 || done == 0 || done > total {
			t.Fatalf("before: %v (%v), %d of %d bytes", bad, err, done, total)
		}
	}
	spoilPage(t, secondary.path("data", file), 3*pageSize+4000)
	bad, err := secondary.CheckPages(ctx, nil)
	must(t, err)
	if want := (releve.BadPage{File: file, Page: 3}); len(bad) != 1 || bad[0] != want {
		t.Errorf("found %v, want %v", bad, want)
	}
	if p, err := secondary.Position(ctx); err != nil || !p.Streaming {
		t.Errorf("the mirror after that: %+v (%v)", p, err)
	}
}

// onDisk has every page written on both disks, behind which a restart begins.
func onDisk(t *testing.T, owner, mirror *Cluster) {
	t.Helper()
	ctx := within(t)
	must(t, owner.Checkpoint(ctx))
	position, err := owner.Position(ctx)
	must(t, err)
	must(t, mirror.waitReplay(ctx, position.Flush))
	must(t, mirror.Checkpoint(ctx)) // a restartpoint
}

// pageSize is that of a table and of the log.
const pageSize = 8192

func spoilPage(t *testing.T, path string, at int64) {
	t.Helper()
	file, err := os.OpenFile(filepath.Clean(path), os.O_RDWR, 0)
	must(t, err)
	defer file.Close()
	var b [1]byte
	_, err = file.ReadAt(b[:], at)
	must(t, err)
	b[0] ^= 0xff
	_, err = file.WriteAt(b[:], at)
	must(t, errors.Join(err, file.Sync()))
}

func TestAMirrorIsOfItsOwnersLineage(t *testing.T) {
	main, secondary := pair(t)
	ctx := within(t)
	own, err := main.Lineage(ctx)
	must(t, err)
	if theirs, err := secondary.Lineage(ctx); err != nil || own != theirs || own != "timeline 1" {
		t.Errorf("owner %q, mirror %q (%v)", own, theirs, err)
	}
	main.Fence()
	p, err := secondary.Promote(ctx, Asked{ID: "promotion"})
	must(t, err)
	want := "timeline 2 ← 1 at " + p.Fork.String()
	if now, err := secondary.Lineage(ctx); err != nil || now != want {
		t.Errorf("%q (%v), want %q", now, err, want)
	}
}
