package calls

import (
	"context"

	"releve/rules/takeover"

	"releve"
)

// Duty is who decides about the duty. Calls ask, and never decide.
type Duty interface {
	// Stance is how this server stands towards calls, and in which term. It returns at once.
	Stance() (takeover.StanceKind, releve.Term)
	// Verify returns when the verdict that this call asks for is known (SPEC H2 to
	// H5). The end of ctx ends the wait of this call, not the verification (H3).
	Verify(ctx context.Context, o Offer) releve.Decision
	// Unsure says that this server, which was on duty, cannot know now whether it still is: it slept (SPEC H10).
	Unsure() bool
}

// elsewhere refuses a call on the reception binding of a server that is not on
// duty: with 480 a PBX lets it overflow.
const elsewhere = 480

// admit is the whole table of stances: what becomes of a call, or that it is to
// be verified first. A server without the duty also answers what still reaches
// its reception binding: the other server has just been given the duty, and the
// PBX has not noticed (RULES R13).
func (p Profile) admit(s takeover.StanceKind, o Offer) (d releve.Decision, verify bool) {
	switch {
	case s == takeover.OnDuty:
		return releve.Decision{Answer: true, Why: "on duty"}, false
	case s == takeover.NoDuty && (o.Binding == Reception || o.Overflowed):
		return releve.Decision{Answer: true, WithoutDuty: true, Why: "answering without the duty"}, false
	case s == takeover.Verifying && o.Overflowed, s == takeover.VerifyingAll && (o.Binding == Reception || o.Overflowed):
		return releve.Decision{}, true
	case o.Binding == Reception:
		return releve.Decision{Code: elsewhere, Why: "not on duty: the PBX is to let it overflow"}, false
	case s == takeover.Closed:
		return releve.Decision{Code: p.RefusalCode, Why: "takes no calls now"}, false
	}
	return releve.Decision{Code: p.RefusalCode, Why: "dialled the standby's own number"}, false
}
