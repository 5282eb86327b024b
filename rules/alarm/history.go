package alarm

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"releve"
)

// Happening is what can happen to an alarm, beside what a person does with it ([Act]).
type Happening string

// The happenings that no person is the cause of.
const (
	Rose    Happening = "raised"  // by a server that says so
	Cleared Happening = "cleared" // … that says so no more, or that ended it for both
	Came    Happening = "came"    // it happened, and was over at once
	Posted  Happening = "sent"    // an outlet took a message of it
)

// Moment is one thing that happened to an alarm, in the history of it.
type Moment struct {
	What     Happening       `json:"what"` // or an act
	At       time.Time       `json:"at"`   // on the writer's clock
	Severity releve.Severity `json:"severity,omitempty"`
	By       string          `json:"by,omitempty"` // the person
	Remark   string          `json:"remark,omitempty"`
	Until    time.Time       `json:"until,omitzero"` // of one that was shelved
	Outlet   Outlet          `json:"outlet,omitempty"`
	Message  Message         `json:"message,omitempty"` // that it took: with [Waits], more people were told, for nobody had it in hand
	Stamp    Stamp           `json:"stamp"`             // of the change, and the seat of the server that wrote it
}

// Each sort of moment has room for so many of an alarm, the latest: one that comes and goes all night does not have
// it forgotten who acknowledged it.
const momentsEach = 12

// sort is which room a moment takes.
func (m Moment) sort() int {
	switch m.What {
	case Rose, Cleared, Came:
		return 0
	case Posted:
		return 1
	}
	return 2
}

func compareMoments(x, y Moment) int {
	if order := x.Stamp.compare(y.Stamp); order != 0 {
		return order
	}
	return strings.Compare(text(x), text(y)) // of a server that lost its disk and counted anew
}

// mergeHistories is the latest of each sort that either has, in the order in which they were written. What one
// leaves out for want of room the other would leave out as well: so it may be done in any order.
func mergeHistories(x, y []Moment) (all []Moment) {
	if len(x)+len(y) == 0 {
		return nil
	}
	all = slices.SortedFunc(slices.Values(slices.Concat(x, y)), compareMoments)
	all = slices.CompactFunc(all, func(x, y Moment) bool { return compareMoments(x, y) == 0 })
	room := map[int]int{}
	for i := len(all) - 1; i >= 0; i-- {
		if sort := all[i].sort(); room[sort] < momentsEach {
			room[sort]++
		} else {
			all = slices.Delete(all, i, i+1)
		}
	}
	return all
}

// momentsMost is how many moments all alarms of a book have together, the latest: a book goes to the other server
// whole, in a message of a megabyte at most, and a remark may have [RemarkMost] bytes.
const momentsMost = 600

// shorten leaves the latest moments of all alarms. A moment for which there is no room here has none in any book that
// has more of others: so this, too, may be done in any order.
func shorten(alarms map[Key]Alarm) {
	type place struct {
		Moment
		key Key
	}
	var all []place
	for key, a := range alarms {
		for _, m := range a.History {
			all = append(all, place{m, key})
		}
	}
	if len(all) <= momentsMost {
		return
	}
	slices.SortFunc(all, func(x, y place) int { return cmp.Or(compareMoments(y.Moment, x.Moment), compareKeys(y.key, x.key)) })
	gone := map[Key][]Moment{}
	for _, p := range all[momentsMost:] {
		gone[p.key] = append(gone[p.key], p.Moment)
	}
	for key, old := range gone { // of each alarm the first
		a := alarms[key]
		a.History = slices.Clone(a.History[len(old):])
		alarms[key] = a
	}
}

// remember writes a moment into the history of an alarm, under the stamp of the change that it is of.
func (d *Desk) remember(a *Alarm, stamp uint64, m Moment) {
	m.Stamp = Stamp{stamp, d.Seat}
	a.History = mergeHistories(a.History, []Moment{m})
}

// Story is an alarm and its history, the latest last, whether it stands or was over long ago; known says whether
// the book has anything of it.
func (b Book) Story(now time.Time, key Key) (e Entry, all []Moment, known bool) {
	for _, listed := range b.List(now) {
		if listed.Key == key {
			return listed, b.Alarms[key].History, true
		}
	}
	a, known := b.Alarms[key]
	return a.entry(key, now), a.History, known
}
