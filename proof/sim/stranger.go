package sim

import (
	"fmt"
	"time"

	"releve"
)

// The mark of what was added to the world later: its dice are apart, so that seeds go on
// telling the stories that they told.
const later = 0x51a6e2

// A stranger stands in so many stories once, and in half of those nobody else calls.
const strangerOnce = 6

// stranger is who sends packets that nobody has to believe (K3).
type stranger struct {
	die
	there bool
	alone bool // no caller calls, so that a main that is well sees no INVITE for long
}

func newStranger(seed uint64) stranger {
	d := newDice(seed^later).of("", ofFate)
	return stranger{die: d, there: d.one(strangerOnce), alone: d.one(2)}
}

// strangers go on as long as callers do, through all that goes wrong and after it.
func (s *site) strangers() {
	d := s.stranger.die
	s.change(func() { s.note("", "A stranger forges calls that the PBX is said to have sent on.") })
	both := d.one(3) // else the secondary alone: what the main sees of a stranger speaks for it
	pause := d.between(100*time.Millisecond, 3*time.Second)
	for n := 1; sleep(s.calling, d.between(pause/2, pause)); n++ {
		v, why := s.at(releve.Secondary), reasons[d.below(len(reasons))]
		if both && d.one(2) {
			v = s.at(releve.Main)
		}
		c := &caller{site: s, id: releve.CallID(fmt.Sprintf("forged-%d@nowhere", n)), die: d.die()}
		s.work.Go(func() { c.forges(v, why) })
	}
}

var reasons = []releve.OverflowReason{
	releve.ReasonNoAnswer, releve.ReasonNoAnswer, releve.ReasonNoAnswer,
	releve.ReasonUnavailable, releve.ReasonBusy, releve.ReasonUnknown,
}

// forges sends one INVITE to a server, past the PBX. Whatever comes of it, nobody
// acknowledges it, and after a while he takes it back.
func (c *caller) forges(v *server, why releve.OverflowReason) {
	p := v.process()
	if p == nil || v.paused() {
		return
	}
	in := newIncoming(p, c)
	in.invite = releve.Invite{
		Call: c.id, From: "1", To: receptionNumber, Target: standbyUser, ReceivedAt: time.Now(),
		Diversion: []releve.Diversion{{User: receptionUser, Reason: why}},
	}
	if !p.takesCall(in) {
		return
	}
	timer := time.NewTimer(c.die.between(time.Second, 32*time.Second))
	defer timer.Stop()
	code := 0
	select {
	case code = <-in.settled:
	case <-timer.C:
		code = in.cancel()
	case <-p.ctx.Done():
	}
	if code == answered {
		in.leg.hangUp()
	}
}

// wellFor is how long a world in which nothing went wrong has been so, when a takeover in it
// is judged.
const wellFor = 3 * time.Second

// relieved: a main that says over the link that it is well, that the PBX reaches and that
// reaches the PBX, keeps the duty, whatever is written in a header (K3).
func (l *ledger) relieved(v *server) {
	s, o := l.site, v.other()
	n, whole := &s.network, s.pbx.up && !s.pbx.lost && s.pbx.path[0] && s.pbx.path[1]
	quiet := n.both() && !n.sip && n.loss == 0 && n.delay == 0 && whole && s.elapsed()-s.changedAt > wellFor
	if !quiet || o.running == nil || o.paused() || o.journal.kept.Released || o.journal.kept.Term+1 != v.journal.kept.Term {
		return
	}
	if m := o.running.agent.Machine(); m.Owns() && m.Gate && m.DB.Up && !m.Suspended {
		s.breaks("the %s takes the duty from the %s, which is well and says so", v.seat, o.seat)
	}
}
