package view

import (
	"slices"
	"time"

	"releve"
)

// Alarm is one that stands, or that is over and waits for somebody (docs/alarms.md).
type Alarm struct {
	Alarm    string          `json:"alarm"` // CODE, or CODE/SUBJECT: as an operator names it
	Code     string          `json:"code"`
	Seat     releve.Seat     `json:"seat,omitempty"`
	Severity releve.Severity `json:"severity"`
	State    string          `json:"state"` // raised, returned, acknowledged, shelved
	What     releve.Sentence `json:"what"`
	Since    time.Time       `json:"since"`
	Ended    time.Time       `json:"ended,omitzero"` // it is over since
	Rises    int             `json:"rises"`
	Flaps    bool            `json:"flaps,omitempty"`
	By       string          `json:"by,omitempty"` // who has it
	Remark   string          `json:"remark,omitempty"`
	At       time.Time       `json:"at,omitzero"` // since when
	Until    time.Time       `json:"until,omitzero"`
	Under    string          `json:"under,omitempty"` // the alarm that it follows from
	Calls    int             `json:"calls,omitempty"` // how often nobody had it in hand for too long
	Quiet    time.Time       `json:"quiet,omitzero"`  // not sent until then: somebody works there

	Callers releve.Sentence `json:"callers"` // what they notice
	First   releve.Sentence `json:"first"`   // what to do first
	Command string          `json:"command"` // what helps
}

// Moment is one thing that happened to an alarm.
type Moment struct {
	What     string          `json:"what"` // raised, cleared, came, sent, ack, close, shelve, unshelve
	At       time.Time       `json:"at"`
	Server   releve.Seat     `json:"server"` // that wrote it
	Severity releve.Severity `json:"severity,omitempty"`
	By       string          `json:"by,omitempty"` // who did it
	Remark   string          `json:"remark,omitempty"`
	Until    time.Time       `json:"until,omitzero"`    // of one that was shelved
	Outlet   string          `json:"outlet,omitempty"`  // that took …
	Message  string          `json:"message,omitempty"` // began, waits, ended
}

// AlarmStory is an alarm that stands, waits or was dealt with, and what happened to it, the latest last.
type AlarmStory struct {
	Alarm
	History []Moment `json:"history"`
}

// Waits says that nobody has it in hand.
func (a Alarm) Waits() bool { return a.State == "raised" || a.State == "returned" }

// Handling is what a person orders about an alarm.
type Handling struct {
	Act    string        `json:"act"` // ack, close, shelve, unshelve
	Alarm  string        `json:"alarm"`
	By     string        `json:"by"`
	Remark string        `json:"remark,omitempty"`
	For    time.Duration `json:"for_ns,omitempty"` // how long it is shelved
}

// Known says that there is such an act: what others write is no part of a sentence's code.
func (h Handling) Known() bool {
	return slices.Contains([]string{"ack", "close", "shelve", "unshelve"}, h.Act)
}

// Handled is what became of it: the alarms after it, or why it is refused.
type Handled struct {
	Alarms  []Alarm          `json:"alarms"`
	Refused *releve.Sentence `json:"refused,omitempty"`
	Unknown bool             `json:"unknown,omitempty"` // there is no such alarm
}
