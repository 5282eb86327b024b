package releve

import (
	"encoding/json"
	"time"
)

// EntryFormat counts the ways in which entries have been written, and with them what went
// into a decision. A diary keeps those of months, over changes of version.
const EntryFormat = 2

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
