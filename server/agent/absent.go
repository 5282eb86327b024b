package agent

import (
	"context"
	"errors"

	"releve"
	"releve/rules/takeover"
)

// errOwner is the cause for logs.
var errOwner = errors.New("this server was last on duty and has no telephone at level mirroring")

// CheckJournal says why a server cannot go on from its journal. One that was last on duty
// cannot be without a telephone: nobody else may answer in its term.
func CheckJournal(j Journal, absent bool) error {
	d, known, err := j.Load()
	if err == nil && absent && known && d.Owns() {
		err = &releve.Fault{Cause: errOwner, Why: releve.Say("level-on-duty", "seat", string(d.Seat))}
	}
	return err
}

// Absent is the telephone and the calls of a server that has none: it says why to whoever
// asks. No PBX is heard, so that nothing is ever concluded from one; calls that are not
// there are not ill.
type Absent struct{ Why error }

// Options implements [Telephone], as the others do.
func (a Absent) Options(context.Context) error { return a.Why }

// CheckOther is not possible.
func (a Absent) CheckOther(context.Context, releve.CheckQuestion) (takeover.Reply, error) {
	return takeover.Reply{}, a.Why
}

// Keep is never asked to keep one: the table wants no user at this level.
func (Absent) Keep(takeover.Users) {}

// Bound is nobody.
func (Absent) Bound() takeover.Users { return takeover.Users{} }

// RegisterNow does nothing.
func (Absent) RegisterNow() {}

// BindingThere is not known.
func (a Absent) BindingThere(context.Context) (bool, takeover.Shown, error) {
	return false, takeover.Shown{}, a.Why
}

// State is closed, and nothing of it was ever at the PBX.
func (a Absent) State() takeover.Line { return takeover.Line{Closed: true, Gone: true} }

// Theirs is not known.
func (a Absent) Theirs(context.Context) (takeover.Shown, error) { return takeover.Shown{}, a.Why }

// TestCall is not possible.
func (a Absent) TestCall(context.Context, string, bool) (releve.TestCall, error) {
	return releve.TestCall{}, a.Why
}

// Cede implements [Voice], as the others do.
func (Absent) Cede(string) {}

// Well is always so.
func (Absent) Well() error { return nil }

// Load is none.
func (Absent) Load() releve.Load { return releve.Load{} }
