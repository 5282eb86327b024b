package sim

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"releve"
	"releve/rules/procedure"
	"releve/rules/takeover"
)

// How long the mended site may take. They are far above what it takes, for what is
// looked for is a site that never comes back.
const (
	aloneLimit  = 20 * time.Second       // to be protected without help
	helpAfter   = 400 * time.Millisecond // before an operator comes who was called
	helpedLimit = 30 * time.Second       // for his procedure to end
	helpMost    = 3                      // which he may have to ask for again, as the product tells him
	drainLimit  = 45 * time.Second       // for spools to empty and calls to end
	callersStay = 15 * time.Second       // in a mended site
	look        = 100 * time.Millisecond
)

// story is what happens between the first start of both servers and the end.
func (s *site) story() {
	d := s.dice.of("", ofFate)
	for _, v := range s.servers {
		s.later(d.between(0, 500*time.Millisecond), v.start)
	}
	defer s.endCalls()
	s.work.Go(s.callers)
	if s.stranger.there {
		s.work.Go(s.strangers)
		s.until(wellWithin, s.protected)
		sleep(s.ctx, s.stranger.between(wellFor, 3*wellFor)) // nothing else goes wrong yet
	}
	s.injectFaults()
	s.heal()
	s.later(callersStay, s.endCalls)
	if s.recovers() {
		s.endCalls()
		s.proves()
	}
}

// callers call at a steady rate.
func (s *site) callers() {
	d := s.dice.of("", ofPBX)
	rate := d.between(400*time.Millisecond, 3*time.Second)
	if s.stranger.there && s.stranger.alone {
		rate = time.Minute
	}
	for n := 1; sleep(s.calling, d.between(rate/2, rate+rate/2)); n++ {
		c := s.newCaller(releve.CallID(fmt.Sprintf("%d@pbx", n)))
		s.work.Go(func() {
			c.calls(s.ctx)
			s.judge(c)
		})
	}
}

// calm is how long nothing may have changed before a call whose treatment is judged.
const calm = 3 * time.Second

// judge: a call that was offered to a server that could serve, in a world in which
// nothing changed meanwhile, was answered (H2, H9, R13).
func (s *site) judge(c *caller) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.figures.Offered++
	switch {
	case c.answeredBy != "":
		s.figures.Answered++
		return
	case s.ctx.Err() != nil:
		return
	}
	s.note("", "Call %s, which came at %.3f s, is answered by nobody.", c.id, c.began.Seconds())
	if c.reached && s.changedAt < c.began-calm {
		s.breaks("call %s reached a server that could serve, and nobody answered it", c.id)
	}
}

// recovers waits until the mended site is protected, with an operator if it must.
func (s *site) recovers() bool {
	for times := 0; ; times++ {
		settles := s.until(aloneLimit, func() bool { return s.protected() || s.helpless() })
		switch {
		case s.until(helpAfter, s.protected):
			return true
		case s.ctx.Err() != nil:
			return false
		case !settles:
			s.change(func() {
				s.breaks("the site is not protected, and neither server says that it waits for an operator: %s", s.phases())
			})
			return false
		case times > helpMost:
			s.change(func() {
				s.breaks("the site does not become protected again, whatever the operator asks for: %s", s.phases())
			})
			return false
		}
		s.help()
	}
}

// helpless: both servers run, and one says that it waits for an operator.
func (s *site) helpless() bool {
	waits := false
	for _, v := range s.servers {
		p := v.process()
		if p == nil {
			return false
		}
		m := p.agent.Machine()
		waits = waits || m.Phase == takeover.Deposed || m.Phase == takeover.Stuck
	}
	return waits
}

// help is an operator who does what a stuck server's sentence says, or else has the other
// server be the mirror again, where one is on duty.
func (s *site) help() {
	at := s.servers[0]
	for _, v := range s.servers {
		p := v.process()
		if p == nil {
			continue
		}
		switch m := p.agent.Machine(); {
		case m.JournalLost:
			p.restart()
			return
		case m.Phase == takeover.Stuck && !m.Known:
			p.foundAgain()
			return
		case m.Phase == takeover.Serving:
			at = v
		}
	}
	if p := at.process(); p != nil {
		s.putInOrder(p, remedies[s.dice.of("", ofFate).below(len(remedies))])
	}
}

// remedies are the procedures that end in a protected site.
var remedies = []string{procedure.Return.Name, procedure.ResumeMirror.Name, procedure.ResumeMirror.Name}

// putInOrder runs a procedure, asked of one server, to its end. While another runs, the
// operator waits, as he is told.
func (s *site) putInOrder(p *process, name string) {
	s.change(func() { s.figures.Helped++; s.note(p.seat, "The operator asks for the procedure %s.", name) })
	ctx, cancel := context.WithTimeout(s.ctx, helpedLimit)
	defer cancel()
	err := p.orders(ctx, name)
	for errors.Is(err, releve.ErrBusy) && sleep(ctx, time.Second) {
		err = p.orders(ctx, name)
	}
	if err != nil {
		s.change(func() { s.note(p.seat, "The procedure %s did not succeed: %v.", name, err) })
	}
}

// foundAgain: the database of a new site was made, and the server died before it could
// remember that. Its operator knows that the site is new, and empties it.
func (p *process) foundAgain() {
	p.change(func() {
		p.note(p.seat, "The operator empties the database of a site that is new.")
		p.database.exit("emptied")
		p.database.kind, p.database.id, p.database.log = takeover.DiskEmpty, "", nil
	})
	p.restart()
}

// phases says what both servers are about. The caller holds the lock.
func (s *site) phases() string {
	said := ""
	for _, v := range s.servers {
		phase, cause := "off", ""
		if v.running != nil {
			m := v.running.agent.Machine()
			phase, cause = string(m.Phase), m.Cause
		}
		said += fmt.Sprintf("the %s is %s", v.seat, phase)
		if cause != "" {
			said += fmt.Sprintf(" (%s)", cause)
		}
		said += ", "
	}
	return strings.TrimSuffix(said, ", ")
}

// until waits for something, and says whether it came before the limit. It does
// not outlast the story.
func (s *site) until(limit time.Duration, ok func() bool) bool {
	for end := s.elapsed() + limit; s.elapsed() < end; {
		if ok() {
			return true
		}
		if !sleep(s.ctx, s.dice.of("", ofRegister).between(look/2, look)) { // on nobody's beat
			return false
		}
	}
	return false
}

// proves that the site is well: a caller is answered at once, calls end, spools
// empty, and every fact is where it was promised to be.
func (s *site) proves() {
	c := s.newCaller("proof@pbx")
	c.calls(s.ctx)
	s.judge(c)
	if c.answeredBy == "" {
		s.change(func() { s.breaks("the site is protected, and a call is answered by nobody") })
		return
	}
	if !s.until(drainLimit, s.settled) {
		s.change(func() { s.breaks("the site is protected, and %s", s.unsettled()) })
		return
	}
	whole := s.protected() // a hand-over that was due may have come meanwhile
	s.change(func() {
		if v := s.serving(); v != nil {
			s.ledger.audit(v, whole)
		}
	})
}

// serving is the server whose gate is open. One that was relieved this moment and has not
// heard of it may still have its own open: it acknowledges nothing any more, and has not
// what its successor has. The caller holds the lock.
func (s *site) serving() (latest *server) {
	for _, v := range s.servers {
		if v.serves() && (latest == nil || v.running.store.term > latest.running.store.term) {
			latest = v
		}
	}
	return latest
}

// settled: no call is left, and no fact waits.
func (s *site) settled() bool {
	for _, v := range s.servers {
		p := v.process()
		if p == nil || p.records.Waiting() > 0 {
			return false
		}
		if f := p.calls.Snapshot(); f.Busy+f.Deciding > 0 || f.RecordsWaiting > 0 {
			return false
		}
	}
	return true
}

// unsettled says what is left. The caller holds the lock.
func (s *site) unsettled() string {
	said := ""
	for _, v := range s.servers {
		if v.running == nil {
			said += fmt.Sprintf("the %s is off, ", v.seat)
			continue
		}
		f := v.running.calls.Snapshot()
		said += fmt.Sprintf("the %s has %d calls, %d facts in memory and %d in its spool, ",
			v.seat, f.Busy+f.Deciding, f.RecordsWaiting, len(v.spool.records)-int(v.spool.stored))
	}
	return said + "for ever"
}
