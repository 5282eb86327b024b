package alarm

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"releve"
)

// Regain is how soon after its end an alarm that rises again is still the same one: it is counted and
// keeps whoever has it in hand. One that did so [Flaps] times ends only when it has been quiet as long.
const Regain = 10 * time.Minute

// Flaps is how often an alarm rises within [Regain] of its end before it flaps.
const Flaps = 3

const (
	// keptFor is how long what is over and done stays in a book: a server that was cut off for a month
	// brings back what it knows, and it is still known that somebody dealt with it.
	keptFor = 30 * 24 * time.Hour
	// Most is how many alarms a book holds. There are thirty kinds, each about a few things; of what
	// is over and done the oldest goes first.
	Most = 256
)

// Book is all that is known of alarms. The zero book is empty.
type Book struct {
	Count  uint64        `json:"count"` // the latest stamp's
	Alarms map[Key]Alarm `json:"alarms"`

	Maintenance map[Place]Maintenance `json:"maintenance,omitempty"`
}

// Alarm is what both servers say of one alarm, and what a person did about it.
type Alarm struct {
	Claims map[releve.Seat]Claim `json:"claims"`         // each server's own
	Over   uint64                `json:"over,omitempty"` // claims up to this stamp are ended, of one that is the site's
	Hand   Hand                  `json:"hand,omitzero"`
	Sent   map[Outlet]Sent       `json:"sent,omitempty"`

	History []Moment `json:"history,omitempty"`
}

// Claim is what one server says: only it writes this.
type Claim struct {
	Up       bool            `json:"up"`
	Severity releve.Severity `json:"severity"`
	What     releve.Sentence `json:"what"`
	Since    time.Time       `json:"since"`   // when it first rose, on the writer's clock
	Changed  time.Time       `json:"changed"` // when it last rose or ended
	Rises    int             `json:"rises"`   // since then
	Rose     uint64          `json:"rose"`    // the stamp of the first of these
	Stamp    uint64          `json:"stamp"`   // of the last change
}

// Act is what a person does with an alarm.
type Act string

// The acts of RFC 8632.
const (
	Acknowledge Act = "ack"
	Close       Act = "close"
	Shelve      Act = "shelve"
	Unshelve    Act = "unshelve"
)

// Hand is what a person last did with an alarm.
type Hand struct {
	Act    Act                    `json:"act,omitempty"`
	By     string                 `json:"by,omitempty"`
	Remark string                 `json:"remark,omitempty"`
	At     time.Time              `json:"at,omitzero"`
	Until  time.Time              `json:"until,omitzero"` // of one that is shelved
	Seen   map[releve.Seat]uint64 `json:"seen,omitempty"` // Rose of the claims that there were
	Stamp  Stamp                  `json:"stamp,omitzero"`
}

// Merge is all that either book knows. It is commutative, associative and idempotent: books may be
// exchanged in any order, twice or through a third.
func Merge(x, y Book) Book {
	merged := Book{max(x.Count, y.Count), maps.Clone(x.Alarms), mergeMaintenance(x.Maintenance, y.Maintenance)}
	if merged.Alarms == nil {
		merged.Alarms = map[Key]Alarm{}
	}
	for key, theirs := range y.Alarms {
		if ours, both := merged.Alarms[key]; both {
			theirs = mergeAlarms(ours, theirs)
		}
		merged.Alarms[key] = theirs
	}
	shorten(merged.Alarms)
	return merged
}

func mergeAlarms(x, y Alarm) Alarm {
	claims := maps.Clone(x.Claims)
	if claims == nil {
		claims = map[releve.Seat]Claim{}
	}
	for seat, theirs := range y.Claims {
		if ours, both := claims[seat]; both {
			theirs = newest(ours, theirs, cmp.Compare(ours.Stamp, theirs.Stamp))
		}
		claims[seat] = theirs
	}
	sent := maps.Clone(x.Sent)
	for by, theirs := range y.Sent {
		if sent == nil {
			sent = map[Outlet]Sent{}
		}
		sent[by] = mergeSent(sent[by], theirs)
	}
	return Alarm{
		Claims: claims, Over: max(x.Over, y.Over), Hand: newest(x.Hand, y.Hand, x.Hand.Stamp.compare(y.Hand.Stamp)), Sent: sent,
		History: mergeHistories(x.History, y.History),
	}
}

// newest is the later of two. A server that lost its disk may give a stamp a second time: then the
// text decides, alike on both.
func newest[T any](x, y T, order int) T {
	if order == 0 {
		order = strings.Compare(text(x), text(y))
	}
	if order < 0 {
		return y
	}
	return x
}

func text(value any) string {
	raw, err := json.Marshal(value)
	if err != nil {
		panic("plain values cannot be written as JSON: " + err.Error())
	}
	return string(raw)
}

// claims are an alarm's that stand, and those that have ended.
func (a Alarm) claims() (up, ended []Claim) {
	for _, seat := range []releve.Seat{releve.Main, releve.Secondary} {
		switch c, said := a.Claims[seat]; {
		case a.up(seat):
			up = append(up, c)
		case said:
			ended = append(ended, c)
		}
	}
	return up, ended
}

// up says that a server says so now.
func (a Alarm) up(seat releve.Seat) bool {
	c := a.Claims[seat]
	return c.Up && c.Stamp > a.Over
}

// Up says that it is so now.
func (a Alarm) Up() bool {
	up, _ := a.claims()
	return len(up) > 0
}

// covered says that whoever dealt with it last knew of all that there is.
func (a Alarm) covered() bool {
	return a.known(func(seat releve.Seat, c Claim) bool { return c.Rose <= a.Hand.Seen[seat] })
}

// known says that whoever saw some claims knows of all that there is: he saw each, or one that was still
// standing, or had just ended, when another server began to say the same.
func (a Alarm) known(seen func(releve.Seat, Claim) bool) bool {
	now, ended := a.claims()
	if len(now) == 0 {
		now = ended
	}
	joins := func(c Claim) bool {
		for seat, before := range a.Claims {
			if seen(seat, before) && (before.Up || before.Changed.Add(Regain).After(c.Since)) {
				return true
			}
		}
		return false
	}
	return len(now) > 0 && !slices.ContainsFunc(now, func(c Claim) bool { return !joins(c) })
}

// Handled is what was done about it that still counts: "" when it waits for somebody.
func (a Alarm) Handled(now time.Time) Act {
	switch {
	case a.Hand.Act == Unshelve || a.Hand.Act == "" || !a.covered():
		return ""
	case a.Hand.Act == Shelve && !now.Before(a.Hand.Until) && a.Up():
		return ""
	}
	return a.Hand.Act
}

// Done says that it is over and that somebody knows: it leaves the list.
func (a Alarm) Done(now time.Time) bool { return !a.Up() && a.Handled(now) != "" }

// last is when something about it last changed.
func (a Alarm) last() time.Time {
	at := a.Hand.At
	for _, c := range a.Claims {
		if c.Changed.After(at) {
			at = c.Changed
		}
	}
	return at
}

// tidy is the book without what has been over and done for long, or is too much.
func (b Book) tidy(now time.Time) Book {
	var done []Key
	for key, a := range b.Alarms {
		if a.Done(now) {
			done = append(done, key)
		}
	}
	slices.SortFunc(done, func(x, y Key) int {
		return cmp.Or(b.Alarms[x].last().Compare(b.Alarms[y].last()), compareKeys(x, y))
	})
	tooMany := max(0, len(b.Alarms)-Most)
	alarms := maps.Clone(b.Alarms)
	for i, key := range done {
		if i < tooMany || now.Sub(b.Alarms[key].last()) > keptFor {
			delete(alarms, key)
		}
	}
	return Book{b.Count, alarms, b.Maintenance}
}
