// Package pbx is what is known of the kinds of PBX, one file each (SPEC T4): what has to be set there, what
// Relève is set to for it, and who says so. Nothing stands here that nobody measured or published:
// what a type does and no source tells is left to its manual, and the page says so.
package pbx

import (
	"errors"
	"slices"
	"strings"

	"releve"
)

// Type names a kind of PBX, on the command line and in `[pbx] type`.
type Type string

// Generic is a PBX of no known type: what every PBX must do, and no word of how.
const Generic Type = "generic"

// Profile is what is known of one type.
type Profile struct {
	Type     Type
	Name     string    // as its maker writes it
	Tried    string    // code of the sentence that says what was tried on a real one; "": nothing was
	Settings []Setting // of Relève, where they are not the defaults
	Notes    []Note    // how each topic is met there, in the order of the topics
	Files    []File    // configuration to be copied, and tried as it is
	Kin      []Kin     // what is built on it
	Look     []string  // commands there that show what it has
}

// Setting is a key of a server's file with the value that this type asks for, as TOML has it.
type Setting struct {
	Key   string
	Value string
	Why   string // code of a sentence
	Source
}

// Topic is one of the things that every PBX has to be told.
type Topic string

// The topics, in the order of a page.
const (
	Users    Topic = "users"    // the two SIP users, and what they cost in licences
	Binding  Topic = "binding"  // one registration a user, the latest
	Overflow Topic = "overflow" // from the reception to the standby
	Back     Topic = "back"     // and back, on a refusal
	Evidence Topic = "evidence" // that a call overflowed
	Patience Topic = "patience" // how long the PBX waits for whom
	Sound    Topic = "sound"    // codecs, keys, where sound goes
	Transfer Topic = "transfer" // REFER, and what may be dialled
	Access   Topic = "access"   // firewalls and what bans an address
)

// Title is the code of a topic's heading.
func (t Topic) Title() string { return "guide-title-" + string(t) }

// Code is that of what every PBX must do.
func (t Topic) Code() string { return "guide-" + string(t) }

// Topics are all of them, in the order of a page.
func Topics() []Topic {
	return []Topic{Users, Binding, Overflow, Back, Evidence, Patience, Sound, Transfer, Access}
}

// Kin is a product that is built on a type: its own page is that of the type, and these steps. All are codes.
type Kin struct {
	Title string
	About string
	Steps []string
}

// Note says how a topic is met on one type, or what is to be known of it there.
type Note struct {
	Topic Topic
	Code  string // of a sentence
	Source
}

// Kind is where a note is from, the most certain first.
type Kind string

// The kinds of sources.
const (
	Measured Kind = "measured" // seen on a real one, by us
	Standard Kind = "standard" // a standard that the type follows
	Manual   Kind = "manual"   // its maker says so
	Code     Kind = "code"     // its own source says so
	Reported Kind = "reported" // somebody else says so
)

// Source is who says something, and where.
type Source struct {
	Kind  Kind
	Where string // title, version, address: in the language of the source
}

// All are the profiles, as they are listed: the one of no type last.
func All() []Profile {
	return []Profile{asterisk(), kamailio(), freeswitch(), threeCX(), mitel(), oxe(), cucm(), ipOffice(), wazo(), generic()}
}

// Types are the names of all types, in the order of All.
func Types() (names []string) {
	for _, p := range All() {
		names = append(names, string(p.Type))
	}
	return names
}

// ErrUnknown is a type that nobody knows, for errors.Is.
var ErrUnknown = errors.New("there is no profile of that type of PBX")

// Find is the profile of a type; one that is not known is a [*releve.Fault] that names those that are.
func Find(name Type) (Profile, error) {
	all := All()
	i := slices.IndexFunc(all, func(p Profile) bool { return p.Type == name })
	if i < 0 {
		return Profile{}, &releve.Fault{Cause: ErrUnknown, Why: releve.Say("guide-unknown", "type", string(name), "known", strings.Join(Types(), ", "))}
	}
	return all[i], nil
}

// Of are the notes of a topic.
func (p Profile) Of(t Topic) (notes []Note) {
	for _, n := range p.Notes {
		if n.Topic == t {
			notes = append(notes, n)
		}
	}
	return notes
}
