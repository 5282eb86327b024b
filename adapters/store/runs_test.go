package store_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"releve"
	"releve/adapters/store"
)

// life makes facts of one server at moments that the test gives.
type life struct {
	t     *testing.T
	seat  releve.Seat
	begun time.Time
}

func (l life) fact(second int, kind releve.FactKind, call releve.CallID, body any) releve.Fact {
	l.t.Helper()
	f, err := releve.NewFact(kind, call, l.seat, 1, l.begun.Add(time.Duration(second)*time.Second), body)
	must(l.t, err)
	return f
}

func (l life) offered(second int, call releve.CallID, run releve.RunID) releve.Fact {
	return l.fact(second, releve.CallOffered, call, releve.CallBody{Run: run})
}

func (l life) step(second int, call releve.CallID, number int) releve.Fact {
	return l.fact(second, releve.CallStepped, call, releve.StepBody{Number: number, Name: "menu"})
}

func (l life) end(second int, call releve.CallID) releve.Fact {
	return l.fact(second, releve.CallEnded, call, releve.EndBody{Outcome: "abandoned", DurationMS: 9000})
}

func (l life) over(second int, run, by releve.RunID) releve.Fact {
	return l.fact(second, releve.RunOver, "", releve.OverBody{Run: run, By: by})
}

// told is what a record says of its end.
type told struct {
	outcome string
	lasted  time.Duration
}

// A call whose run is over was cut, an end that comes late is the truth, and nothing else
// ends a call: in whatever order the facts come, twice each, from however many spools.
func TestACallOfARunThatIsOverWasCut(t *testing.T) {
	begun := time.Now().Add(-time.Hour).Truncate(time.Second)
	main, other := life{t, releve.Main, begun}, life{t, releve.Secondary, begun}
	facts := []releve.Fact{
		main.offered(0, "of an old version", ""),
		main.offered(10, "cut", "run-1"), main.step(11, "cut", 1), main.step(14, "cut", 2),
		main.offered(10, "cut at once", "run-1"),
		main.offered(10, "ended late", "run-1"), main.end(19, "ended late"),
		main.offered(30, "goes on", "run-2"), main.step(31, "goes on", 1),
		main.offered(5, "of a lost disk", "run-0"),
		other.offered(10, "of the other", "run-1"), other.step(11, "of the other", 1),
		main.over(20, "run-1", "run-2"), main.over(20, "", "run-2"), main.over(40, "", "run-2"),
	}
	want := map[releve.CallID]told{
		"of an old version": {releve.Cut, 0}, "cut": {releve.Cut, 4 * time.Second}, "cut at once": {releve.Cut, 0},
		"ended late": {"abandoned", 9 * time.Second}, "goes on": {"", time.Second}, "of a lost disk": {releve.Cut, 0},
		"of the other": {"", time.Second},
	}
	for range 8 {
		rand.Shuffle(len(facts), func(i, j int) { facts[i], facts[j] = facts[j], facts[i] })
		p := newSite(t, alone)
		s := p.open()
		for i := 0; i < len(facts); i += 5 {
			page := numbered(uint64(i), facts[i:min(i+5, len(facts))]...)
			drain(t, s, "one", page, store.Drained{UpTo: page[len(page)-1].Sequence, New: len(page)})
		}
		drain(t, s, "two", numbered(0, facts...), store.Drained{UpTo: uint64(len(facts)), Already: len(facts)})
		drain(t, s, "two", numbered(0, facts...), store.Drained{UpTo: uint64(len(facts)), Already: len(facts)})
		page, err := s.Calls(within(t), releve.CallQuery{}, releve.CallMark{}, 100)
		must(t, err)
		calls := page.Calls
		if len(calls) != len(want) {
			t.Fatalf("%d records, expected %d", len(calls), len(want))
		}
		for _, c := range calls {
			if got := (told{c.Outcome, c.Duration}); got != want[c.Call] {
				t.Errorf("%s: %+v, expected %+v", c.Call, got, want[c.Call])
			}
		}
	}
}

// A PBX that offers the same call again to the same server makes two records, each with its
// own steps and its own end.
func TestTheSameCallTwiceIsTwoRecords(t *testing.T) {
	p := newSite(t, alone)
	s := p.open()
	main := life{t, releve.Main, time.Now().Add(-time.Hour)}
	facts := []releve.Fact{
		main.offered(0, "a", "run"), main.fact(0, releve.CallEnded, "a", releve.EndBody{Outcome: "busy"}),
		main.offered(3, "a", "run"), main.step(4, "a", 1), main.step(5, "a", 2), main.end(12, "a"),
	}
	drain(t, s, "one", numbered(0, facts...), store.Drained{UpTo: 6, New: 6})
	page, err := s.Calls(within(t), releve.CallQuery{}, releve.CallMark{}, 10)
	must(t, err)
	calls := page.Calls
	if len(calls) != 2 || calls[0].Outcome != "abandoned" || len(calls[0].Steps) != 2 ||
		calls[1].Outcome != "busy" || len(calls[1].Steps) != 0 {
		t.Errorf("records: %+v", calls)
	}
}

// A call that another server took up is that one's: it is over with that one's run, and not with the first.
func TestACallThatWasTakenUpGoesOnWhereItIs(t *testing.T) {
	begun := time.Now().Add(-time.Hour).Truncate(time.Second)
	main, other := life{t, releve.Main, begun}, life{t, releve.Secondary, begun}
	moved := func(second int, call releve.CallID, number int, to releve.Holder) releve.Fact {
		return main.fact(second, releve.CallStepped, call, releve.StepBody{Number: number, Name: releve.StepTakenUp, Detail: to.String()})
	}
	there, back := releve.Holder{Seat: releve.Secondary, Run: "run-b"}, releve.Holder{Seat: releve.Main, Run: "run-c"}
	facts := []releve.Fact{
		main.offered(10, "goes on", "run-a"), main.step(11, "goes on", 1), moved(20, "goes on", 2, there), main.step(21, "goes on", 3),
		main.offered(10, "ended there", "run-a"), moved(20, "ended there", 1, there), main.end(29, "ended there"),
		main.offered(10, "cut there", "run-a"), moved(20, "cut there", 1, releve.Holder{Seat: releve.Secondary, Run: "run-x"}),
		main.offered(10, "cut there long ago", "run-a"), moved(20, "cut there long ago", 1, releve.Holder{Seat: releve.Secondary, Run: "run-y"}),
		main.offered(10, "back again", "run-a"), moved(20, "back again", 1, there), moved(40, "back again", 2, back),
		main.offered(10, "never taken up", "run-a"),
		main.over(30, "run-a", "run-c"), other.over(35, "run-x", "run-b"), other.over(36, "", "run-b"),
	}
	want := map[releve.CallID]told{
		"goes on": {"", 11 * time.Second}, "ended there": {"abandoned", 9 * time.Second}, "cut there": {releve.Cut, 10 * time.Second},
		"cut there long ago": {releve.Cut, 10 * time.Second}, "back again": {"", 30 * time.Second}, "never taken up": {releve.Cut, 0},
	}
	for range 4 {
		rand.Shuffle(len(facts), func(i, j int) { facts[i], facts[j] = facts[j], facts[i] })
		p := newSite(t, alone)
		s := p.open()
		// Half of it comes from both spools: who goes on with a call writes down what it was told.
		drain(t, s, "one", numbered(0, facts...), store.Drained{UpTo: uint64(len(facts)), New: len(facts)})
		drain(t, s, "two", numbered(0, facts[:len(facts)/2]...), store.Drained{UpTo: uint64(len(facts) / 2), Already: len(facts) / 2})
		page, err := s.Calls(within(t), releve.CallQuery{}, releve.CallMark{}, 100)
		must(t, err)
		if len(page.Calls) != len(want) {
			t.Errorf("%d calls, want %d", len(page.Calls), len(want))
		}
		for _, c := range page.Calls {
			if got := (told{c.Outcome, c.Duration}); got != want[c.Call] {
				t.Errorf("%q: %+v, want %+v", c.Call, got, want[c.Call])
			}
		}
	}
}
