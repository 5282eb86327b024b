package agent

import (
	"context"

	"releve/rules/takeover"
)

// Absent is the telephone and the calls of a server that has none: it says why to whoever
// asks. No PBX is heard, so that nothing is ever concluded from one; calls that are not
// there are not ill.
type Absent struct{ Why error }

// Options implements [Telephone], as the others do.
func (a Absent) Options(context.Context) error { return a.Why }

// CheckOther is not possible.
func (a Absent) CheckOther(context.Context, CheckQuestion) (takeover.Reply, error) {
	return takeover.Reply{}, a.Why
}

// Keep is never asked to keep one: the table wants no user at this level.
func (Absent) Keep(takeover.Users) {}

// Bound is nobody.
func (Absent) Bound() takeover.Users { return takeover.Users{} }

// RegisterNow does nothing.
func (Absent) RegisterNow() {}

// BindingThere is not known.
func (a Absent) BindingThere(context.Context) (bool, error) { return false, a.Why }

// TestCall is not possible.
func (a Absent) TestCall(context.Context, string, bool) (TestCall, error) { return TestCall{}, a.Why }

// Drop implements [Voice], as the others do.
func (Absent) Drop() {}

// Well is always so.
func (Absent) Well() error { return nil }

// Load is none.
func (Absent) Load() Load { return Load{} }
