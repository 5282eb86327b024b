package view

import (
	"time"

	"releve"
)

// Licences are what a site may run, beside what it runs (SPEC L1).
type Licences struct {
	At            time.Time         `json:"at"`                   // by the clock that counts for licences
	Running       releve.Level      `json:"running"`              // what the site runs
	Channels      int               `json:"channels"`             // of this server's configuration
	Licensed      []releve.Level    `json:"licensed"`             // the levels that the site may run
	ForChannels   int               `json:"licensed_channels"`    // at the level that runs; 0: that level is not licensed
	Until         time.Time         `json:"until,omitzero"`       // when the level that runs is licensed no more; zero: not in sight
	FallsBack     *FallBack         `json:"falls_back,omitempty"` // where it is not licensed
	Demonstration bool              `json:"demonstration"`        // what holds is for a demonstration, and nothing else
	Notices       []releve.Sentence `json:"notices,omitempty"`    // what people have to know of it, the gravest first
	All           []Licence         `json:"licences"`
	Shared        bool              `json:"shared"` // the other server has said that it holds the same
	Levels        []Cleared         `json:"levels"` // what each level asks for, and what there is of it
	Study         *Adopted          `json:"study,omitempty"`
}

// Cleared is what has to be there before a level, as it stands (SPEC V1).
type Cleared struct {
	Level   releve.Level `json:"level"`
	Licence Paper        `json:"licence"`
	Study   Paper        `json:"study"`
}

// Paper is something that a level asks for.
type Paper struct {
	There bool            `json:"there"`
	What  releve.Sentence `json:"what"` // it is, or why it is not there
}

// Adopted is the study that a site adopted.
type Adopted struct {
	At            time.Time               `json:"at"` // it was made
	Establishment string                  `json:"establishment"`
	Integrator    string                  `json:"integrator"`
	Signed        []releve.StudySignature `json:"signed"`
	Feasible      []releve.Level          `json:"feasible"`
	Adopted       time.Time               `json:"adopted"`
}

// Adoption is what came of a study that was to be adopted.
type Adoption struct {
	Refused *releve.Sentence `json:"refused,omitempty"` // why nothing was changed
	DryRun  bool             `json:"dry_run"`
	After   Licences         `json:"after"` // as the site stands then
}

// Installing is how a licence is to be installed.
type Installing struct {
	DryRun       bool
	WithoutStudy string // the name of who answers for that; "": nobody does
}

// FallBack is what is to become of a level that is not licensed.
type FallBack struct {
	To  releve.Level `json:"to"`
	At  time.Time    `json:"at"`
	Due bool         `json:"due"` // that moment has come
}

// Licence is one of them.
type Licence struct {
	ID       string          `json:"id"` // of its text
	Serial   string          `json:"serial"`
	Issuer   string          `json:"issuer"`
	Site     string          `json:"site"`
	IssuedTo string          `json:"issued_to"`
	Level    releve.Level    `json:"level"`
	Channels int             `json:"channels"`
	From     string          `json:"from"`            // its first day
	Until    string          `json:"until,omitempty"` // its last day, "" where it has none
	Issued   time.Time       `json:"issued"`
	Replaces []string        `json:"replaces,omitempty"`
	State    string          `json:"state"` // holds, future, expired, replaced, contradicts
	Why      releve.Sentence `json:"why"`   // nothing where it holds
}

// Installed is what came of a licence that was to be installed.
type Installed struct {
	Licence *Licence         `json:"licence,omitempty"`
	Refused *releve.Sentence `json:"refused,omitempty"` // why nothing was changed
	Already bool             `json:"already"`           // it was there before
	DryRun  bool             `json:"dry_run"`
	After   Licences         `json:"after"` // as the site stands then
}
