package view

import (
	"time"

	"releve"
)

// Readiness is whether the standby could take over now, and why, or why not (SPEC H13).
type Readiness struct {
	Ready   bool        `json:"ready"`
	Standby releve.Seat `json:"standby"` // who would
	Since   time.Time   `json:"since"`   // that is the answer
	Reasons []Reason    `json:"reasons"` // all that it rests on, in the order in which they would be mended
}

// Reason is one thing that a takeover rests on.
type Reason struct {
	About string          `json:"about"`
	State string          `json:"state"` // holds, broken, pending, unknown
	What  releve.Sentence `json:"what"`
}

// Wrong are the reasons that do not hold, as far as they are known. Of no answer there are none.
func (r *Readiness) Wrong() (all []releve.Sentence) {
	if r == nil {
		return nil
	}
	for _, reason := range r.Reasons {
		if reason.State == "broken" || reason.State == "pending" {
			all = append(all, reason.What)
		}
	}
	return all
}
