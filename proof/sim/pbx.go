package sim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"releve"
	"releve/server/calls"
)

// pbx is the establishment's switch.
type pbx struct {
	up        bool
	path      [2]bool       // to the main and to the secondary
	refuses   bool          // a binding of another server stands until it expires
	lasts     time.Duration // of a binding
	lost      bool          // what it sends to the reception reaches nobody
	voicemail string        // at this address, which answers the servers' own calls in their place, "": none
	forgets   *server       // whose standby user it takes no more
	ownCalls  error         // what it says to the servers' own calls, nil: they are calls like any other
	bindings  map[string]binding
	stopped   time.Duration // when it last stopped …
	backAt    time.Duration // … and was started again, if both servers can have noticed
}

type binding struct {
	server *server
	until  time.Duration
}

func newPBX(s *site) pbx {
	return pbx{
		up: true, lasts: expires, path: [2]bool{true, true},
		bindings: map[string]binding{}, refuses: s.dice.of("", ofPBX).one(3),
	}
}

func (x *pbx) reaches(seat releve.Seat) bool { return x.up && x.path[side(seat)] }

// contact is who is bound under a user, nil when nobody is.
func (x *pbx) contact(user string) *server {
	b := x.bindings[user]
	if b.server == nil || b.server.elapsed() >= b.until {
		return nil
	}
	return b.server
}

// bind gives a user to a server, unless this PBX protects a binding that stands.
func (x *pbx) bind(user string, v *server) bool {
	if there := x.contact(user); x.refuses && there != nil && there != v {
		return false
	}
	if user == standbyUser && x.forgets == v {
		return false
	}
	x.bindings[user] = binding{v, v.elapsed() + x.lasts}
	return true
}

func (x *pbx) unbind(user string, v *server) {
	if x.contact(user) == v {
		delete(x.bindings, user)
	}
}

// restart forgets every binding, as many PBXs do.
func (x *pbx) restart() {
	x.up = true
	clear(x.bindings)
}

// uneven: a PBX that is back may answer one server a while before the other. The caller
// holds the lock.
func (s *site) uneven() {
	if s.elapsed()-s.pbx.stopped > noticed {
		s.pbx.backAt = s.elapsed()
	}
	if d := s.stranger.die; d.one(2) {
		last := d.below(2)
		s.pbx.path[last] = false
		s.later(d.between(50*time.Millisecond, time.Second), func() { s.change(func() { s.pbx.path[last] = true }) })
	}
}

// noticed is how long a PBX must be silent to count as silent for a server that asks it: the
// table takes answers less than 1.5 s apart for unbroken hearing, since questions lie 0.7 s
// apart and one of them may be lost. A shorter silence of everybody's may pass for one of the
// main's alone, and costs a hand-over in good order.
const noticed = 1600 * time.Millisecond

// silenceOfOne is how long the PBX must have answered one server and not the other.
const silenceOfOne = 1500 * time.Millisecond

// The PBX's timers and the caller's patience.
const (
	noAnswerAfter = 3 * time.Second  // at the reception, before a call overflows
	standbyAfter  = 20 * time.Second // at the standby
	unreachable   = 300 * time.Millisecond
	patience      = 35 * time.Second
	triesMost     = 8
	talkMost      = 20 * time.Second
)

// caller is one call, from the PBX's side.
type caller struct {
	*site
	id   releve.CallID
	test string // of a procedure's own call
	die  die

	began         time.Duration
	answeredBy    releve.Seat
	answeredAfter time.Duration
	reached       bool // it came to a server that could serve, by a binding that this one wants
}

func (s *site) newCaller(id releve.CallID) *caller {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &caller{site: s, id: id, die: s.dice.of("", ofCalls).die()}
}

// calls offers the call to the reception, lets it overflow, and takes back what is
// refused, until somebody answers or the caller has had enough.
func (c *caller) calls(ctx context.Context) {
	c.began = c.elapsed()
	for range triesMost {
		why := c.offered(ctx, receptionUser, releve.ReasonUnknown, noAnswerAfter)
		if c.answeredBy != "" {
			return
		}
		c.offered(ctx, standbyUser, why, standbyAfter)
		if c.answeredBy != "" || ctx.Err() != nil || c.elapsed()-c.began > patience {
			return
		}
		if !sleep(ctx, c.die.between(50*time.Millisecond, 200*time.Millisecond)) {
			return
		}
	}
}

// offered tries one user, and says why the call goes on.
func (c *caller) offered(ctx context.Context, user string, why releve.OverflowReason, limit time.Duration) releve.OverflowReason {
	c.mu.Lock()
	v := c.pbx.contact(user)
	if !c.pbx.up {
		v = nil
	}
	c.mu.Unlock()
	if v == nil {
		return releve.ReasonUnavailable
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	code, err := c.invite(ctx, v, user, why)
	switch {
	case err != nil && ctx.Err() == nil:
		return releve.ReasonUnavailable
	case err != nil:
		return releve.ReasonNoAnswer
	case code == busyCode:
		return releve.ReasonBusy
	}
	return releve.ReasonUnavailable
}

// invite sends the INVITE to a server and waits for what it says.
func (c *caller) invite(ctx context.Context, v *server, user string, why releve.OverflowReason) (code int, err error) {
	sleep(ctx, c.die.between(500*time.Microsecond, 3*time.Millisecond))
	if !v.linePath() || c.pbxLoses(user) {
		<-ctx.Done()
		return 0, errSilent
	}
	p, err := v.reached(ctx)
	if err != nil {
		sleep(ctx, unreachable)
		return 0, err
	}
	in := newIncoming(p, c)
	in.invite = releve.Invite{
		Call: c.id, From: "0612345678", To: receptionNumber, Target: user, TestID: c.test, ReceivedAt: time.Now(),
	}
	if user == standbyUser {
		in.invite.Diversion = []releve.Diversion{{User: receptionUser, Reason: why}}
	}
	if !p.takesCall(in) {
		return 0, errRefused
	}
	c.reached = c.reached || p.wants(user)
	select {
	case code = <-in.settled:
	case <-ctx.Done():
		if code = in.cancel(); code == 0 {
			return 0, errSilent
		}
	}
	if code == answered {
		c.answeredBy, c.answeredAfter = v.seat, c.elapsed()-c.began
		c.change(func() { c.note(v.seat, "Call %s is answered after %s.", c.id, c.answeredAfter.Round(time.Millisecond)) })
		c.talk(in)
	}
	return code, nil
}

// pbxLoses says that a call to a user gets lost in the PBX.
func (s *site) pbxLoses(user string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pbx.lost && user == receptionUser
}

// linePath says whether the PBX reaches a server.
func (v *server) linePath() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.pbx.reaches(v.seat)
}

// takesCall gives a call to a process that lives.
func (p *process) takesCall(in *incoming) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead {
		return false
	}
	p.rooms.Go(func() { p.calls.Offer(p.ctx, in) })
	return true
}

// wants says that a user's binding here is no leftover of an earlier duty.
func (p *process) wants(user string) bool {
	m := p.agent.Machine()
	if user == receptionUser {
		return m.Users().Reception
	}
	return m.Users().Standby
}

// talk is the caller's part of the conversation.
func (c *caller) talk(in *incoming) {
	l := in.leg
	defer l.hangUp()
	defer context.AfterFunc(c.calling, l.hangUp)()
	if c.test == "" && sleep(l.ctx, c.die.between(100*time.Millisecond, 1500*time.Millisecond)) {
		for _, key := range []byte("201") {
			l.digits <- key
		}
	}
	limit := talkMost
	if c.test != "" || c.die.one(5) {
		limit = c.die.between(50*time.Millisecond, 2*time.Second)
	}
	sleep(l.ctx, limit)
}

// answered is the status of a call that was answered.
const answered = 200

// incoming is a call as a server has it.
type incoming struct {
	*process
	die     die // of this call alone: several may be answered, or dropped, at one moment
	invite  releve.Invite
	settled chan int
	gone    chan struct{}
	leg     *leg

	own  sync.Mutex
	code int // final response, 487 for one that was cancelled
}

func newIncoming(p *process, c *caller) *incoming {
	return &incoming{process: p, die: p.dice.of(p.seat, ofAnswer).die(), settled: make(chan int, 1), gone: make(chan struct{})}
}

func (in *incoming) Invite() releve.Invite { return in.invite }
func (in *incoming) Gone() <-chan struct{} { return in.gone }

// final settles the INVITE, once.
func (in *incoming) final(code int) bool {
	in.own.Lock()
	defer in.own.Unlock()
	if in.code != 0 {
		return false
	}
	in.code = code
	if code != answered {
		close(in.gone)
	}
	return true
}

// cancel takes the call back, and says what its final response is if that crossed it.
func (in *incoming) cancel() int {
	if in.final(487) {
		return 0
	}
	select {
	case code := <-in.settled:
		return code
	default:
		return 0
	}
}

var errGone = errors.New("the caller gave up")

func (in *incoming) Answer(ctx context.Context) (calls.Leg, error) {
	if err := in.sends(ctx); err != nil {
		return nil, err
	}
	in.leg = newLeg(in)
	if !in.final(answered) {
		return nil, errGone
	}
	in.settled <- answered
	return in.leg, nil
}

func (in *incoming) Refuse(code int) error {
	if err := in.sends(in.ctx); err != nil {
		return err
	}
	if !in.final(code) {
		return errGone
	}
	in.settled <- code
	return nil
}

// sends takes a response to the PBX. One that is not confirmed is given up.
func (in *incoming) sends(ctx context.Context) error {
	if err := in.acts(); err != nil {
		return err
	}
	if err := in.takes(ctx, in.die.between(300*time.Microsecond, 4*time.Millisecond)); err != nil {
		return err
	}
	if in.linePath() {
		return nil
	}
	return errors.Join(in.takes(ctx, 2*time.Second), errSilent)
}

// leg is an answered call.
type leg struct {
	in     *incoming
	digits chan byte
	ctx    context.Context // ends when the caller or the server has hung up
	end    context.CancelFunc
}

func newLeg(in *incoming) *leg {
	l := &leg{in: in, digits: make(chan byte, 8)}
	l.ctx, l.end = context.WithCancel(in.ctx)
	return l
}

func (l *leg) hangUp()             { l.end() }
func (l *leg) Digits() <-chan byte { return l.digits }

// Confirmed at once: an ACK of the simulation is never lost.
func (l *leg) Confirmed() <-chan struct{} {
	acked := make(chan struct{})
	close(acked)
	return acked
}

func (l *leg) Gone() <-chan struct{} { return l.ctx.Done() }
func (l *leg) HearsKeys() bool       { return true }
func (*leg) Withdrawn() bool         { return false }
func (*leg) Bridged() bool           { return false } // its PBX makes transfers itself
func (l *leg) Lost() bool            { return false } // the PBX of a story knows its calls

func (l *leg) Play(ctx context.Context, _ string) error {
	return l.lasts(ctx, 200*time.Millisecond, 1200*time.Millisecond)
}

// lasts is something heard or waited for on the line.
func (l *leg) lasts(ctx context.Context, low, high time.Duration) error {
	d := l.in.die.between(low, high)
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-l.ctx.Done():
	case <-timer.C:
	}
	return errors.Join(l.in.alive(), context.Cause(ctx), context.Cause(l.ctx))
}

// Transfer is answered by somebody, or not.
func (l *leg) Transfer(ctx context.Context, _ string) (int, error) {
	if err := l.in.acts(); err != nil {
		return 0, err
	}
	if err := l.lasts(ctx, 100*time.Millisecond, time.Second); err != nil {
		return 0, err
	}
	if l.in.die.one(5) {
		return 486, fmt.Errorf("486 Busy Here")
	}
	return 200, nil
}

func (l *leg) Hangup(context.Context) error {
	l.end()
	return nil
}

// These servers tell each other nothing of their calls: each has its own until the end.
func (l *leg) Leave()                                 { l.end() }
func (l *leg) Written() json.RawMessage               { return json.RawMessage("{}") }
func (l *leg) WhenChanged(func())                     {}
func (l *leg) Await(ctx context.Context) (int, error) { return l.Transfer(ctx, "") }
