package agent

import (
	"context"
	"errors"

	"releve"
	"releve/rules/takeover"
)

// errNoMirror: only a mirror has a vote to give back.
var errNoMirror = releve.Refused(releve.ErrNoVote,
	"this server is on duty or has no copy: it has no vote to give back, `releve status` shows who holds it")

// Abdicate gives this mirror's vote back, on its own disk first, and returns the word
// that says so: carried to the other server, it lets that one go on alone (R3). One that
// has no vote any more says so again; one that asked the witness cannot any more.
func (a *Agent) Abdicate(ctx context.Context) (takeover.Return, error) {
	if m := a.Machine(); !m.Known || m.Owns() || m.Number == 0 {
		return takeover.Return{}, errNoMirror
	}
	a.send(ctx, takeover.Event{Command: takeover.Abdicate})
	gave := func(m takeover.Machine) bool { return !m.Owns() && !m.Holds() }
	if !a.until(ctx, gave) {
		err := context.Cause(ctx)
		if errors.Is(err, context.DeadlineExceeded) && a.Machine().Witnessed() {
			err = releve.ErrVoteAsked
		}
		return takeover.Return{}, err
	}
	m := a.Machine()
	return takeover.Return{Seat: m.Seat, Term: m.Term, Number: m.Abdicated}, nil
}

// Carry takes in the other's word that it gave the vote back, whose signature was
// verified. A word that is too old changes nothing.
func (a *Agent) Carry(ctx context.Context, r takeover.Return) {
	a.send(ctx, takeover.Event{Returned: &r})
}
