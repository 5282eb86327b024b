package calls

import (
	"context"

	"releve"
)

// StanceKind is how a server stands towards calls.
type StanceKind int

// The stances. The zero value takes no call.
const (
	Closed      StanceKind = iota // fenced, or not ready: refuse all
	Passive                       // verify the overflowed, refuse the rest (SPEC H2)
	Unsure                        // verify the reception's calls too: the duty may be this server's
	WithoutDuty                   // answer from memory, into the spool (RULES R13)
	OnDuty                        // answer all
)

// Stance is how a server stands towards calls, and in which term.
type Stance struct {
	Kind StanceKind
	Term releve.Term
}

// Duty is who decides about the duty. Calls ask, and never decide.
type Duty interface {
	// Stance returns at once.
	Stance() Stance
	// Verify returns when the verdict that this call asks for is known (SPEC H2 to
	// H5). The end of ctx ends the wait of this call, not the verification (H3).
	Verify(ctx context.Context, o Offer) Decision
}

// Decision is what becomes of a call after a verification.
type Decision struct {
	Answer      bool
	Code        int    // of the refusal; 0: the one of the call's binding
	WithoutDuty bool   // answer without the duty (RULES R13)
	Took        bool   // the verification of this call led to the takeover
	Why         string // for the log
}

// elsewhere refuses a call on the reception binding of a server that is not on
// duty: with 480 a PBX lets it overflow.
const elsewhere = 480

// admit is the whole table of stances: what becomes of a call, or that it is to
// be verified first. A server without the duty also answers what still reaches
// its reception binding: the other server has just been given the duty, and the
// PBX has not noticed (RULES R13).
func (p Profile) admit(s StanceKind, o Offer) (d Decision, verify bool) {
	switch {
	case s == OnDuty:
		return Decision{Answer: true, Why: "on duty"}, false
	case s == WithoutDuty && (o.Binding == Reception || o.Overflowed):
		return Decision{Answer: true, WithoutDuty: true, Why: "answering without the duty"}, false
	case s == Passive && o.Overflowed, s == Unsure && (o.Binding == Reception || o.Overflowed):
		return Decision{}, true
	case o.Binding == Reception:
		return Decision{Code: elsewhere, Why: "not on duty: the PBX is to let it overflow"}, false
	case s == Closed:
		return Decision{Code: p.RefusalCode, Why: "takes no calls now"}, false
	}
	return Decision{Code: p.RefusalCode, Why: "dialled the standby's own number"}, false
}
