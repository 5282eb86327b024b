package postgres

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"releve"
)

// A copy at rest is renewed beside itself: the old one is there, whole, until the new one takes its
// place in one step, and again where that is taken back. As of when a copy is, lies in its data.
func TestACopyIsRenewedBesideItself(t *testing.T) {
	ctx := within(t)
	mainAddress, secondaryAddress := freeAddress(t), freeAddress(t)
	main := newCluster(t, optionsFor(t, releve.Main, mainAddress, secondaryAddress))
	secondary := newCluster(t, optionsFor(t, releve.Secondary, secondaryAddress, mainAddress))
	createFromTemplate(t, main)
	must(t, main.Start(ctx, Primary))
	must(t, main.EnsureSlot(ctx))
	pool := openPool(t, main)
	sql(t, pool, "SET synchronous_commit = local; CREATE TABLE facts (n int)")

	first, second := releve.NewDataID(), releve.NewDataID()
	must(t, secondary.Clone(ctx, mainAddress, first, nil))
	must(t, secondary.Start(ctx, CatchUp))
	until(t, "the copy receives", func() bool {
		p, err := secondary.Position(ctx)
		must(t, err)
		return p.Streaming
	})
	must(t, secondary.CatchUpWithOwner(ctx, mainAddress))
	began := time.Now()
	at, err := secondary.Rest(ctx)
	must(t, err)
	if read, err := secondary.CopiedAt(); err != nil || !read.Equal(at) || began.Sub(at) > time.Minute || at.After(time.Now()) {
		t.Errorf("the copy is as of %s, and %s lies beside it (%v)", at, read, err)
	}
	if p, err := secondary.Position(ctx); err != nil || p.Streaming || !p.InRecovery {
		t.Errorf("at rest it is %+v (%v)", p, err)
	}

	sql(t, pool, "SET synchronous_commit = local; INSERT INTO facts VALUES (1)")
	if err := secondary.CloneBeside(ctx, mainAddress, second, nil); err == nil {
		t.Error("a clone begins while the database runs")
	}
	secondary.Fence()
	if err := secondary.Exchange(); err == nil {
		t.Error("a copy that is not there takes the other's place")
	}
	must(t, secondary.CloneBeside(ctx, mainAddress, second, nil))
	if s, err := secondary.State(); err != nil || s.DataID != first {
		t.Errorf("before the exchange the data is %s (%v)", s.DataID, err)
	}
	must(t, secondary.Exchange())
	if s, err := secondary.State(); err != nil || s.DataID != second || s.Unusable != "" || !s.Copied.After(at) {
		t.Errorf("after the exchange: %+v (%v)", s, err)
	}
	must(t, secondary.Exchange())
	if s, err := secondary.State(); err != nil || s.DataID != first || !s.Copied.Equal(at) {
		t.Errorf("taken back: %+v (%v)", s, err)
	}
	must(t, secondary.Start(ctx, Isolated))
	if n := count(t, openPool(t, secondary), "SELECT count(*) FROM facts"); n != 0 {
		t.Errorf("the old copy has %d rows", n)
	}
	if err := secondary.Exchange(); err == nil {
		t.Error("data takes the place of a database that runs")
	}
	secondary.Fence()
	must(t, secondary.Exchange())
	must(t, secondary.DropBeside())
	if _, err := os.Stat(secondary.path("data.new")); !os.IsNotExist(err) {
		t.Errorf("what was replaced is still there (%v)", err)
	}
	must(t, secondary.Start(ctx, Isolated))
	if n := count(t, openPool(t, secondary), "SELECT count(*) FROM facts"); n != 1 {
		t.Errorf("the new copy has %d rows", n)
	}
}

// A copy is made at no more than its rate, so that calls do not suffer (SPEC B1, M4): in the place of
// the data, and beside it.
func TestACopyKeepsToItsRate(t *testing.T) {
	main, secondary := pair(t)
	must(t, secondary.Stop(within(t), true))
	secondary.opts.CopyRate = 8 << 20
	o := secondary.opts
	o.Dir = filepath.Join(openDir(t), "pg")
	fresh := newCluster(t, o)
	for name, copied := range map[string]func(context.Context, netip.AddrPort, releve.DataID, Progress) error{
		"in its place": fresh.Clone, "beside it": secondary.CloneBeside,
	} {
		t.Run(name, func(t *testing.T) {
			var total int64
			began := time.Now()
			must(t, copied(within(t), main.opts.Listen, releve.NewDataID(), func(_, all int64) { total = all }))
			took := time.Since(began)
			if least := time.Duration(total) * time.Second / (8 << 20) * 8 / 10; total == 0 || took < least {
				t.Errorf("%d bytes were copied in %v, and their rate allows it in %v", total, took, least)
			}
		})
	}
}
