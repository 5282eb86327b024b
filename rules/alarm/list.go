package alarm

import (
	"cmp"
	"slices"
	"time"

	"releve"
)

// State is where an alarm is in its life.
type State string

// The states, those that wait for somebody first.
const (
	Raised   State = "raised"       // it is so, and nobody has it in hand
	Returned State = "returned"     // it is over, and nobody has read of it
	Acked    State = "acknowledged" // it is so, and somebody has it in hand
	Shelved  State = "shelved"      // somebody has put it aside for a while
)

var states = []State{Raised, Returned, Acked, Shelved}

// Entry is an alarm as people see it.
type Entry struct {
	Key      Key
	Severity releve.Severity
	State    State
	What     releve.Sentence
	Since    time.Time
	Ended    time.Time // zero while it is so
	Rises    int       // how often it rose since; more than [Flaps]: it flaps
	Hand     Hand      // what was done about it that still counts
	Under    Key       // the cause under which it is folded
	Calls    int       // how often more people had to be told that nobody has it in hand
	Quiet    time.Time // until when it is not sent, for somebody works there; zero: it is
}

// Flaps says that it comes and goes.
func (e Entry) Flaps() bool { return e.Rises > Flaps }

// Folded says that it follows from another.
func (e Entry) Folded() bool { return e.Under != Key{} }

// List is what there is to see of a book: what stands or waits for somebody, those who wait first, then
// the gravest, the newest, the causes. What follows from another comes after all others.
func (b Book) List(now time.Time) (all []Entry) {
	for key, a := range b.Alarms {
		if !a.Done(now) {
			all = append(all, a.entry(key, now))
		}
	}
	for i, e := range all {
		all[i].Under = cause(e, all)
		if m, ok := b.quiet(now, e.Key); ok {
			all[i].Quiet = m.Until
		}
	}
	for i, e := range all {
		all[i].Calls = e.calls(now)
	}
	slices.SortFunc(all, compareEntries)
	return all
}

func compareEntries(x, y Entry) int {
	place := func(e Entry) int {
		if e.Folded() {
			return len(states)
		}
		return slices.Index(states, e.State)
	}
	grave := 0
	if x.Severity != y.Severity {
		grave = 1
		if x.Severity.AtLeast(y.Severity) {
			grave = -1
		}
	}
	return cmp.Or(place(x)-place(y), grave, y.Since.Compare(x.Since), row(x.Key.Code)-row(y.Key.Code), compareKeys(x.Key, y.Key))
}

func (a Alarm) entry(key Key, now time.Time) Entry {
	up, ended := a.claims()
	standing := len(up) > 0
	if !standing {
		up = ended
	}
	e := Entry{Key: key, State: Raised, Severity: a.severity()}
	for _, c := range up {
		if e.Since.IsZero() || c.Since.Before(e.Since) {
			e.Since, e.What = c.Since, c.What
		}
		if !standing && c.Changed.After(e.Ended) {
			e.Ended = c.Changed
		}
		e.Rises = max(e.Rises, c.Rises)
	}
	handled := a.Handled(now)
	if handled != "" {
		e.Hand = a.Hand
	}
	switch {
	case handled == Shelve:
		e.State = Shelved
	case handled != "":
		e.State = Acked
	case !standing:
		e.State = Returned
	}
	return e
}

// cause is the alarm under which one is folded: the first of its kind's causes that stands, on the same
// server where both are a server's.
func cause(e Entry, all []Entry) Key {
	kind, _ := Find(e.Key.Code)
	for _, code := range kind.Under {
		for _, c := range all {
			same := c.Key.Seat == e.Key.Seat || c.Key.Seat == "" || e.Key.Seat == ""
			if c.Key.Code == code && c.Ended.IsZero() && e.Ended.IsZero() && same {
				return c.Key
			}
		}
	}
	return Key{}
}

// calls is how often more people had to be told of it (SPEC A4): once for each time that [Patience] ran
// out, for as long as it stands and nobody has it in hand.
func (e Entry) calls(now time.Time) int {
	patience := Patience(e.Severity)
	if e.State != Raised || e.Folded() || !e.Quiet.IsZero() || patience == 0 {
		return 0
	}
	return max(0, int(now.Sub(e.Since)/patience))
}
