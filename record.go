package releve

import "time"

// Call is one call of `releve calls`.
type Call struct {
	Call        CallID        `json:"call"`
	At          time.Time     `json:"at"`
	Seat        Seat          `json:"seat"`
	Term        Term          `json:"term"`
	From        string        `json:"from"`
	Overflowed  bool          `json:"overflowed"`
	WithoutDuty bool          `json:"without_duty"`
	Test        bool          `json:"test"`
	Outcome     string        `json:"outcome"` // "" while in progress
	Duration    time.Duration `json:"duration_ns"`
	Steps       []Step        `json:"steps"`
	Stored      bool          `json:"stored"` // false: still in a spool
	Run         RunID         `json:"run,omitempty"`
	Chain       string        `json:"chain,omitempty"`    // the same of all attempts of one caller
	Detail      string        `json:"detail,omitempty"`   // why it ended so
	Attempts    []Attempt     `json:"attempts,omitempty"` // the others of this caller, newest first
}

// The outcomes that no server saw. The call has then lasted at least its duration.
const (
	Cut     = "cut"     // the server of it stopped, as it said itself when it started again
	Unknown = "unknown" // nobody says now whether it is over
)

// Seen says whether the end of a call was seen by the server of it.
func (c Call) Seen() bool { return c.Outcome != "" && c.Outcome != Cut && c.Outcome != Unknown }

// Step is one step of a call.
type Step struct {
	At     time.Time `json:"at"`
	Name   string    `json:"name"`
	Detail string    `json:"detail"`
}

// Attempt is a call that is shown in the row of another, because it is the same caller's.
type Attempt struct {
	Call    CallID    `json:"call"`
	At      time.Time `json:"at"`
	Seat    Seat      `json:"seat"`
	Outcome string    `json:"outcome"`
	Detail  string    `json:"detail,omitempty"`
}
