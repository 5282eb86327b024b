package salvage_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"releve"
	"releve/adapters/postgres"
	"releve/server/salvage"
)

// part makes the secondary the owner while the main goes on alone, and then the main
// its mirror, its own data set aside.
func part(t *testing.T, main, secondary *server, together, apart, there func()) {
	t.Helper()
	ctx := within(t)
	must(t, main.cluster.Create(ctx, releve.NewDataID()))
	must(t, main.cluster.Start(ctx, postgres.Primary))
	must(t, main.cluster.EnsureSlot(ctx))
	main.open(1)
	must(t, secondary.cluster.Clone(ctx, main.listen, releve.NewDataID(), nil))
	secondary.follow(main)
	must(t, main.store.SetLone(ctx, false))
	together()
	must(t, main.Follow(ctx))

	_, err := secondary.cluster.Promote(ctx, postgres.Asked{ID: "promotion"})
	must(t, err)
	secondary.open(2)
	must(t, main.store.SetLone(ctx, true)) // an operator was sure that the secondary is off
	apart()
	there()

	main.store.Release()
	main.store = nil
	main.cluster.Fence()
	_, err = main.cluster.SetAside(ctx, "it holds rows of its own")
	must(t, err)
	must(t, main.cluster.Clone(ctx, secondary.listen, releve.NewDataID(), nil))
	must(t, main.cluster.Start(ctx, postgres.CatchUp))
}

func (s *server) follow(owner *server) {
	s.t.Helper()
	ctx := within(s.t)
	must(s.t, s.cluster.Start(ctx, postgres.CatchUp))
	eventually(s.t, "the mirror streams", func() bool {
		p, err := s.cluster.Position(ctx)
		must(s.t, err)
		return p.Streaming
	})
	must(s.t, s.cluster.BecomeMirror(ctx))
	eventually(s.t, "the mirror is in sync", func() bool {
		m, err := owner.cluster.Mirror(ctx)
		must(s.t, err)
		return m.InSync()
	})
}

// page writes a salvage as it would be read aloud.
func page(v releve.Salvage) string {
	lines := []string{fmt.Sprintf("%d of the %s, term %d, %s: %d read, %d counted, %s",
		v.ID, v.Seat, v.Term, v.Method, v.Transactions, v.Commits, v.State)}
	for _, c := range v.Changes {
		if c.Class == releve.SalvageBookkeeping {
			continue
		}
		lines = append(lines, fmt.Sprintf("%s: %s %s %s, %d times", c.Class, c.Op, c.Table, text(c.Key), c.Times))
	}
	return strings.Join(lines, "\n")
}

func text(r releve.Row) string {
	var all []string
	for _, v := range r {
		all = append(all, *v)
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

func directory(t *testing.T, s *server) string {
	t.Helper()
	var all string
	must(t, s.store.Write(within(t), func(tx pgx.Tx) error {
		return tx.QueryRow(within(t), "SELECT string_agg(number || '=' || name, ' ' ORDER BY number) FROM extension").Scan(&all)
	}))
	return all
}

func TestRowsThatTheMainCommittedAloneComeBack(t *testing.T) {
	main, secondary := newPair(t)
	ctx := within(t)
	part(t, main, secondary,
		func() {
			main.direct(extension{"201", "Ward 1"}, extension{"202", "Ward 2"}, extension{"203", "Ward 3"})
			main.record("together", call(t, "before"))
		},
		func() {
			main.record("alone", call(t, "alone"), call(t, "spooled too"))
			main.direct(extension{"201", "Ward 1, night"}, extension{"202", "Ward 2, night"}, extension{"204", "Ward 4"})
		},
		func() {
			secondary.record("there", call(t, "spooled too"), call(t, "after"))
			secondary.direct(extension{"201", "Ward 1"}, extension{"202", "Ward 2, closed"}, extension{"203", "Ward 3"})
		})
	b := &board{}
	s := secondary.salvager(main.disk(), b)
	found, err := s.Do(ctx, salvage.Order{Verb: salvage.VerbExtract})
	must(t, err)
	if len(found) != 1 {
		t.Fatalf("salvaged: %+v", found)
	}
	shown, err := secondary.store.Salvage(ctx, found[0].ID, 100)
	must(t, err)
	want := `1 of the main, term 1, decoded: 2 read, 2 counted, open
new: insert call fact-alone, 1 times
already: insert call fact-spooled too, 1 times
new: update extension 201, 2 times
conflict: update extension 202, 2 times
new: delete extension 203, 1 times
new: insert extension 204, 1 times`
	if got := page(shown); got != want {
		t.Errorf("salvaged:\n%s\nexpected:\n%s", got, want)
	}

	before := directory(t, secondary)
	_, err = s.Do(ctx, salvage.Order{Verb: salvage.VerbApply, ID: 1, DryRun: true})
	must(t, err)
	if got := directory(t, secondary); got != before {
		t.Errorf("a rehearsal changed the directory to %s", got)
	}
	for range 2 {
		_, err = s.Do(ctx, salvage.Order{Verb: salvage.VerbApply, ID: 1})
		must(t, err)
		if got := directory(t, secondary); got != "201=Ward 1, night 202=Ward 2, closed 204=Ward 4" {
			t.Errorf("applied, the directory is %s", got)
		}
		if n := secondary.calls(); n != 4 {
			t.Errorf("applied, there are %d calls, expected before, alone, spooled too, after", n)
		}
	}
	if again, err := s.Do(ctx, salvage.Order{Verb: salvage.VerbExtract}); err != nil || len(again) != 0 {
		t.Errorf("looked again: %+v (%v)", again, err)
	}
	if got := fmt.Sprint(b.codes()); got != "[event-salvaged event-salvage-applied event-salvage-applied]" {
		t.Errorf("an operator was told %s", got)
	}
}

func TestWithoutALogRowsAreComparedAndThatIsSaid(t *testing.T) {
	main, secondary := newPair(t)
	ctx := within(t)
	part(t, main, secondary,
		func() { main.direct(extension{"201", "Ward 1"}) },
		func() {
			main.record("alone", call(t, "alone"))
			main.direct(extension{"201", "Ward 1, night"})
			must(t, main.cluster.DropSalvageSlot(ctx))
		},
		func() {})
	b := &board{}
	s := secondary.salvager(main.disk(), b)
	running, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.Run(running)
	}()
	eventually(t, "the owner looks by itself", func() bool { return len(b.codes()) == 2 })
	stop()
	<-ended
	if got := fmt.Sprint(b.codes()); got != "[event-salvage-compared event-salvaged]" {
		t.Errorf("an operator was told %s", got)
	}
	shown, err := secondary.store.Salvage(ctx, 1, 100)
	must(t, err)
	want := `1 of the main, term 1, compared: 0 read, 2 counted, open
new: insert call fact-alone, 1 times
conflict: update extension 201, 1 times`
	if got := page(shown); got != want || !strings.Contains(shown.Why, "cause-slot-gone") {
		t.Errorf("salvaged:\n%s\nbecause %s; expected:\n%s", got, shown.Why, want)
	}
	if _, err := s.Do(ctx, salvage.Order{Verb: salvage.VerbDiscard, ID: 1}); err != nil {
		t.Error(err)
	}
	if all, err := secondary.store.Salvages(ctx); err != nil || len(all) != 1 || all[0].State != releve.SalvageDiscarded {
		t.Errorf("discarded: %+v (%v)", all, err)
	}
}

func TestOrdersGoToTheServerOnDuty(t *testing.T) {
	s := (&server{t: t}).salvager(nil, &board{})
	if _, err := s.Do(t.Context(), salvage.Order{Verb: salvage.VerbApply, ID: 1}); !errors.Is(err, errForwarded) {
		t.Errorf("off duty, an order ended with %v", err)
	}
	if _, err := s.Carry(t.Context(), salvage.Order{Verb: salvage.VerbApply, ID: 1}); !errors.Is(err, releve.ErrNotOnDuty) {
		t.Errorf("carried off duty: %v", err)
	}
}
