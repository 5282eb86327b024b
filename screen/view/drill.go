package view

import (
	"time"

	"releve"
)

// Drills are what a site has tried of its takeover, and when it is to be tried again (SPEC H13).
type Drills struct {
	Open      *Drill    `json:"open,omitempty"`      // one that is under way, or was left open
	Last      []Drill   `json:"last"`                // those that are over, newest first
	Good      time.Time `json:"good,omitzero"`       // when the last one went well; zero: never
	OverdueAt time.Time `json:"overdue_at,omitzero"` // when one is overdue; zero: never
	NextAt    time.Time `json:"next_at,omitzero"`    // not before then is one begun by itself; zero: by hand alone
}

// Drill is one of them, while it lasts and afterwards.
type Drill struct {
	ID       string    `json:"id"`
	By       string    `json:"by"` // who ordered it; "": the schedule
	Started  time.Time `json:"started"`
	Finished time.Time `json:"finished,omitzero"`

	Takeover Measured `json:"takeover"`
	Return   Measured `json:"return"`

	Step   releve.Sentence  `json:"step"`             // that runs, or ran last
	Failed *releve.Sentence `json:"failed,omitempty"` // what was not as expected
	// Restored says that the site was, at its end, as it was before.
	Restored bool            `json:"restored"`
	Steps    []ProcedureStep `json:"steps,omitempty"`
}

// Good says that all of it went as it is to go.
func (d Drill) Good() bool { return d.Failed == nil && d.Restored && !d.Finished.IsZero() }

// Measured are the times of a duty that moved, each from the order on; 0: it did not come to that.
type Measured struct {
	Answered  time.Duration `json:"answered_ns"`  // until the first call was answered by the one that took over
	Recording time.Duration `json:"recording_ns"` // until its database took records
	Whole     time.Duration `json:"whole_ns"`     // until the site was protected again
}
