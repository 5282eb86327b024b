package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"releve"
)

// parted is an old owner that committed alone after the other server was promoted. Its
// data is set aside, and it is the other's mirror again.
type parted struct {
	old, owner *Cluster
	name       string
	fork       releve.LSN
}

// part lets alone() write on the old owner once the other has left.
func part(t *testing.T, alone func(*pgxpool.Pool)) parted {
	t.Helper()
	ctx := within(t)
	old, owner := pair(t)
	must(t, old.EnsureSalvageSlot(ctx))
	must(t, old.EnsureSalvageSlot(ctx)) // again, harmless
	pool := openPool(t, old)
	sql(t, pool, "CREATE TABLE promotion (id text PRIMARY KEY, term bigint)")
	sql(t, pool, "CREATE TABLE fact (id text PRIMARY KEY, body text)")
	sql(t, pool, "CREATE TABLE extension (number text PRIMARY KEY, name text, long text)")
	sql(t, pool, "ALTER TABLE extension REPLICA IDENTITY FULL")
	sql(t, pool, "INSERT INTO promotion VALUES ('first', 4)")
	sql(t, pool,
		"INSERT INTO extension VALUES ('201', 'Ward 1', repeat('long', 5000)), ('202', 'Ward 2', NULL), ('203', 'Ward 3', '')")
	sql(t, pool, "INSERT INTO fact VALUES ('mirrored', 'it''s')")
	must(t, old.AdvanceSalvageSlot(ctx))

	p, err := owner.Promote(ctx, Asked{ID: "promotion"})
	must(t, err)
	must(t, owner.EnsureSlot(ctx))
	began := time.Now()
	must(t, owner.EnsureSalvageSlot(ctx))
	t.Logf("a takeover waits %s for the new owner's slot", time.Since(began))
	must(t, owner.Checkpoint(ctx))
	alone(pool)
	old.Fence()
	where, err := old.SetAside(ctx, "it holds rows of its own")
	must(t, err)
	must(t, old.Clone(ctx, owner.opts.Listen, releve.NewDataID(), nil))
	must(t, old.Start(ctx, CatchUp))
	must(t, old.DropSalvageSlot(ctx))
	until(t, "the old owner follows", func() bool {
		p, err := old.Position(ctx)
		must(t, err)
		return p.Streaming
	})
	return parted{old, owner, where[strings.LastIndex(where, "/")+1:], p.Fork}
}

func (p parted) open(t *testing.T) *Aside {
	t.Helper()
	a, err := p.old.OpenAside(within(t), p.name)
	must(t, err)
	t.Cleanup(func() { stopForGood(t, a.own) })
	t.Cleanup(a.Close)
	return a
}

// told writes changes as a page that can be read.
func told(changes []releve.RowChange) string {
	var lines []string
	for _, c := range changes {
		lines = append(lines, fmt.Sprintf("%s %s %s: %s → %s", c.Op, c.Table, row(c.Key), row(c.Before), row(c.After)))
	}
	return strings.Join(lines, "\n")
}

func row(r releve.Row) string {
	if r == nil {
		return "-"
	}
	var columns []string
	for name, v := range r {
		text := "NULL"
		if v != nil {
			text = *v
			if len(text) > 20 {
				text = fmt.Sprintf("%d bytes", len(text))
			}
		}
		columns = append(columns, name+"="+text)
	}
	slices.Sort(columns)
	return strings.Join(columns, ",")
}

// The story of one old owner: what it did alone is read from its log, and compared
// once the log is of no use any more.
func TestWhatAnOldOwnerCommittedAloneIsFoundAgain(t *testing.T) {
	p := part(t, func(pool *pgxpool.Pool) {
		local(t, pool, "INSERT INTO fact VALUES ('lone', 'only here'), ('spooled', NULL)")
		local(t, pool, "UPDATE extension SET name = 'Ward 1, night' WHERE number = '201'")
		local(t, pool, "UPDATE extension SET number = '222' WHERE number = '202'")
		local(t, pool, "DELETE FROM extension WHERE number = '203'")
		local(t, pool, "ANALYZE fact")              // a commit of PostgreSQL's own
		local(t, pool, "CREATE TABLE more (n int)") // another that changes no row
		local(t, pool, "DO $$ BEGIN INSERT INTO fact VALUES ('within', ''); EXCEPTION WHEN division_by_zero THEN NULL; END $$")
	})
	ctx := within(t)
	local(t, openPool(t, p.owner), "INSERT INTO fact VALUES ('spooled', NULL), ('after', 'only there')")
	names, err := p.old.Unsalvaged()
	must(t, err)
	if !slices.Equal(names, []string{p.name}) {
		t.Fatalf("set aside: %q, expected %q", names, p.name)
	}
	a := p.open(t)

	t.Run("it runs apart from the site's data", func(t *testing.T) { apart(t, p, a) })
	t.Run("its transactions are read and counted", func(t *testing.T) { decoded(t, p, a) })
	t.Run("without the slot rows are compared", func(t *testing.T) { compared(t, p, a) })
	t.Run("a slot that came too late is not believed", func(t *testing.T) {
		must(t, a.own.EnsureSalvageSlot(ctx))
		if _, err := a.Decode(ctx, p.fork); !errors.Is(err, ErrNotDecoded) || !strings.Contains(err.Error(), "after the fork") {
			t.Errorf("decoded from a slot behind the fork: %v", err)
		}
	})

	a.Close()
	if left, err := a.own.members(); err != nil || len(left) != 0 {
		t.Errorf("processes %v are left (%v)", left, err)
	}
	must(t, p.old.MarkSalvaged(p.name))
	if names, err := p.old.Unsalvaged(); err != nil || len(names) != 0 {
		t.Errorf("still to be salvaged: %q (%v)", names, err)
	}
	if _, err := os.Stat(p.old.path(p.name, "PG_VERSION")); err != nil {
		t.Errorf("the data set aside is gone: %v", err)
	}
}

func apart(t *testing.T, p parted, a *Aside) {
	if got := currentSetting(t, a.own, "listen_addresses"); got != "" {
		t.Errorf("it listens on %q", got)
	}
	position, err := p.old.Position(within(t))
	must(t, err)
	if !position.InRecovery || !position.Streaming {
		t.Errorf("the mirror beside it: %+v", position)
	}
	own, err := a.own.members()
	must(t, err)
	mirrors, err := p.old.members()
	must(t, err)
	for _, pid := range own {
		if slices.Contains(mirrors, pid) {
			t.Errorf("process %d counts for both: a fence of one would end the other", pid)
		}
	}
}

func decoded(t *testing.T, p parted, a *Aside) {
	ctx := within(t)
	parting, err := a.Parting(ctx)
	must(t, err)
	if want := (releve.Parting{Term: 4, Timeline: 1, Fork: p.fork}); parting != want {
		t.Errorf("parting %+v, expected %+v", parting, want)
	}
	found, err := a.Decode(ctx, parting.Fork)
	must(t, err)
	var all []releve.RowChange
	for i, tx := range found {
		if tx.Commit < p.fork || tx.At.IsZero() || i > 0 && tx.Commit <= found[i-1].Commit {
			t.Errorf("transaction at %s of %s", tx.Commit, tx.At)
		}
		all = append(all, tx.Changes...)
	}
	expect(t, all,
		"insert fact id=lone: - → body=only here,id=lone",
		"insert fact id=spooled: - → body=NULL,id=spooled",
		"update extension number=201: long=20000 bytes,name=Ward 1,number=201 → long=20000 bytes,name=Ward 1, night,number=201",
		"delete extension number=202: long=NULL,name=Ward 2,number=202 → -",
		"insert extension number=222: - → long=NULL,name=Ward 2,number=222",
		"delete extension number=203: long=,name=Ward 3,number=203 → -",
		"insert fact id=within: - → body=,id=within",
	)
	commits, err := a.Commits(ctx, parting)
	must(t, err)
	if commits != 5 || len(found) != commits {
		t.Errorf("pg_waldump counts %d commits, %d transactions were decoded, expected 5", commits, len(found))
	}
	again, err := a.Decode(ctx, parting.Fork)
	must(t, err)
	if len(again) != len(found) {
		t.Errorf("read again: %d transactions, %d the first time", len(again), len(found))
	}
}

func compared(t *testing.T, p parted, a *Aside) {
	ctx := within(t)
	mirror := openPool(t, p.old)
	until(t, "the mirror has the owner's rows", func() bool {
		return count(t, mirror, "SELECT count(*) FROM fact WHERE id IN ('spooled', 'after')") == 2
	})
	must(t, a.own.DropSalvageSlot(ctx))
	if _, err := a.Decode(ctx, p.fork); !errors.Is(err, ErrNotDecoded) || !strings.Contains(err.Error(), "is gone") {
		t.Errorf("decoded without the slot: %v", err)
	}
	changes, err := a.Compare(ctx)
	must(t, err)
	expect(t, changes,
		"update extension number=201: - → long=20000 bytes,name=Ward 1, night,number=201",
		"insert extension number=222: - → long=NULL,name=Ward 2,number=222",
		"insert fact id=lone: - → body=only here,id=lone",
		"insert fact id=within: - → body=,id=within",
	)
}

func expect(t *testing.T, changes []releve.RowChange, lines ...string) {
	t.Helper()
	if got, want := told(changes), strings.Join(lines, "\n"); got != want {
		t.Errorf("found:\n%s\nexpected:\n%s", got, want)
	}
}

func TestTheSlotFollowsTheMirrorAndStaysWhenItIsAway(t *testing.T) {
	ctx := within(t)
	owner, mirror := pair(t)
	must(t, owner.EnsureSalvageSlot(ctx))
	pool := openPool(t, owner)
	sql(t, pool, "CREATE TABLE fact (id text PRIMARY KEY)")
	confirmed := func() (at lsnText) {
		must(t, owner.ask(ctx, askLimit, []any{&at},
			"SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = $1", salvageSlot))
		return at
	}
	write := func(statement func(testing.TB, *pgxpool.Pool, string, ...any), from int) {
		statement(t, pool, "INSERT INTO fact SELECT 'number ' || n FROM generate_series($1::int, $1::int + 5000) AS n", from)
	}
	before := confirmed()
	write(sql, 0)
	must(t, owner.AdvanceSalvageSlot(ctx))
	moved := confirmed()
	m, err := owner.Mirror(ctx)
	must(t, err)
	if moved <= before || releve.LSN(moved) > m.Flush {
		t.Errorf("the slot went from %s to %s, the mirror is at %s", releve.LSN(before), releve.LSN(moved), m.Flush)
	}
	mirror.Fence()
	until(t, "the owner sees that the mirror is away", func() bool {
		m, err := owner.Mirror(ctx)
		must(t, err)
		return !m.Present
	})
	write(local, 10000)
	must(t, owner.AdvanceSalvageSlot(ctx))
	if at := confirmed(); at != moved {
		t.Errorf("the slot went on to %s without the mirror", releve.LSN(at))
	}
}

// A rewind with nothing to undo leaves the slot on what is now a mirror.
func TestAMirrorGivesTheSlotUp(t *testing.T) {
	ctx := within(t)
	c := alone(t)
	must(t, c.EnsureSalvageSlot(ctx))
	must(t, c.Stop(ctx, true))
	must(t, c.Start(ctx, Isolated))
	must(t, c.DropSlots(ctx))
	slots := func() (n int) {
		must(t, c.ask(ctx, askLimit, []any{&n}, "SELECT count(*) FROM pg_replication_slots"))
		return n
	}
	if slots() != 1 {
		t.Fatal("the slot is gone although nobody knows yet whether salvage needs it (R11)")
	}
	must(t, c.DropSalvageSlot(ctx))
	if n := slots(); n != 0 {
		t.Errorf("%d slots are left", n)
	}
}

func TestALostSlotIsMadeAnew(t *testing.T) {
	ctx := within(t)
	o := optionsFor(t, releve.Main, freeAddress(t), freeAddress(t))
	o.KeepWAL = 1 << 20
	c := newCluster(t, o)
	createFromTemplate(t, c)
	must(t, c.Start(ctx, Primary))
	must(t, c.EnsureSalvageSlot(ctx))
	for range 3 { // each file of the log goes beyond what is kept
		must(t, c.do(ctx, limit, "SELECT pg_switch_wal() FROM (SELECT pg_logical_emit_message(false, 'test', 'filler')) AS m"))
		must(t, c.Checkpoint(ctx))
	}
	status := func() (s string) {
		must(t, c.ask(ctx, askLimit, []any{&s}, "SELECT wal_status FROM pg_replication_slots WHERE slot_name = $1", salvageSlot))
		return s
	}
	if got := status(); got != "lost" {
		t.Fatalf("the slot is %q, expected it to have lost its log", got)
	}
	must(t, c.EnsureSalvageSlot(ctx))
	if got := status(); got == "lost" {
		t.Error("the lost slot is still there")
	}
}

func TestNamesFromTheOtherServerAreNames(t *testing.T) {
	c := newCluster(t, optionsFor(t, releve.Main, freeAddress(t), freeAddress(t)))
	for _, name := range []string{
		"", "data", "../pg/data", "data.aside-20260101T000000.000Z/../data", "data.aside-20260101T000000.000Z",
	} {
		if _, err := c.OpenAside(context.Background(), name); !errors.Is(err, ErrNoSuchAside) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if err := c.MarkSalvaged("../anything"); !errors.Is(err, ErrNoSuchAside) {
		t.Error(err)
	}
}

func TestHistoriesTellWhereDataParted(t *testing.T) {
	for name, c := range map[string]struct {
		ours, theirs descent
		want         releve.LSN
	}{
		"the other was promoted": {descent{nil, 1}, descent{[]releve.Fork{{Timeline: 1, At: 50}}, 2}, 50},
		"and promoted again since": {descent{nil, 1},
			descent{[]releve.Fork{{Timeline: 1, At: 50}, {Timeline: 2, At: 80}}, 3}, 50},
		"both were promoted": {descent{[]releve.Fork{{Timeline: 1, At: 40}}, 2},
			descent{[]releve.Fork{{Timeline: 1, At: 50}}, 2}, 40},
		"ours alone was promoted": {descent{[]releve.Fork{{Timeline: 1, At: 50}, {Timeline: 2, At: 60}}, 3},
			descent{[]releve.Fork{{Timeline: 1, At: 50}}, 2}, 60},
		"one timeline, and that may lie": {descent{[]releve.Fork{{Timeline: 1, At: 50}}, 2},
			descent{[]releve.Fork{{Timeline: 1, At: 50}}, 2}, 50},
		"the first timeline was never left": {descent{nil, 1}, descent{nil, 1}, 0},
	} {
		if got := c.ours.leaves(c.theirs); got != c.want {
			t.Errorf("%s: %d, expected %d", name, got, c.want)
		}
	}
}
