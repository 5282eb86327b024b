package sim

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"releve"
	"releve/rules/takeover"
)

// telephone is a server's way to the PBX.
type telephone struct{ *process }

// asks is a question to the PBX, answered in a moment by one that is reached. What
// is silent stays so to the end of ctx.
func (t telephone) asks(ctx context.Context, d die, answer func()) error {
	if err := t.takes(ctx, d.between(300*time.Microsecond, 3*time.Millisecond)); err != nil {
		return err
	}
	t.mu.Lock()
	reached := t.pbx.reaches(t.seat)
	if reached {
		answer()
	}
	t.mu.Unlock()
	if !reached {
		<-ctx.Done()
		return errors.Join(t.alive(), errSilent)
	}
	return nil
}

func (t telephone) Options(ctx context.Context) error {
	return t.asks(ctx, t.dice.of(t.seat, ofTelephone), func() {})
}

func (t telephone) CheckOther(ctx context.Context, q releve.CheckQuestion) (takeover.Reply, error) {
	return ask(ctx, t.process, directSIP, checkMe(q))
}

// Keep never waits.
func (t telephone) Keep(u takeover.Users) {
	t.lines[0].want(u.Reception)
	t.lines[1].want(u.Standby)
}

func (t telephone) Bound() takeover.Users {
	return takeover.Users{Reception: t.lines[0].bound(), Standby: t.lines[1].bound()}
}

func (t telephone) RegisterNow() { t.lines[0].now() }

func (t telephone) BindingThere(ctx context.Context) (there bool, _ takeover.Shown, err error) {
	err = t.asks(ctx, t.dice.of(t.seat, ofTelephone), func() { there = t.pbx.contact(receptionUser) == t.server })
	return there, takeover.Shown{}, err
}

// State: no telephone of a simulated site is ever closed.
func (t telephone) State() takeover.Line { return takeover.Line{} }

// Theirs is asked at level backup, which no simulated site runs.
func (t telephone) Theirs(context.Context) (takeover.Shown, error) { return takeover.Shown{}, nil }

// ownName is what a server's own calls bear, as if it could be forged by nobody.
func ownName(seat releve.Seat) string { return "of the " + string(seat) }

const testCallLimit = 15 * time.Second

func (t telephone) TestCall(ctx context.Context, _ string, _ bool) (releve.TestCall, error) {
	t.mu.Lock()
	refused, voicemail := t.pbx.ownCalls, t.pbx.voicemail
	t.mu.Unlock()
	if err := errors.Join(t.acts(), refused); err != nil {
		return releve.TestCall{}, err
	}
	if voicemail != "" {
		return releve.TestCall{AnsweredAfter: time.Second, SoundAfter: time.Second, AnsweredBy: voicemail, Known: true}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, testCallLimit)
	defer cancel()
	c := t.site.newCaller(releve.CallID(fmt.Sprintf("of-%s@pbx", t.seat)))
	c.test = ownName(t.seat)
	ended := make(chan struct{})
	t.work.Go(func() { c.calls(ctx); close(ended) })
	<-ended
	if err := t.alive(); err != nil {
		return releve.TestCall{}, err
	}
	if c.answeredBy == "" {
		return releve.TestCall{}, errors.New("480 Temporarily Unavailable")
	}
	return releve.TestCall{
		AnsweredAfter: c.answeredAfter, SoundAfter: c.answeredAfter,
		AnsweredBy: string(c.answeredBy), By: c.answeredBy, Known: true,
	}, nil
}

// line keeps one SIP user bound, or not, as the product's own does.
type line struct {
	*process
	user string
	die  die // of this line alone: both look for what an earlier life left at one moment
	wake chan struct{}

	own    sync.Mutex
	wanted bool
	until  time.Duration // the binding holds, as far as is known here
	held   bool          // the last attempt was not allowed by the agent
	former time.Duration // when it looks for what an earlier life left bound; 0: it has looked, or has bound the user
}

func newLine(p *process, user string) *line {
	return &line{
		process: p, user: user, die: p.dice.of(p.seat, ofRegister).die(),
		wake: make(chan struct{}, 1), former: p.elapsed() + settleTime,
	}
}

func (l *line) want(on bool) {
	l.own.Lock()
	l.wanted = on
	l.own.Unlock()
	l.now()
}

func (l *line) now() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (l *line) bound() bool {
	l.own.Lock()
	defer l.own.Unlock()
	return l.wanted && !l.held && l.elapsed() < l.until
}

// Times of a registration.
const (
	expires      = 8 * time.Second
	attemptLimit = 2 * time.Second
	pauseMost    = 4 * time.Second
	settleTime   = 2 * time.Second // before a server looks for what its earlier life left
)

// run makes attempts, with a pause that grows while they fail.
func (l *line) run(ctx context.Context) {
	pause := 500 * time.Millisecond
	for {
		next := expires / 2
		if l.attempt(ctx) {
			pause = 500 * time.Millisecond
			next = min(next, l.looks())
		} else {
			next = pause + l.die.between(0, pause/4)
			pause = min(2*pause, pauseMost)
		}
		timer := time.NewTimer(next)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		case <-l.wake:
		}
		timer.Stop()
	}
}

// attempt binds the user or gives it back, and says whether that is settled.
func (l *line) attempt(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, attemptLimit)
	defer cancel()
	l.own.Lock()
	wanted := l.wanted
	l.own.Unlock()
	if !wanted {
		return l.give(ctx)
	}
	var own, anyone bool
	at := l.elapsed()
	err := telephone{l.process}.asks(ctx, l.die, func() {
		bound := l.pbx.contact(l.user)
		own, anyone = bound == l.server, bound != nil
	})
	if err != nil {
		return false
	}
	if !l.may(own, anyone) {
		l.settle(0, true)
		return false
	}
	granted := false
	if err := l.acts(); err != nil {
		return false
	}
	if err := (telephone{l.process}).asks(ctx, l.die, func() { granted = l.pbx.bind(l.user, l.server) }); err != nil || !granted {
		return false
	}
	l.settle(at+expires, false)
	return true
}

func (l *line) may(own, anyone bool) bool {
	if l.user == receptionUser {
		return l.agent.MayRegister(own, anyone)
	}
	return l.agent.MayStandBy(own, anyone)
}

func (l *line) settle(until time.Duration, held bool) {
	l.own.Lock()
	defer l.own.Unlock()
	if held {
		l.held = true
		return
	}
	l.until, l.held, l.former = until, false, 0
}

// looks is how long it is until this server looks for what its earlier life left bound.
func (l *line) looks() time.Duration {
	l.own.Lock()
	defer l.own.Unlock()
	if l.former == 0 {
		return expires
	}
	return max(l.former-l.elapsed(), 0)
}

// give removes this server's own binding, if the PBX still has it: also one that an earlier
// life left, which would keep the user from the other where the PBX protects a binding.
func (l *line) give(ctx context.Context) bool {
	l.own.Lock()
	held := l.until > 0
	look := l.former > 0 && l.elapsed() >= l.former
	l.wanted = false
	l.own.Unlock()
	if !held && !look {
		return true
	}
	if err := (telephone{l.process}).asks(ctx, l.die, func() { l.pbx.unbind(l.user, l.server) }); err != nil {
		return false
	}
	l.settle(0, false)
	return true
}
