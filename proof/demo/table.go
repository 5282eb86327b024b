package demo

import (
	"strconv"
	"time"

	"releve"
	"releve/proof/practice"
)

// facts are what was measured, and nothing else: what is zero or nil was not.
type facts struct {
	offered, heard, refused, lost, broken, through int

	ackedBefore, ackedAll int  // rows, at the failure and at the end
	foundAfter, foundAll  *int // of them in the database, after the takeover and at the end

	first                               releve.CallID // the one that the secondary took first
	overflow, answered, voice, firstRow time.Time     // of that call
	returned                            time.Duration
}

// count takes the callers' own results.
func (f *facts) count(results []practice.Result) {
	f.offered = len(results)
	for _, r := range results {
		switch {
		case r.Refused():
			f.refused++
		case r.Lost():
			f.lost++
		default:
			f.heard++
		}
		if broken(r) {
			f.broken++
		}
		if r.Transferred {
			f.through++
		}
		if f.first != "" && r.Call == f.first && r.Heard() {
			f.voice = r.OfferedAt.Add(r.FirstSoundAfter)
		}
	}
}

// takeover finds the first call that overflowed to the secondary after the failure
// and was answered there, with the PBX's times; false when there is none yet. The
// traffic's mutex is held.
func (f *facts) takeover(t *traffic, failure time.Time) bool {
	for call := range t.events {
		overflow, answered := t.taken(call)
		earlier := f.first == "" || overflow.Before(f.overflow)
		if overflow.After(failure) && !answered.IsZero() && earlier {
			f.first, f.overflow, f.answered = call, overflow, answered
		}
	}
	return f.first != ""
}

// taken is when a call overflowed to the secondary and was answered there; the
// mutex is held.
func (t *traffic) taken(call releve.CallID) (overflow, answered time.Time) {
	for _, e := range t.events[call] {
		switch {
		case t.hosts[e.Contact] != releve.Secondary:
		case e.Kind == practice.Overflow && overflow.IsZero():
			overflow = e.At
		case e.Kind == practice.Answered && !overflow.IsZero():
			answered = e.At
		}
	}
	return overflow, answered
}

func (f *facts) rows(n *narrator) []row {
	lost := difference(f.ackedBefore, f.foundAfter)
	lostAll := difference(f.ackedAll, f.foundAll)
	return []row{
		n.count("row-offered", &f.offered, false),
		n.count("row-answered", &f.heard, false),
		n.count("row-refused", &f.refused, f.refused > 0),
		n.count("row-lost", &f.lost, f.lost > 0),
		n.count("row-broken", &f.broken, false), // whoever talks with a server that is killed is cut off
		n.count("row-through", &f.through, false),
		n.count("row-acknowledged", &f.ackedBefore, false),
		n.count("row-found", f.foundAfter, false),
		n.count("row-rows-lost", lost, lost != nil && *lost > 0),
		n.count("row-acknowledged-all", &f.ackedAll, false),
		n.count("row-found-all", f.foundAll, false),
		n.count("row-rows-lost", lostAll, lostAll != nil && *lostAll > 0),
		n.lasted("row-to-answer", f.sinceOverflow(f.answered)),
		n.lasted("row-to-voice", f.sinceOverflow(f.voice)),
		n.lasted("row-to-row", f.sinceOverflow(f.firstRow)),
		n.lasted("row-return", f.returned),
	}
}

func difference(all int, found *int) *int {
	if found == nil {
		return nil
	}
	d := all - *found
	return &d
}

func (f *facts) sinceOverflow(at time.Time) time.Duration {
	if f.overflow.IsZero() || at.IsZero() {
		return 0
	}
	return at.Sub(f.overflow)
}

func (n *narrator) count(code string, v *int, bad bool) row {
	if v == nil {
		return row{n.text(code), n.text("not-measured"), true}
	}
	return row{n.text(code), strconv.Itoa(*v), bad}
}

func (n *narrator) lasted(code string, d time.Duration) row {
	if d == 0 {
		return row{n.text(code), n.text("not-measured"), true}
	}
	return row{n.text(code), seconds(d), false}
}
