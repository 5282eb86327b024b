// Package releve holds the words of the product as types, and nothing else:
// who the servers are, what they are doing, and what they keep.
//
// A site is one establishment with its PBX and two servers. Each server sits in
// a [Seat] that never changes; at most one of them has the [Duty] Active. Each
// change of duty raises the [Term] by one.
//
// Who serves stands in this file; a call and the facts that it leaves in call.go; what the
// database keeps, and what can befall it, in database.go; what people read in sentence.go.
package releve

import (
	"encoding/json"
	"slices"
	"time"
)

// Seat is where a server was installed. It never changes.
type Seat string

// The two seats of a site.
const (
	Main      Seat = "main"
	Secondary Seat = "secondary"
)

// Other is the seat of the other server.
func (s Seat) Other() Seat {
	if s == Main {
		return Secondary
	}
	return Main
}

// Valid says whether s is one of the two seats.
func (s Seat) Valid() bool { return s == Main || s == Secondary }

// Duty is what a server does now. At most one server of a site is Active.
type Duty string

// The duties a server can have.
const (
	Active       Duty = "active"
	Passive      Duty = "passive"
	OutOfService Duty = "out-of-service"
)

// Level is how much of a site is protected.
type Level string

// The levels of SPEC §2.
const (
	Base             Level = "base"
	Mirroring        Level = "mirroring"
	Backup           Level = "backup"
	HighAvailability Level = "high-availability"
)

// Levels are those at which a site can run, from the ground up.
func Levels() []Level { return []Level{Base, Mirroring, Backup, HighAvailability} }

// Raises says whether a change from this level to another asks for more than was there: of mirroring
// and backup neither holds the other.
func (l Level) Raises(to Level) bool { return to != l && to != Base && l != HighAvailability }

// LevelFit says whether a server's configuration has what a level needs.
type LevelFit struct {
	Level Level    `json:"level"`
	Lacks []string `json:"lacks,omitempty"` // keys of the configuration, none where it has all
}

// Outlet is a way by which a server sends alarms to people who look at no screen, or to programs, as it is.
type Outlet struct {
	Name   string    `json:"name"`             // mail …
	SentAt time.Time `json:"sent_at,omitzero"` // the last that was taken
	WellAt time.Time `json:"well_at,omitzero"` // … or would have been: it is tried each hour
	Since  time.Time `json:"since,omitzero"`   // it takes nothing
	Failed *Sentence `json:"failed,omitempty"` // … and why
	Note   *Sentence `json:"note,omitempty"`   // what has to be known of it: that nobody answers
}

// Arbiter is who decides where the vote lies.
type Arbiter string

// The arbiters. Pair is the two servers alone; Witness is a process on a third machine.
const (
	Pair    Arbiter = "pair"
	Witness Arbiter = "witness"
)

// Language is a language that users read and callers hear.
type Language string

// The two languages, equal in everything.
const (
	French  Language = "fr"
	English Language = "en"
)

// Term is the number of the current duty. It never goes back.
type Term uint64

// TierState is how one layer of a server is.
type TierState string

// The states of a tier.
const (
	TierWell     TierState = "well"
	TierStarting TierState = "starting"
	TierDegraded TierState = "degraded"
	TierDown     TierState = "down"
	TierUnknown  TierState = "unknown"
	TierNone     TierState = "none" // the level gives this server none
)

// Tier is the state of one layer with its reason, "" when well.
type Tier struct {
	State TierState `json:"state"`
	Why   Sentence  `json:"why"`
}

// Severity is how grave something is that an operator is told.
type Severity string

// The severities, the least grave first.
const (
	Cleared  Severity = "cleared" // what was told before is over
	Info     Severity = "info"
	Warning  Severity = "warning"
	Major    Severity = "major"
	Critical Severity = "critical"
)

// graver are all of them in their order.
var graver = []Severity{Cleared, Info, Warning, Major, Critical}

// AtLeast says that s is as grave as least, or graver.
func (s Severity) AtLeast(least Severity) bool {
	return slices.Index(graver, s) >= slices.Index(graver, least)
}

// Clears says that what was told before is over.
func (s Severity) Clears() bool { return s == Cleared }

// CheckQuestion asks the server on duty whether it can take a call (SPEC H4).
type CheckQuestion struct {
	Nonce string `json:"nonce"` // drawn for this question; the answer repeats it
	Term  Term   `json:"term"`  // that the asker knows
	Call  bool   `json:"call"`  // a call waits for the answer: look at the binding itself
}

// CheckAnswer is what the server asked says of itself. It is a positive answer
// only as SPEC H4 says: Well, and the PBX answered after the question. It tells of the
// callers' tier alone: a call is answered without a database and without a page (RULES R13), and
// a takeover because of those would end conversations for nothing.
type CheckAnswer struct {
	Nonce       string        `json:"nonce,omitempty"`
	Seat        Seat          `json:"seat"`
	Term        Term          `json:"term"`
	Well        bool          `json:"well"`
	Busy        bool          `json:"busy"`           // all channels are busy: still in service
	Registered  bool          `json:"registered"`     // the reception user's binding is this server's
	PBXAnswered bool          `json:"pbx_answered"`   // an OPTIONS sent after the question
	LastInvite  time.Duration `json:"last_invite_ns"` // how long ago the last INVITE came; negative: none since the start
	Why         Sentence      `json:"why"`
}

// EntryFormat counts the ways in which entries have been written, and with them what went
// into a decision. A diary keeps those of months, over changes of version. The third has what level
// backup decides by, left out elsewhere.
const EntryFormat = 3

// Entry is one decision, or decision not to act, with its evidence (SPEC H14).
type Entry struct {
	Format   int             `json:"format,omitempty"` // see EntryFormat; 0: the first, which did not say so
	At       time.Time       `json:"at"`
	Seat     Seat            `json:"seat"`
	Term     Term            `json:"term"`
	Kind     string          `json:"kind"` // decision, non-decision, fact
	What     Sentence        `json:"what"`
	Call     CallID          `json:"call,omitempty"` // the call that led to it, or that it answered
	Evidence []Sentence      `json:"evidence,omitempty"`
	Input    json.RawMessage `json:"input,omitempty"`   // the event that the decision took, for replay
	Routine  bool            `json:"routine,omitempty"` // it changed nothing that lasts, and may come a thousand times
}

// UntilBeat is how long to wait from now to look at something again that is looked at each so
// often: until the multiple of that period, on the clock, that is nearest to one period from
// now, so from a half to one and a half of it. Those who look at different things so wake a
// server together: an idle one pays for its wake-ups, not for what it does in them.
func UntilBeat(now time.Time, period time.Duration) time.Duration {
	return now.Add(period).Round(period).Sub(now)
}

// UntilNextBeat is until the first such multiple after now: for what may wait no longer than one period.
func UntilNextBeat(now time.Time, period time.Duration) time.Duration {
	return now.Truncate(period).Add(period).Sub(now)
}
