package agent

import (
	"context"

	"releve"
	"releve/takeover"
)

// Decision is what becomes of a call that waited for a verdict.
type Decision struct {
	Answer      bool
	WithoutDuty bool
	Took        bool // this call's verification led to the takeover
	Code        int  // of the refusal
}

type offer struct {
	call   releve.CallID
	reason releve.OverflowReason
	reply  chan<- Decision
}

// Stance is what a call may do now. It is a snapshot: a process that was stopped
// finds it expired, and asks before it answers (H10).
func (a *Agent) Stance() (takeover.StanceKind, releve.Term) {
	s := a.snapshot.Load()
	stance := s.Stance()
	if stance == takeover.OnDuty && !s.Vote && a.Now()-s.at > asleep {
		stance = takeover.VerifyingAll
	}
	return stance, s.Term
}

// Verify waits for the verdict on the other server. When ctx ends, the caller
// hung up: the verification goes on without him (H3).
func (a *Agent) Verify(ctx context.Context, call releve.CallID, reason releve.OverflowReason) Decision {
	reply := make(chan Decision, 1)
	refused := Decision{Code: a.Refusal}
	select {
	case a.offers <- offer{call, reason, reply}:
	case <-ctx.Done():
		return refused
	}
	select {
	case d := <-reply:
		return d
	case <-ctx.Done():
		select {
		case a.gone <- call:
		default: // the queue is as long as that of the offers: it has room unless the agent has ended
		}
		return refused
	}
}

func (a *Agent) admit(o offer) takeover.Event {
	a.waiting[o.call] = o.reply
	return takeover.Event{Overflow: &takeover.Overflow{Call: o.call, Reason: o.reason}}
}

// decide answers one waiting call, or all of them when call is "".
func (a *Agent) decide(call releve.CallID, d Decision) {
	for id, reply := range a.waiting {
		if call == "" || id == call {
			reply <- d
			delete(a.waiting, id)
		}
	}
}

// MayRegister says whether this server may bind the reception user now. Before
// each refresh it must know that it is still on duty: it holds the vote, or has
// heard the other, or the PBX still shows its own binding, or none at all.
func (a *Agent) MayRegister(own, anyBinding bool) bool {
	s := a.snapshot.Load()
	if a.Now()-s.at > asleep || !s.Users().Reception {
		return false
	}
	heard := s.OtherAt > 0 && a.Now()-s.OtherAt < asleep
	return s.Vote || heard || own || !anyBinding
}

// MayStandBy says whether this server may bind the standby user now.
func (a *Agent) MayStandBy(_, _ bool) bool {
	s := a.snapshot.Load()
	return a.Now()-s.at <= asleep && s.Users().Standby
}
