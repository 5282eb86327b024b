package agent

import (
	"context"
	"crypto/rand"
	"releve"
	"sync"
	"time"

	"releve/rules/takeover"
)

// peerAhead is how long the watch waits for the peer link alone before it asks
// over the other paths too: on a well site they are never needed. A call asks over
// all of them at once.
const peerAhead = 50 * time.Millisecond

// check is one round: the other is asked over every path at once, while the PBX
// is asked as the control (H4, R16). The first answer that proves the other well
// ends it, and what was cut short by that is no evidence; otherwise it lasts until
// every path has answered or the limit is reached.
func (a *Agent) check(parent context.Context, m takeover.Machine) {
	ctx, cancel := context.WithTimeout(parent, m.Settings.Limit)
	defer cancel()
	r := takeover.Round{Term: m.Term, Began: a.Now(), Limit: m.Settings.Limit, Own: m.Own}
	question := releve.CheckQuestion{Term: m.Term, Call: m.Waiters > 0}
	ahead := peerAhead
	if question.Call {
		ahead = 0
	}

	var mu sync.Mutex
	var paths sync.WaitGroup
	ask := func(path string, f func(context.Context, releve.CheckQuestion) (takeover.Reply, error)) {
		paths.Go(func() {
			reply, err := f(ctx, question)
			if err != nil {
				reply = takeover.Reply{Why: releve.Reason(err)}
			}
			reply.Path = path
			answered := a.Now()
			mu.Lock()
			defer mu.Unlock()
			if !proves(r) {
				r.Replies, r.Ended = append(r.Replies, reply), answered
			}
			if proves(r) {
				cancel()
			}
		})
	}
	if question.Call {
		ask("peer", a.parts.Link.Check) // nothing beside what the caller waits for
	} else {
		ask("peer", a.checkAndTell(parent))
	}
	if pause(ctx, ahead, nil) {
		ask("sip", a.parts.Telephone.CheckOther)
		paths.Go(func() {
			err := a.parts.Telephone.Options(ctx)
			mu.Lock()
			r.Control = err == nil
			mu.Unlock()
		})
	}
	paths.Wait()
	r.Ended = a.Now()
	a.send(parent, takeover.Event{Round: &r})
}

// checkAndTell is a question over the link that carries both words as an exchange does: a
// standby asks several times a second anyway.
func (a *Agent) checkAndTell(ctx context.Context) func(context.Context, releve.CheckQuestion) (takeover.Reply, error) {
	return func(limit context.Context, q releve.CheckQuestion) (takeover.Reply, error) {
		own, asked := a.Message(), a.Now()
		return a.parts.Link.CheckAndTell(limit, q, own, func(m Message) {
			a.bring(asked + broughtLasts)
			a.hear(ctx, m, asked)
		})
	}
}

// probeLimit is the longest that a PBX lets a call wait for a silent server before
// it overflows (64*T1 of RFC 3261 §17.1.1.2), and the time to answer it.
const probeLimit = 40 * time.Second

// probe calls the reception as any caller would. What comes of it comes by the
// PBX: the call overflows to this server, or the other answers it after all (H8).
func (a *Agent) probe(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	call, err := a.parts.Telephone.TestCall(ctx, rand.Text(), false)
	a.send(a.life, takeover.Event{OwnEnd: &takeover.OwnEnd{Answered: err == nil}})
	if err != nil {
		a.Explain(releve.Say("event-own-call-failed", "number", a.parts.Site.Reception, "cause", releve.Reason(err)))
		return
	}
	a.Explain(releve.Say("event-own-call", "number", a.parts.Site.Reception, "by", call.AnsweredBy,
		"answered", call.AnsweredAfter.Round(time.Millisecond).String()))
}

// proves says that a round needs no further answer.
func proves(r takeover.Round) bool { return r.Judge() == takeover.Good }

// CheckMe answers the other's question: can this server take a call? It says yes
// only if the PBX answered something that was sent after the question (H4).
func (a *Agent) CheckMe(ctx context.Context, q releve.CheckQuestion) takeover.Reply {
	a.settle(ctx)
	s := a.snapshot.Load()
	load := a.parts.Voice.Load()
	reply := takeover.Reply{
		Heard: true, Term: s.Term, Busy: load.Busy >= load.Channels, LastInvite: -1,
		Registered: a.parts.Telephone.Bound().Reception,
	}
	if !load.LastInvite.IsZero() {
		reply.LastInvite = time.Since(load.LastInvite)
	}
	stance, _ := a.Stance()
	switch {
	case stance != takeover.OnDuty:
		reply.Why = releve.Reason(offDuty(s.Phase))
		return reply
	case a.parts.Voice.Well() != nil:
		reply.Why = releve.Reason(a.parts.Voice.Well())
		return reply
	}
	if err := a.reach(ctx, q, &reply); err != nil {
		reply.Why = releve.Reason(releve.Because(err, "the PBX did not answer", "cause-pbx-silent"))
		return reply
	}
	if !reply.Registered {
		a.parts.Telephone.RegisterNow()
	}
	reply.Well = true
	return reply
}

// offDuty is what a server is that is not on duty. One that had it when it slept does not know
// whether it still has.
func offDuty(phase takeover.Phase) error {
	if phase == takeover.Serving || phase == takeover.Promoting {
		phase = takeover.Unconfirmed
	}
	return releve.Known("not on duty: "+string(phase), "phase-"+string(phase))
}

// settle waits, in a server that woke up this moment, until it knows whether it is still on
// duty: its own question to the other is on its way, and no is no answer yet (H10).
func (a *Agent) settle(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, a.Settings.Limit)
	defer cancel()
	a.until(ctx, func(m takeover.Machine) bool {
		stance, _ := a.Stance()
		return stance != takeover.VerifyingAll || m.Phase != takeover.Serving && m.Phase != takeover.Promoting
	})
}

// reach proves the way to the PBX. While a call waits, the proof is the binding
// itself, for a PBX that restarted has forgotten it and still answers OPTIONS.
func (a *Agent) reach(ctx context.Context, q releve.CheckQuestion, reply *takeover.Reply) error {
	if !q.Call {
		asked := a.Now()
		err := a.parts.Telephone.Options(ctx)
		if err == nil {
			a.pbxHeard.Store(int64(asked))
		}
		return err
	}
	there, _, err := a.parts.Telephone.BindingThere(ctx)
	if err != nil {
		return a.parts.Telephone.Options(ctx)
	}
	reply.Registered = there
	return nil
}
