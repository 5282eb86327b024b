// Package alarm is the rule book of alarms: which kinds there are, what each means and what to do
// about it, what raises and ends one, and the life of one in the hands of people.
//
// An alarm is a state and no message (RFC 8632): something is not as it should be, on a server or at
// the site, from a moment on until it is well again. The system raises and clears it; a person
// acknowledges, shelves or closes it, with a name and a remark. One that cleared and that nobody has
// acknowledged stays, so that in the morning somebody learns of the night.
//
// Both servers have a [Book] of all alarms, and each writes into it by its [Desk]. Books are merged,
// in any order and as often as one likes, without anything being lost.
package alarm

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"releve"
)

// Code names a kind of alarm. It is a part of what is typed, kept and sent, and does not change.
type Code string

// Scope is what an alarm of a kind is about.
type Scope string

// The scopes. What is wrong with a server says its seat, and only that server ends it.
const (
	OfServer Scope = "server"
	OfSite   Scope = "site"
)

// Kind is one kind of alarm. Its words are in the catalogue, by its code: what it is, what callers
// notice, what to do first, how to test it.
type Kind struct {
	Code     Code
	Severity releve.Severity // of most of its alarms; what is told may be graver, or less so
	Scope    Scope
	Source   Source
	Under    []Code        // the causes under which it is folded while they stand
	On       time.Duration // how long it has to be so before it is raised …
	Off      time.Duration // … and well again before it is cleared
	Command  string        // the procedure or the command that helps
}

// Source is where alarms of a kind come from.
type Source string

// The sources.
const (
	Looked   Source = "looked"   // a look at the site shows it, as long as it is so
	Told     Source = "told"     // a room tells its begin and its end
	Kept     Source = "kept"     // … and remembers over a restart what it told
	Happened Source = "happened" // it is over as soon as it has happened, and stays until somebody has read it
)

// kept says that the alarm outlives the server that told it: it is not told again after a restart.
func (s Source) kept() bool { return s == Kept || s == Happened }

// Find is the kind of a code.
func Find(code Code) (Kind, bool) {
	for _, k := range kinds {
		if k.Code == code {
			return k, true
		}
	}
	return Kind{}, false
}

// row is where a kind stands in the table: causes stand before what follows from them.
func row(code Code) int {
	return slices.IndexFunc(kinds, func(k Kind) bool { return k.Code == code })
}

// What says what an alarm of the kind is, of a server X or of the site.
func (k Kind) What(seat releve.Seat) releve.Sentence {
	return releve.Say("alarm-"+string(k.Code), "seat", string(seat), "other", string(seat.Other()))
}

// Callers says what callers notice of it.
func (k Kind) Callers() releve.Sentence { return releve.Say("alarm-callers-" + string(k.Code)) }

// First says what to do first.
func (k Kind) First() releve.Sentence { return releve.Say("alarm-first-" + string(k.Code)) }

// Test says how to see that the alarm comes.
func (k Kind) Test() releve.Sentence { return releve.Say("alarm-test-" + string(k.Code)) }

// Key is which alarm: of two with one key there is one.
type Key struct {
	Code  Code
	Seat  releve.Seat // "" of one that is the site's
	About string      // what of a server or of the site: a user, a file, a directory; "" where there is one alone
}

// Subject is a key without its code: "main", "main:reception", "vote", or nothing.
func (k Key) Subject() string {
	if k.Seat == "" {
		return k.About
	}
	if k.About == "" {
		return string(k.Seat)
	}
	return string(k.Seat) + ":" + k.About
}

// String is a key as it is shown and typed: CODE, or CODE/SUBJECT.
func (k Key) String() string {
	if subject := k.Subject(); subject != "" {
		return string(k.Code) + "/" + subject
	}
	return string(k.Code)
}

// ParseKey reads what [Key.String] writes. It refuses a code of no kind and a subject that the kind
// cannot have.
func ParseKey(text string) (Key, error) {
	code, subject, _ := strings.Cut(text, "/")
	kind, known := Find(Code(code))
	if !known {
		return Key{}, fmt.Errorf("there is no kind of alarm %q", code)
	}
	if kind.Scope == OfSite {
		return Key{Code: kind.Code, About: subject}, nil
	}
	seat, about, _ := strings.Cut(subject, ":")
	if !releve.Seat(seat).Valid() {
		return Key{}, fmt.Errorf("an alarm %s is a server's: main or secondary, and not %q", code, seat)
	}
	return Key{kind.Code, releve.Seat(seat), about}, nil
}

// MarshalText has a key stand as text in JSON.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads it. A code that this version does not know is kept as it is.
func (k *Key) UnmarshalText(text []byte) error {
	if known, err := ParseKey(string(text)); err == nil {
		*k = known
		return nil
	}
	code, subject, _ := strings.Cut(string(text), "/")
	*k = Key{Code: Code(code), About: subject}
	return nil
}

func compareKeys(x, y Key) int { return strings.Compare(x.String(), y.String()) }

// Stamp is the place of a change among all changes of both servers: each stamp is later than all that
// its writer had read (Lamport). Clocks of machines have no part in what counts.
type Stamp struct {
	Count uint64      `json:"count"`
	Seat  releve.Seat `json:"seat"` // the writer, which decides between two of one count
}

func (s Stamp) compare(other Stamp) int {
	return cmp.Or(cmp.Compare(s.Count, other.Count), cmp.Compare(s.Seat, other.Seat))
}
