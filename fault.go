package releve

import (
	"fmt"
	"maps"
)

// Fault is an error that people read in their own language: what is wrong and the way
// out. Its Error is for logs.
type Fault struct {
	Cause error // what the room that found it fails with, for errors.Is
	Why   Sentence
}

func (f *Fault) Error() string { return fmt.Sprintf("%v (%s %v)", f.Cause, f.Why.Code, f.Why.Args) }

func (f *Fault) Unwrap() error { return f.Cause }

// With is the fault with values that only its caller knows, in pairs of name and value.
func (f *Fault) With(pairs ...string) *Fault {
	more := Say(f.Why.Code, pairs...)
	maps.Copy(more.Args, f.Why.Args)
	return &Fault{Cause: f.Cause, Why: more}
}
