package view

import (
	"time"

	"releve"
)

// Maintenance says that somebody works at a server, or at the whole site: its alarms are shown, and not sent (SPEC A2).
type Maintenance struct {
	Place  string    `json:"place"` // main, secondary, site
	By     string    `json:"by"`
	Reason string    `json:"reason"`
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until"` // it ends by itself then
}

// Work is what a person says of a place: that he works there, or no more.
type Work struct {
	Place  string        `json:"place"`
	Ends   bool          `json:"ends,omitempty"`
	By     string        `json:"by"`
	Reason string        `json:"reason,omitempty"`
	For    time.Duration `json:"for_ns,omitempty"` // zero: the usual
}

// What is what the diaries have of it.
func (w Work) What() releve.Sentence {
	code, of := "event-maintenance", []string{"by", w.By}
	if w.Ends {
		code = "event-maintenance-ended"
	} else {
		of = append(of, "remark", w.Reason)
	}
	if releve.Seat(w.Place).Valid() {
		of = append(of, "seat", w.Place)
	}
	return releve.Say(code, of...)
}

// Worked is what became of it: what is under maintenance after it, or why it is refused.
type Worked struct {
	Maintenance []Maintenance    `json:"maintenance"`
	Refused     *releve.Sentence `json:"refused,omitempty"`
	Unknown     bool             `json:"unknown,omitempty"` // there is no such place, or nothing to end
}
