package phone

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"releve/adapters/phone/dialog"
	"releve/adapters/phone/media"
	"releve/adapters/phone/sip"
)

// remembered is how long an ended call still answers: a NOTIFY or an ACK may come
// after the BYE (T4, RFC 3261 §17.1.2.2).
const remembered = 5 * time.Second

// A 2xx is sent after 0, 0.5, 1.5, 3.5 and 7.5 s (RFC 3261 §13.3.1.4). Who has acknowledged
// none by then does not: 64*T1, which the RFC allows, would hold a channel for 32 s.
const (
	patience = 16 // times T1, until a call without ACK is given up
	overdue  = 2  // times T1, until its ACK is overdue: one repetition was in vain
	// fewOverdue is how many calls may wait so long where nothing else is set.
	fewOverdue = 4
)

// timers are those of RFC 3261 §13.3.1.4 for a 2xx that was not acknowledged.
type timers struct{ t1, t2 time.Duration }

var rfc3261 = timers{t1: sip.T1, t2: sip.T2}

// Leg is a call that is answered.
type Leg struct {
	phone  *Phone
	stream *media.Stream
	ctx    context.Context // ends with the call
	end    context.CancelCauseFunc

	confirmed chan struct{} // closed at the first ACK
	keyless   atomic.Bool   // no telephone events were agreed on
	encrypted atomic.Bool   // the sound is
	offering  atomic.Bool   // a re-INVITE of ours is not answered yet
	confirm   sync.Once

	came *Incoming // as what the call came; nil: it is one of ours

	mu       sync.Mutex
	state    dialog.State
	accepted map[uint32]*acceptance // 2xx that wait for their ACK, by CSeq
	transfer *transfer              // in progress
	joined   *bridge                // to another call, nil for none
	changed  func()                 // is told when what another server needs has changed; nil: nobody is
}

// acceptance is a 2xx to INVITE that waits for its ACK.
type acceptance struct {
	t     *sip.Transaction
	body  []byte
	with  []string // headers
	first bool     // it answers the call, and no re-INVITE
	late  bool     // the ACK brings the session description
	acked chan struct{}
}

func (p *Phone) newLeg(state dialog.State, stream *media.Stream, ctx context.Context, end context.CancelCauseFunc) *Leg {
	return &Leg{
		phone: p, stream: stream, ctx: ctx, end: end, state: state,
		confirmed: make(chan struct{}), accepted: make(map[uint32]*acceptance),
	}
}

// keep makes a leg known to the requests inside its dialog, until some time after
// its end, when its media go at once.
func (p *Phone) keep(l *Leg) {
	id := l.state.ID()
	p.mu.Lock()
	p.legs[id] = l
	p.mu.Unlock()
	if l.came != nil {
		l.came.t.WhenWithdrawn(l.forgetOffer)
	}
	context.AfterFunc(l.ctx, func() {
		l.stream.Close()
		p.log.Debug("the sound of a call is over", "call", id.CallID, "sound", fmt.Sprintf("%+v", l.Stats()))
		time.AfterFunc(remembered, func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			delete(p.legs, id)
		})
	})
}

// forgetOffer lets the same call come by another way (RFC 3261 §8.2.2.2: merged is only what is
// still in progress): the caller gave this one up, and if by CANCEL it is ended all the same by
// his ACK and BYE, or for want of them.
func (l *Leg) forgetOffer() {
	if l.came != nil {
		l.phone.forgetOffer(offerOf(l.came.req), l.came)
	}
}

// describe agrees on the sound: it answers an offer, or makes one where the INVITE
// brought none, and then the answer comes late, with the ACK.
func (l *Leg) describe(offer []byte) (late bool, err error) {
	s := &l.state
	if len(offer) == 0 {
		return true, nil
	}
	terms := l.terms()
	answer, remote, format, err := terms.Answer(offer, s.Session, s.Version)
	if err != nil {
		return false, err
	}
	if s.LocalSDP != "" && string(answer) != s.LocalSDP {
		// Something changed: a new version says so (RFC 3264 §8).
		s.Version++
		if answer, _, _, err = terms.Answer(offer, s.Session, s.Version); err != nil {
			return false, err
		}
	}
	s.LocalSDP, s.RemoteSDP = string(answer), string(offer)
	l.agree(remote, format)
	return false, nil
}

// agree hands the stream what was agreed on, and notes whether keys can be heard.
func (l *Leg) agree(remote netip.AddrPort, f media.Format) {
	l.stream.Agree(remote, f)
	l.keyless.Store(f.DTMF == 0)
	l.encrypted.Store(f.Crypto.Suite != "")
}

// terms are what the other end's descriptions are held against.
func (l *Leg) terms() media.Terms {
	return l.phone.terms(l.stream, l.state.Source.Addr(), l.encrypted.Load())
}

// terms are those of a call's stream with whoever is at an address. An offer of ours in it is encrypted where its sound is so
// already, or has to be.
func (p *Phone) terms(stream *media.Stream, caller netip.Addr, encrypted bool) media.Terms {
	return media.Terms{
		Local: p.local(stream), Caller: caller, Networks: p.media.Networks(), Keys: stream.Keys(),
		Security: p.options.Security, Secure: encrypted || p.options.Security == media.SecurityRequired,
	}
}

// offer is a description of ours where the INVITE brought none. It is in force once it is
// answered: a session that has one keeps it until then (RFC 3261 §14.1).
func (l *Leg) offer() []byte {
	s := &l.state
	terms := l.terms()
	text := terms.Offer(s.Session, s.Version, media.SendRecv)
	if s.LocalSDP != "" && string(text) != s.LocalSDP {
		s.Version++ // RFC 3264 §8
		text = terms.Offer(s.Session, s.Version, media.SendRecv)
	}
	return text
}

// accept makes the 200 to an INVITE, to be repeated until it is acknowledged.
func (l *Leg) accept(req *sip.Request, t *sip.Transaction, late bool) *acceptance {
	a := &acceptance{
		t: t, body: []byte(l.state.LocalSDP), late: late, first: t.Initial(), acked: make(chan struct{}),
		with: []string{"Contact", "<" + l.state.LocalTarget + ">", "Allow", sip.Methods, "Content-Type", "application/sdp"},
	}
	if late {
		a.body = l.offer()
	}
	l.accepted[req.CSeq().SeqNo] = a
	return a
}

// answer sends the 200.
func (a *acceptance) answer() error { return a.t.Respond(200, a.body, a.with...) }

// repeat sends the 200 again and again until the ACK is here, and gives the call up when
// it does not come: soon where many such calls hold channels (SPEC K4).
func (l *Leg) repeat(a *acceptance) {
	if why := l.untilAcknowledged(a); why != "" {
		l.phone.log.Warn("the call is ended: "+why, "call", l.Dialog().CallID)
		_ = l.drop(ErrNoAck) // over, whether it is heard or not
	}
}

// untilAcknowledged waits for the ACK or the end of the call, and says why the call is given up.
func (l *Leg) untilAcknowledged(a *acceptance) (why string) {
	if a.first {
		l.phone.unacknowledged.Add(1)
		defer l.phone.unacknowledged.Add(-1)
	}
	t1 := l.phone.timers.t1
	end, late := time.NewTimer(patience*t1), time.NewTimer(overdue*t1)
	defer end.Stop()
	defer late.Stop()
	again := time.NewTimer(t1)
	defer again.Stop()
	for wait := t1; ; {
		select {
		case <-a.acked:
			return ""
		case <-l.ctx.Done():
			return ""
		case <-late.C:
			if a.first && !l.phone.mayWait() {
				return "many calls are not acknowledged"
			} else if a.first {
				defer l.phone.waited()
			}
		case <-end.C:
			return "no ACK"
		case <-again.C:
			if err := a.t.Repeat(); err != nil {
				l.phone.log.Debug("200 not repeated", "error", err)
			}
			wait = min(2*wait, l.phone.timers.t2)
			again.Reset(wait)
		}
	}
}

// mayWait takes one of the few places for calls whose ACK is overdue.
func (p *Phone) mayWait() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.overdue >= cmp.Or(p.options.Unacknowledged, fewOverdue) {
		return false
	}
	p.overdue++
	return true
}

func (p *Phone) waited() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.overdue--
}

// acknowledged takes an ACK; the same one may come more than once.
func (l *Leg) acknowledged(ack *sip.Request) {
	seq := ack.CSeq().SeqNo
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.accepted[seq]
	if a == nil {
		return
	}
	delete(l.accepted, seq)
	close(a.acked)
	if err := l.settle(a, ack); err != nil && a.first {
		l.phone.tell(Unfit{Invite: l.came.invite, Code: 488, Why: err, Answered: true})
		l.phone.begin(func() { _ = l.drop(fmt.Errorf("%w: %w", ErrNotAcceptable, err)) })
	} else if err != nil {
		l.phone.log.Warn("the session stays as it was: no answer came to our offer", "call", l.state.CallID, "error", err)
	}
	l.confirms()
}

// confirms: the call is, from the first time on.
func (l *Leg) confirms() { l.confirm.Do(func() { close(l.confirmed) }) }

// settle takes the answer that an ACK brings, where it has to, and lets the call speak.
func (l *Leg) settle(a *acceptance, ack *sip.Request) error {
	if a.late {
		answer, err := description(ack)
		if err != nil {
			return err
		}
		remote, format, err := l.terms().ParseAnswer(answer)
		if err != nil {
			return err
		}
		l.state.LocalSDP, l.state.RemoteSDP = string(a.body), string(answer)
		l.agree(remote, format)
		l.phone.begin(l.change) // the leg is locked here
	}
	l.stream.Speak()
	return nil
}

// reinvited takes a re-INVITE: a new target, hold, other media (RFC 3261 §14.2).
func (l *Leg) reinvited(req *sip.Request, t *sip.Transaction) {
	if l.ctx.Err() != nil {
		l.phone.reply(t, 481)
		return
	}
	if l.offering.Load() {
		l.phone.reply(t, 491) // RFC 3261 §14.2
		return
	}
	a, code := l.renegotiate(req, t)
	if code != 0 {
		l.phone.reply(t, code)
		return
	}
	l.change()
	if err := a.answer(); err != nil {
		l.phone.log.Warn("re-INVITE not answered", "call", req.CallID().Value(), "error", err)
		return
	}
	l.phone.begin(func() { l.repeat(a) })
}

// renegotiate takes over what a re-INVITE says, or returns the code to refuse it
// with: the call then goes on as before.
func (l *Leg) renegotiate(req *sip.Request, t *sip.Transaction) (*acceptance, int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.state.Reinvite(req, source(req)); err != nil {
		return nil, 500
	}
	offer, err := description(req)
	if err != nil {
		return nil, 415
	}
	late, err := l.describe(offer)
	if err != nil {
		return nil, 488
	}
	return l.accept(req, t, late), 0
}

// note keeps the dialog's state up to date with a request inside it.
func (l *Leg) note(req *sip.Request) {
	if req.IsInvite() {
		return // renegotiate looks at the order first
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state.Note(req, source(req))
}

// Confirmed is closed when the caller has acknowledged the call. Before that nothing can
// be said to him: an INVITE alone may be forged, or bring no description yet.
func (l *Leg) Confirmed() <-chan struct{} { return l.confirmed }

// Withdrawn says whether the caller had given the call up before he had our answer: the PBX
// cancelled it once it heard of us.
func (l *Leg) Withdrawn() bool { return l.came != nil && l.came.t.Withdrawn() }

// Play plays a clip and returns when it is over, once the call is confirmed. It fails
// with ctx's cause, or with why the call ended.
func (l *Leg) Play(ctx context.Context, clip media.Clip) error {
	select {
	case <-l.confirmed:
	case <-l.ctx.Done():
		return context.Cause(l.ctx)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(l.ctx, func() { cancel(context.Cause(l.ctx)) })
	defer stop()
	err := l.stream.Play(ctx, clip)
	if errors.Is(err, media.ErrClosed) {
		return context.Cause(l.ctx)
	}
	return err
}

// Digits gives the keys that the caller presses, each once: by telephone events (RFC 4733), by INFO, or as sound where no
// events were agreed on. It is closed with the call.
func (l *Leg) Digits() <-chan byte { return l.stream.Digits() }

// HearsKeys says whether the other side agreed to send keys as telephone events: they are surer than all else.
func (l *Leg) HearsKeys() bool { return !l.keyless.Load() }

// Gone is closed when the call is over, whoever ended it.
func (l *Leg) Gone() <-chan struct{} { return l.ctx.Done() }

// Lost says of a call that is over that the PBX had lost it, and nobody hung up.
func (l *Leg) Lost() bool { return errors.Is(context.Cause(l.ctx), ErrLost) }

// Stats counts the call's packets; they stay after its end.
func (l *Leg) Stats() media.Stats { return l.stream.Stats() }

// Dialog is the call's state, with which another server can take it up.
func (l *Leg) Dialog() dialog.State {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state
}

// Written is that state, written down for another server, with that of the call that it is joined to.
func (l *Leg) Written() json.RawMessage {
	s := l.Dialog()
	if other := l.partner(); other != nil {
		joined := other.Dialog()
		s.Joined = &joined
	}
	return s.Written()
}

// WhenChanged has f called when that state has changed so that another server could not go on with what
// was written down before. The numbers of requests alone are no such change.
func (l *Leg) WhenChanged(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.changed = f
}

// change tells of it. The leg must not be locked.
func (l *Leg) change() {
	l.mu.Lock()
	f := l.changed
	l.mu.Unlock()
	if f != nil {
		f()
	}
}

// Hangup ends the call with BYE and waits for the answer to it. The BYE is repeated
// as long as it needs, also after ctx is done. A call that is over is no error.
func (l *Leg) Hangup(ctx context.Context) error {
	// A BYE must not overtake the ACK of our own 200 (RFC 3261 §15).
	select {
	case <-l.confirmed:
	case <-l.ctx.Done():
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	done := make(chan error, 1)
	l.phone.errand(func() { done <- l.drop(errors.New("this server hung up")) })
	select {
	case err := <-done:
		return err
	case <-l.phone.ctx.Done():
		return context.Cause(l.phone.ctx)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// drop ends the call here and says BYE.
func (l *Leg) drop(cause error) error {
	bye, err := l.bye(cause)
	if bye == nil {
		return err
	}
	if _, err = l.do(l.phone.ctx, bye); err != nil {
		return fmt.Errorf("BYE: %w", err)
	}
	return nil // any final response will do: the call is over
}

// bye ends the call here and builds the BYE, nil where the call was over before.
func (l *Leg) bye(cause error) (*sip.Request, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ctx.Err() != nil {
		return nil, nil
	}
	l.end(cause)
	return l.state.Request("BYE")
}

// do sends a request inside the dialog, with the credentials of the user that the
// call came to where the PBX asks for them.
func (l *Leg) do(ctx context.Context, req *sip.Request) (*sip.Response, error) {
	return l.phone.endpoint.DoAs(ctx, req, l.phone.credentials(l.Dialog().LocalTarget), func() (uint32, error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.state.Next(), nil
	})
}

// credentials are those of the user that a call came to. A PBX that calls the published
// number and not the user reached this server by a user's binding all the same.
func (p *Phone) credentials(contact string) sip.Credentials {
	p.mu.Lock()
	defer p.mu.Unlock()
	if u, err := sip.ParseURI(contact); err == nil {
		if a, known := p.accounts[sip.User(u)]; known {
			return p.registrar.Credentials(a)
		}
	}
	if len(p.bound) == 0 {
		return sip.Credentials{}
	}
	return p.registrar.Credentials(p.accounts[p.bound[0]])
}
