package store_test

import (
	"fmt"
	"testing"
	"time"

	"releve"
	"releve/adapters/store"
)

// spent is when calls have had their time in these tests.
var spent = time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)

// lived stores a call with a step and an end, begun that long before or after its time is over.
func lived(t *testing.T, s *store.Store, call string, age time.Duration) {
	t.Helper()
	at, incarnation := spent.Add(-age), call+age.String()
	facts := make([]releve.Fact, 3)
	for i, f := range []struct {
		kind  releve.FactKind
		after time.Duration
		body  any
	}{
		{releve.CallOffered, 0, releve.CallBody{From: "0612345678"}},
		{releve.CallStepped, 10 * time.Second, releve.StepBody{Number: 1, Name: "menu"}},
		{releve.CallEnded, time.Minute, releve.EndBody{Outcome: "caller-hung-up"}},
	} {
		var err error
		facts[i], err = releve.NewFact(f.kind, releve.CallID(call), releve.Main, 1, at.Add(f.after), f.body)
		must(t, err)
	}
	_, err := s.Drain(within(t), releve.Main, incarnation, numbered(0, facts...))
	must(t, err)
}

// rows of a table that bear that call.
func (p *site) of(table, call string) int {
	return p.count(fmt.Sprintf("SELECT count(*) FROM %s WHERE call = $1", table), call)
}

const hour, day = time.Hour, 24 * time.Hour

func TestWhatHasHadItsTimeIsForgottenWhole(t *testing.T) {
	p := newSite(t, alone)
	s := p.open()
	for call, age := range map[string]time.Duration{"old": day, "older": 90 * day, "across": 20 * time.Second, "young": -hour} {
		lived(t, s, call, age)
	}
	lived(t, s, "same again", 40*day) // a Call-ID that came twice
	lived(t, s, "same again", -day)
	lived(t, s, "dated by a clock that had lost the time", spent.Sub(time.Date(1970, 1, 1, 0, 3, 0, 0, time.UTC)))

	if at, err := s.Oldest(within(t)); err != nil || !at.Equal(spent.Add(-90*day)) {
		t.Errorf("the oldest is of %s (%v)", at, err)
	}
	for _, want := range []int{3, 1, 0} { // three at a time
		if n, err := s.Forget(within(t), spent, 3); err != nil || n != want {
			t.Errorf("forgot %d, and not %d (%v)", n, want, err)
		}
	}
	for _, table := range []string{"call", "call_step", "call_end"} {
		for call, want := range map[string]int{
			"old": 0, "older": 0, "across": 0, "young": 1, "same again": 1, "dated by a clock that had lost the time": 1,
		} {
			if n := p.of(table, call); n != want {
				t.Errorf("%s has %d rows of the call %q, and not %d", table, n, call, want)
			}
		}
	}
	if at, err := s.Oldest(within(t)); err != nil || !at.Equal(spent.Add(hour)) && !at.Equal(spent.Add(day)) {
		t.Errorf("then the oldest is of %s (%v)", at, err)
	}
}

// What was set aside says who called, too.
func TestWhatWasSetAsideIsForgottenToo(t *testing.T) {
	p := newSite(t, alone)
	s := p.open()
	bad := releve.Fact{ID: "bad", Kind: "nonsense"}
	_, err := s.Drain(within(t), releve.Main, "i", numbered(0, bad))
	must(t, err)
	decided, err := s.KeepSalvage(within(t), lone(inserted("extension", row("number", "201"), extension("201", "night"))))
	must(t, err)
	_, err = s.DiscardSalvage(within(t), decided.ID)
	must(t, err)
	waits := lone(inserted("extension", row("number", "202"), extension("202", "night")))
	waits.Directory = "data.aside-of-another-night"
	open, err := s.KeepSalvage(within(t), waits)
	must(t, err)

	before := time.Now().Add(hour)
	if n, err := s.Forget(within(t), time.Now().Add(-hour), 10); err != nil || n != 0 {
		t.Errorf("forgot %d before their time (%v)", n, err)
	}
	if n, err := s.Forget(within(t), before, 10); err != nil || n != 2 {
		t.Errorf("forgot %d, and not the refused record and the row that was decided about (%v)", n, err)
	}
	for id, want := range map[int64]int{decided.ID: 0, open.ID: 1} {
		shown, err := s.Salvage(within(t), id, 10)
		must(t, err)
		if len(shown.Changes) != want {
			t.Errorf("salvage %d has %d rows, and not %d", id, len(shown.Changes), want)
		}
	}
	if at, err := s.Oldest(within(t)); err != nil || !at.IsZero() {
		t.Errorf("something of %s is still there (%v)", at, err)
	}
}

// A salvage neither misses what the other server forgot, nor brings back what this one did.
func TestNobodyDecidesAboutWhatHasHadItsTime(t *testing.T) {
	from, to := newSite(t, alone), newSite(t, alone)
	old := from.open()
	lived(t, old, "long ago", 10*day)
	lived(t, old, "of late", -10*day)
	owner := to.open(func(o *store.Options) { o.KeptSince = func() time.Time { return spent } })
	lived(t, owner, "long ago here", 10*day)
	lived(t, owner, "of late here", -10*day)

	only := func(call string) releve.SalvageChange {
		r := from.textOf("call", "call", call)
		return inserted("call", releve.Row{"fact_id": r["fact_id"]}, r)
	}
	gone := func(call string) releve.SalvageChange {
		id := to.textOf("call", "call", call)["fact_id"]
		return releve.SalvageChange{Table: "call", Key: releve.Row{"fact_id": id}, Op: releve.RowDeleted}
	}
	kept, err := owner.KeepSalvage(within(t), lone(only("long ago"), only("of late"), gone("long ago here"), gone("of late here")))
	must(t, err)
	shown, err := owner.Salvage(within(t), kept.ID, 10)
	must(t, err)
	if got, want := classes(shown), "already new already conflict"; got != want {
		t.Errorf("classes:\n%s, expected\n%s", got, want)
	}
	applied, err := owner.ApplySalvage(within(t), kept.ID, store.SalvageChoice{Replace: true})
	must(t, err)
	if applied.Counts.Applied != 2 || to.of("call", "long ago") != 0 || to.of("call", "long ago here") != 1 {
		t.Errorf("applied: %+v", applied.Counts)
	}

	silent := lone(gone("long ago here"))
	silent.Directory = "data.aside-of-another-night"
	if kept, err = owner.KeepSalvage(within(t), silent); err != nil || kept.State != releve.SalvageSettled {
		t.Errorf("a salvage of what was forgotten alone: %+v (%v)", kept, err)
	}
}
