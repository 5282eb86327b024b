package view

import (
	"time"

	"releve"
)

// Offer is a procedure as somebody is about to choose it.
type Offer struct {
	Name     string            `json:"name"`
	Target   releve.Seat       `json:"target"`
	Why      []releve.Sentence `json:"why,omitempty"` // what forbids it now
	Expected time.Duration     `json:"expected_ns,omitempty"`
	Already  bool              `json:"already"` // all that it is for is so
	Noticed  bool              `json:"noticed"` // callers could notice it, if it does not go as it should
	// Words that it takes of an operator: that the other server is off, his name, the other server's own word, and
	// that he answers for a level without a study.
	Off     bool `json:"off"`
	MayOff  bool `json:"may_off"` // … it may be said, and then something else is meant
	Named   bool `json:"named"`
	Carried bool `json:"carried"`
	Vouched bool `json:"vouched"`
}

// Run is a procedure that somebody ordered, as both servers remember it.
type Run struct {
	Procedure Procedure       `json:"procedure"`
	Seat      releve.Seat     `json:"seat"` // the server that led it
	By        string          `json:"by"`
	What      releve.Sentence `json:"what"`     // with which words
	Revision  int             `json:"revision"` // counts what its leader wrote of it
}

// Sentence is what the diaries have of a wish: which procedure, and with which words.
func (w Wish) Sentence() releve.Sentence {
	args := []string{"procedure", w.Name}
	for word, given := range map[string]bool{"off": w.OtherIsOff, "brought": w.Abdication != nil, "rehearsed": w.DryRun} {
		if given {
			args = append(args, word, "true")
		}
	}
	if w.WithoutStudy != "" {
		args = append(args, "vouched", w.WithoutStudy)
	}
	return releve.Say("order-procedure", args...)
}
