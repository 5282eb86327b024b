package sim

import (
	"context"
	"fmt"
	"time"

	"releve"
	"releve/takeover"
)

// How long the mended site may take. They are far above what it takes, for what is
// looked for is a site that never comes back.
const (
	aloneLimit  = 20 * time.Second // to be protected without help
	helpAfter   = 3 * time.Second  // before an operator comes who was called
	helpedLimit = 30 * time.Second // for his `return` to end
	helpMost    = 3                // which he may have to ask for again, as the product tells him
	drainLimit  = 45 * time.Second // for spools to empty and calls to end
	callersStay = 15 * time.Second // in a mended site
	look        = 50 * time.Millisecond
)

// story is what happens between the first start of both servers and the end.
func (s *site) story() {
	d := s.dice.of("", ofFate)
	for _, v := range s.servers {
		s.later(d.between(0, 500*time.Millisecond), v.start)
	}
	steady, stop := context.WithCancel(s.ctx)
	defer stop()
	s.work.Go(func() { s.callers(steady) })
	s.trouble()
	s.mend()
	s.later(callersStay, stop)
	if s.recovers() {
		stop()
		s.proves()
	}
}

// callers call at a steady rate until ctx ends.
func (s *site) callers(ctx context.Context) {
	d := s.dice.of("", ofPBX)
	rate := d.between(400*time.Millisecond, 3*time.Second)
	for n := 1; sleep(ctx, d.between(rate/2, rate+rate/2)); n++ {
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
	if c.reached && s.stirred < c.began-calm {
		s.breaks("call %s reached a server that could serve, and nobody answered it", c.id)
	}
}

// recovers waits until the mended site is protected, with an operator if it must.
func (s *site) recovers() bool {
	for range helpMost + 1 {
		s.until(aloneLimit, func() bool { return s.protected() || s.helpless() })
		if s.until(helpAfter, s.protected) {
			return true
		}
		if s.ctx.Err() != nil {
			return false
		}
		s.help()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.breaks("the site does not become protected again: %s", s.phases())
	return false
}

// helpless: a server says that it waits for an operator.
func (s *site) helpless() bool {
	for _, v := range s.servers {
		if p := v.process(); p != nil {
			if m := p.agent.Machine(); m.Phase == takeover.Deposed || m.Phase == takeover.Stuck {
				return true
			}
		}
	}
	return false
}

// help is an operator who asks for a return where a server is on duty.
func (s *site) help() {
	at := s.servers[0]
	for _, v := range s.servers {
		p := v.process()
		switch {
		case p == nil:
		case p.agent.Machine().JournalLost:
			p.restart() // as its sentence says
			return
		case p.agent.Machine().Phase == takeover.Serving:
			at = v
		}
	}
	p := at.process()
	if p == nil {
		return
	}
	s.change(func() { s.figures.Returns++; s.note(at.seat, "The operator asks for a return to normal.") })
	ctx, cancel := context.WithTimeout(s.ctx, helpedLimit)
	defer cancel()
	if err := p.orders(ctx, "return"); err != nil {
		s.change(func() { s.note(at.seat, "The return did not succeed: %v.", err) })
	}
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
		said += fmt.Sprintf("the %s is %s (%s), ", v.seat, phase, cause)
	}
	return said + "and the operator has asked for a return"
}

// until waits for something, and says whether it came before the limit. It does
// not outlast the story.
func (s *site) until(limit time.Duration, ok func() bool) bool {
	for end := s.elapsed() + limit; s.elapsed() < end; {
		if ok() {
			return true
		}
		if !sleep(s.ctx, look) {
			return false
		}
	}
	return false
}

// proves that the site is well: callers are answered at once, calls end, spools
// empty, and every fact is where it was promised to be.
func (s *site) proves() {
	for n := range 2 {
		c := s.newCaller(releve.CallID(fmt.Sprintf("proof-%d@pbx", n+1)))
		c.calls(s.ctx)
		s.judge(c)
		if c.answeredBy == "" {
			s.change(func() { s.breaks("the site is protected, and a call is answered by nobody") })
			return
		}
	}
	if !s.until(drainLimit, s.settled) {
		s.change(func() { s.breaks("the site is protected, and %s", s.unsettled()) })
		return
	}
	s.change(func() {
		for _, v := range s.servers {
			if v.serves() {
				s.ledger.audit(v)
			}
		}
	})
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
