// Package view is the site as one value, made by the agent. The page, the
// command line and JSON all read it, so that one truth stands behind every word.
//
// Sentences are codes with arguments; package words says them in French and
// English.
package view

import (
	"time"

	"releve"
)

// Word is the one word on the screen: would a failure now lose anything?
type Word string

// The words, from well to worst.
const (
	Protected    Word = "protected"
	NotProtected Word = "not-protected"
	Stopped      Word = "stopped" // nobody answers
)

// Site is all that is shown of a site.
type Site struct {
	Name      string          `json:"name"`
	Level     releve.Level    `json:"level"`
	Arbiter   releve.Arbiter  `json:"arbiter"`
	Seat      releve.Seat     `json:"seat"` // the server that says this
	At        time.Time       `json:"at"`
	Term      releve.Term     `json:"term"`
	Owner     releve.Seat     `json:"owner"` // on duty in that term
	Word      Word            `json:"word"`
	Why       releve.Sentence `json:"why"`
	Main      Server          `json:"main"`
	Secondary Server          `json:"secondary"`
	Mirror    Mirror          `json:"mirror"`
	PBX       PBX             `json:"pbx"`
	Licences  *Licences       `json:"licences,omitempty"`  // as this server knows them; nil before it has looked
	Readiness *Readiness      `json:"readiness,omitempty"` // nil at a level where nobody takes over
	Procedure *Procedure      `json:"procedure,omitempty"`
	Proof     *Procedure      `json:"proof,omitempty"` // a verification of the mirror, while it runs
	Alarms    []Alarm         `json:"alarms"`          // those that stand or wait for somebody, these first

	Maintenance []Maintenance `json:"maintenance,omitempty"` // under way
	Events      []Event       `json:"events"`                // newest first, at most 50
}

// Own is the server that says this.
func (s Site) Own() Server { return s.of(s.Seat) }

// Other is the one beside it.
func (s Site) Other() Server { return s.of(s.Seat.Other()) }

func (s Site) of(seat releve.Seat) Server {
	if seat == releve.Secondary {
		return s.Secondary
	}
	return s.Main
}

// Server is what is known of one server.
type Server struct {
	Seat          releve.Seat       `json:"seat"`
	Duty          releve.Duty       `json:"duty"`
	Heard         bool              `json:"heard"` // false: what follows is old
	HeardAt       time.Time         `json:"heard_at"`
	Vote          bool              `json:"vote"`
	Data          releve.Tier       `json:"data"`
	Interfaces    releve.Tier       `json:"interfaces"`
	Processing    releve.Tier       `json:"processing"`
	Notices       []releve.Sentence `json:"notices,omitempty"` // of its calls, beside their numbers, and of its disks
	Registered    []string          `json:"registered"`        // SIP users whose binding is this server's
	ChannelsBusy  int               `json:"channels_busy"`
	Channels      int               `json:"channels"`
	WithoutDuty   bool              `json:"without_duty"`  // answering without the duty (R13)
	SpoolWaiting  int               `json:"spool_waiting"` // records on this disk alone
	SpoolStands   bool              `json:"spool_stands"`  // … and none was stored for a while
	CallsOffered  int64             `json:"calls_offered"` // since its start
	CallsAnswered int64             `json:"calls_answered"`
	CallsRefused  int64             `json:"calls_refused"`
	Doing         releve.Sentence   `json:"doing"`   // what it is about to reach, "" when at rest
	Witness       bool              `json:"witness"` // the witness answers it
	Levels        []releve.LevelFit `json:"levels,omitempty"`
	Version       releve.Version    `json:"version,omitzero"`
	Copied        time.Time         `json:"copied,omitzero"`      // at level backup: as of when its copy is, zero: not known, or it has none
	SinceCopy     int               `json:"since_copy,omitempty"` // at level backup: calls that only this server's database holds
	Outlets       []releve.Outlet   `json:"outlets,omitempty"`    // by which it sends alarms
	Lines         []releve.Line     `json:"lines,omitempty"`      // its analogue lines, as it has them
}

// MirrorState is how the copy of the database is.
type MirrorState string

// The states of the mirror.
const (
	MirrorInSync     MirrorState = "in-sync"
	MirrorCatchingUp MirrorState = "catching-up"
	MirrorCloning    MirrorState = "cloning"
	MirrorAway       MirrorState = "away"
	MirrorNone       MirrorState = "none" // the level has none
	MirrorCopy       MirrorState = "copy" // at rest: what it holds is as of its server's Copied
)

// Mirror is the copy and its distance.
type Mirror struct {
	State     MirrorState      `json:"state"`
	Bytes     int64            `json:"bytes"`      // owner's position minus mirror's flushed position
	Seconds   float64          `json:"seconds"`    // age of the oldest commit not yet there
	LostCalls int              `json:"lost_calls"` // call records that a failure now would lose
	Progress  *releve.Progress `json:"progress,omitempty"`

	VerifiedAt  time.Time `json:"verified_at,omitzero"` // when this copy was last compared whole, row by row
	Differences int       `json:"differences"`          // what was found then
}

// PBX is what this server knows of the establishment's switch.
type PBX struct {
	Address   string    `json:"address"`
	Heard     bool      `json:"heard"`
	HeardAt   time.Time `json:"heard_at"`
	Reception string    `json:"reception"` // the published number
}

// Event is one line of what happened lately.
type Event struct {
	At       time.Time       `json:"at"`
	Seat     releve.Seat     `json:"seat"`
	Term     releve.Term     `json:"term"`
	Severity releve.Severity `json:"severity"`
	What     releve.Sentence `json:"what"`
	Call     releve.CallID   `json:"call,omitempty"`
}

// Procedure is a guided procedure while it runs, and the last one afterwards.
type Procedure struct {
	ID       string            `json:"id"`
	Name     string            `json:"name"` // return, switchover …
	DryRun   bool              `json:"dry_run"`
	Started  time.Time         `json:"started"`
	Finished time.Time         `json:"finished"`        // zero while it runs
	Costs    []releve.Sentence `json:"costs,omitempty"` // what it may cost, in numbers, before it begins
	Needs    []Need            `json:"needs,omitempty"` // what it asks for
	Steps    []ProcedureStep   `json:"steps"`
	Failed   *releve.Sentence  `json:"failed,omitempty"`
	Next     *releve.Sentence  `json:"next,omitempty"` // what is left to do by hand
	Firm     bool              `json:"firm,omitempty"` // the step that runs is not taken back: nobody can abort there
	Lost     bool              `json:"lost,omitempty"` // the server that leads it is not heard: this is what it said last
}

// Need is something that a procedure asks for.
type Need struct {
	What releve.Sentence `json:"what"`
	Met  bool            `json:"met"`
	Is   releve.Sentence `json:"is"` // what there is of it, or that it is not there
}

// Runs says that it has not come to its end; nil is none, and does not run.
func (p *Procedure) Runs() bool { return p != nil && p.Finished.IsZero() && !p.Lost }

// ProcedureStep is one step with its times and what it found.
type ProcedureStep struct {
	What     releve.Sentence  `json:"what"`
	State    string           `json:"state"` // waiting, running, done, skipped, failed
	Started  time.Time        `json:"started"`
	Finished time.Time        `json:"finished"`
	Found    *releve.Sentence `json:"found,omitempty"`
	Progress *releve.Progress `json:"progress,omitempty"`
	Expected time.Duration    `json:"expected_ns,omitempty"` // what it took before, of one that is to be done; 0: not known

	Findings []releve.Sentence `json:"findings,omitempty"` // what is wrong, found by a verification
}

// Expected is how long the whole took before, as far as it is to be done; 0: not known.
func (p *Procedure) Expected() (lasts time.Duration) {
	for _, s := range p.Steps {
		lasts += s.Expected
	}
	return lasts
}

// Left is how much of that is left; 0 where it is not known, or is over and the procedure is not.
func (p *Procedure) Left(now time.Time) (left time.Duration) {
	for _, s := range p.Steps {
		switch s.State {
		case "waiting":
			left += s.Expected
		case "running":
			left += max(0, s.Expected-now.Sub(s.Started))
		}
	}
	return left
}
