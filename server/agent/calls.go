package agent

import (
	"context"
	"slices"

	"releve"
	"releve/rules/takeover"
)

// offer is a call that waits. A PBX may offer the same Call-ID twice, so an offer
// is known by itself and not by its call.
type offer struct {
	call   releve.CallID
	reason releve.OverflowReason
	own    bool // made by this server, and given back by the PBX
	reply  chan releve.Decision
}

// Stance is what a call may do now. It is a snapshot: a process that was stopped
// finds it expired, and asks before it answers (H10).
func (f *Front) Stance() (takeover.StanceKind, releve.Term) {
	s := f.snapshot.Load()
	stance := s.Stance()
	if stance == takeover.OnDuty && !s.Vote && f.Now()-s.Now > asleep {
		stance = takeover.VerifyingAll
	}
	return stance, s.Term
}

// Unsure says that this server was on duty and cannot know now whether it is: it slept, and has neither heard
// the other since nor seen its own binding (H10). The same as [Front.Stance], of calls in progress.
func (f *Front) Unsure() bool {
	s := f.snapshot.Load()
	return s.Suspended || s.Stance() == takeover.OnDuty && !s.Vote && f.Now()-s.Now > asleep
}

// Verify waits for the verdict on the other server. When ctx ends, the caller hung up: the
// verification goes on without him (H3). own says that this server made the call itself, and
// that the PBX gave it back.
func (f *Front) Verify(ctx context.Context, call releve.CallID, reason releve.OverflowReason, own bool) releve.Decision {
	o := &offer{call, reason, own, make(chan releve.Decision, 1)}
	refused := releve.Decision{Code: f.Refusal}
	select {
	case f.offers <- o:
	case <-ctx.Done():
		return refused
	}
	select {
	case d := <-o.reply:
		return d
	case <-ctx.Done():
		select {
		case f.gone <- o:
		default: // the queue is as long as that of the offers: it has room unless the agent has ended
		}
		return refused
	}
}

func (a *Agent) admit(o *offer) takeover.Event {
	a.waiting = append(a.waiting, o)
	return takeover.Event{Overflow: &takeover.Overflow{Call: o.call, Reason: o.reason, Own: o.own}}
}

// leave takes out an offer whose caller hung up, and says whether it still waited.
func (a *Agent) leave(o *offer) bool {
	i := slices.Index(a.waiting, o)
	if i >= 0 {
		a.waiting = slices.Delete(a.waiting, i, i+1)
	}
	return i >= 0
}

// decide answers all that wait, or of one call the offer that came last.
func (a *Agent) decide(call releve.CallID, d releve.Decision) {
	for i := len(a.waiting) - 1; i >= 0; i-- {
		o := a.waiting[i]
		if call != "" && o.call != call {
			continue
		}
		o.reply <- d
		a.waiting = slices.Delete(a.waiting, i, i+1)
		if call != "" {
			return
		}
	}
}

// MayRegister says whether this server may bind the reception user now. Before
// each refresh it must know that it is still on duty: it holds the vote, or has
// heard the other, or the PBX still shows its own binding, or none at all.
func (f *Front) MayRegister(own, anyBinding bool) bool {
	s := f.snapshot.Load()
	if f.Now()-s.Now > asleep || !s.Users().Reception {
		return false
	}
	heard := s.OtherAt > 0 && f.Now()-s.OtherAt < asleep
	return own || !anyBinding || s.MayDisplace(heard)
}

// MayStandBy says whether this server may bind the standby user now. What an earlier life
// had is kept, and not taken: the user may be the other's.
func (f *Front) MayStandBy(own, _ bool) bool {
	s := f.snapshot.Load()
	return f.Now()-s.Now <= asleep && s.Users().Standby && (own || !s.OnlyKeepsStandby())
}

// callersTier is how this server reaches callers: its calls, the PBX, and the users bound there.
func (a *Agent) callersTier(m takeover.Machine) releve.Tier {
	voice, bound := a.parts.Voice.Well(), a.parts.Telephone.Bound()
	switch {
	case mute(m, m.Seat):
		return releve.Tier{State: releve.TierNone}
	case voice != nil:
		return releve.Tier{State: releve.TierDown, Why: releve.Say("tier-voice-down", "why", releve.Reason(voice))}
	case !m.PBX.Heard:
		return releve.Tier{State: releve.TierDown, Why: releve.Say("tier-pbx-silent", "pbx", a.parts.Site.PBX)}
	case m.Users().Reception && !bound.Reception:
		return releve.Tier{State: releve.TierDegraded, Why: releve.Say("tier-not-registered", "user", a.parts.Site.Reached)}
	case m.Users().Standby && a.parts.Site.StandbyUser != "" && !bound.Standby:
		return releve.Tier{State: releve.TierDegraded, Why: releve.Say("tier-standby-not-registered", "user", a.parts.Site.StandbyUser)}
	}
	return releve.Tier{State: releve.TierWell}
}
