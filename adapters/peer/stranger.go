package peer

import (
	"errors"
	"maps"

	"releve"
	"releve/doors/identity"
)

// Acquaintance tells the operator when it is not the other server of this site that answers,
// or when the other does not take this one for its own: a certificate that expired, an
// address that is another site's. Silence would look like a dead server. It is for one
// goroutine.
type Acquaintance struct {
	explain func(what releve.Sentence)
	said    *releve.Sentence // the last, until an exchange goes well
}

// NewAcquaintance makes one.
func NewAcquaintance(explain func(what releve.Sentence)) *Acquaintance {
	return &Acquaintance{explain: explain}
}

// Note takes in how an exchange ended.
func (a *Acquaintance) Note(err error) {
	strange, ok := errors.AsType[*Error](err)
	switch {
	case err == nil && a.said != nil:
		a.said = nil
		a.explain(releve.Say("event-other-known"))
	case ok && strange.Kind == Foreign:
		what := strangeness(strange)
		if a.said == nil || a.said.Code != what.Code || !maps.Equal(a.said.Args, what.Args) {
			a.said = &what
			a.explain(what)
		}
	}
}

// strangeness says who refuses whom, and why. What is wrong with a certificate comes
// as the argument "fault", with its own arguments beside it.
func strangeness(e *Error) releve.Sentence {
	code := "event-other-refused"
	if !errors.Is(e.Err, identity.ErrNotAccepted) {
		code = "event-other-refuses"
	}
	if e.Why.Code == "peer."+string(Foreign) {
		return releve.Say("event-other-stranger", "address", e.Other.String(), "cause", releve.Reason(e.Err))
	}
	what := releve.Say(code, "address", e.Other.String(), "fault", e.Why.Code)
	maps.Copy(what.Args, e.Why.Args)
	return what
}
