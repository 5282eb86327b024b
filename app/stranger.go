package app

import (
	"context"
	"errors"
	"maps"

	"releve"

	"releve/adapters/peer"
	"releve/doors/identity"
	"releve/server/agent"
)

// watchedLink is the link with a word to the operator when it is not the other server
// of this site that answers, or when the other does not take this one for its own: a
// certificate that expired, an address that is another site's. Silence would look like
// a dead server.
type watchedLink struct {
	link
	explain func(severity string, what releve.Sentence)
	said    *releve.Sentence // the last, until an exchange goes well; of the one watcher that exchanges
}

// Exchange is called by one goroutine.
func (l *watchedLink) Exchange(ctx context.Context, m agent.Message) (agent.Message, error) {
	heard, err := l.link.Exchange(ctx, m)
	l.note(err)
	return heard, err
}

func (l *watchedLink) note(err error) {
	strange, ok := errors.AsType[*peer.Error](err)
	switch {
	case err == nil && l.said != nil:
		l.said = nil
		l.explain("cleared", releve.Say("event-other-known"))
	case ok && strange.Kind == peer.Foreign:
		what := strangeness(strange)
		if l.said == nil || l.said.Code != what.Code || !maps.Equal(l.said.Args, what.Args) {
			l.said = &what
			l.explain("major", what)
		}
	}
}

// strangeness says who refuses whom, and why. What is wrong with a certificate comes
// as the argument "fault", with its own arguments beside it.
func strangeness(e *peer.Error) releve.Sentence {
	code := "event-other-refused"
	if !errors.Is(e.Err, identity.ErrNotAccepted) {
		code = "event-other-refuses"
	}
	if e.Why.Code == "peer."+string(peer.Foreign) {
		return releve.Say("event-other-stranger", "address", e.Other.String(), "cause", releve.Reason(e.Err))
	}
	what := releve.Say(code, "address", e.Other.String(), "fault", e.Why.Code)
	maps.Copy(what.Args, e.Why.Args)
	return what
}
