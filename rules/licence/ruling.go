package licence

import (
	"slices"
	"time"

	"releve"
)

const (
	// Grace is how long a level goes on that is not licensed any more. It counts what the server
	// has run since it first said so: neither a leap of a clock nor the time it was off is in it.
	Grace = 30 * 24 * time.Hour
	// Warned is how long before the end of a licence it is said.
	Warned = 30 * 24 * time.Hour

	// nobody's level falls back at night or on a Sunday.
	workBegins, workEnds = 10, 16
)

// Memory is what a server remembers of licences beside the licences themselves.
type Memory struct {
	Clock Clock `json:"clock"`
	// Lapsed are the levels that ran without a licence, each with the [Clock.Ran] of when that
	// was first seen. Running another level meanwhile does not begin it anew.
	Lapsed map[releve.Level]time.Time `json:"lapsed,omitempty"`
	Fallen *Fallen                    `json:"fallen,omitempty"`
}

// Fallen is a fall that was carried out. It is told for as long as the site stays where it fell to,
// and not longer than [Grace]: who wants to stay there needs no reminder.
type Fallen struct {
	From releve.Level `json:"from"`
	To   releve.Level `json:"to"`
	At   time.Time    `json:"at"`  // by the clock that counted
	Ran  time.Time    `json:"ran"` // [Clock.Ran] then
	Why  string       `json:"why"` // as the argument of a sentence
}

// Running is what a site runs.
type Running struct {
	Level    releve.Level
	Channels int // of its configuration
}

// Ruling is what licences say of what runs.
type Ruling struct {
	Sum
	Running
	Clock     Clock
	Until     time.Time // when the level is not licensed any more; zero: not in sight, or now
	Lapse     bool      // the level is not licensed now
	FallsBack FallBack  // where it is not
	Fallen    *Fallen   // where the level fell before, and the site stayed there
}

// FallBack is what becomes of a level that is not licensed.
type FallBack struct {
	To  releve.Level
	At  time.Time // by the clock that counts for licences
	Due bool      // that moment has come
}

// Comes says whether a level is to fall at a moment: the announced one or a later one, in hours of
// work. A server that was off when the moment came does not act on it at its start at night.
func (f FallBack) Comes(now time.Time) bool {
	return f.To != "" && !now.Before(f.At) && atWork(now.In(f.At.Location()))
}

// Verdict rules on what a site runs, with the memory that is to be kept. It is asked at every
// look, and its answer depends on nothing but its arguments. where is the place whose hours of
// work count.
//
// When a level is not licensed it goes on for [Grace], which is announced from the first look
// on. Then it falls back to the largest level that it holds and that is licensed, to base where
// there is none: base always goes on.
func Verdict(all []Licence, runs Running, m Memory, where *time.Location) (Ruling, Memory) {
	now := m.Clock.Now()
	r := Ruling{Sum: Add(all, now), Running: runs, Clock: m.Clock}
	lapsed := map[releve.Level]time.Time{}
	for level, since := range m.Lapsed {
		if !r.May(level) {
			lapsed[level] = since
		}
	}
	r.Lapse = !r.May(runs.Level)
	switch {
	case !r.Lapse:
		r.Until = r.Ends(runs.Level)
	case runs.Level != releve.Base:
		since, known := lapsed[runs.Level]
		if !known {
			since = m.Clock.Ran
			lapsed[runs.Level] = since
		}
		at := workday(since.Add(Grace).Add(m.Clock.Leap).In(where))
		r.FallsBack = FallBack{To: r.below(runs.Level), At: at}
		r.FallsBack.Due = r.FallsBack.Comes(now)
	}
	if f := m.Fallen; f != nil && f.To == runs.Level && m.Clock.Ran.Sub(f.Ran) <= Grace {
		r.Fallen = f
	}
	return r, Memory{Clock: m.Clock, Lapsed: lapsed, Fallen: r.Fallen}
}

// Fell is the memory of a level that has fallen just now, as was ruled.
func (r Ruling) Fell(m Memory) Memory {
	m.Fallen = &Fallen{From: r.Level, To: r.FallsBack.To, At: m.Clock.Now(), Ran: m.Clock.Ran, Why: r.why()}
	return m
}

// below is the largest level that another holds and that is licensed.
func (r Ruling) below(level releve.Level) releve.Level {
	for _, lower := range slices.Backward(Levels) {
		if lower != level && gives(level, lower) && r.May(lower) {
			return lower
		}
	}
	return releve.Base
}

// workday is the first hour of work that is not before a moment.
func workday(t time.Time) time.Time {
	day := func(t time.Time) time.Time {
		return time.Date(t.Year(), t.Month(), t.Day(), workBegins, 0, 0, 0, t.Location())
	}
	at := day(t)
	for at.Before(t) || at.Weekday() == time.Saturday || at.Weekday() == time.Sunday {
		at = day(at.AddDate(0, 0, 1))
	}
	return at
}

func atWork(t time.Time) bool {
	return t.Weekday() != time.Saturday && t.Weekday() != time.Sunday && t.Hour() >= workBegins && t.Hour() < workEnds
}
