package phone

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"sync"
	"time"

	"releve"
	"releve/phone/dialog"
	"releve/phone/media"
	"releve/phone/sip"
)

// strayCancel is how long a CANCEL waits for its INVITE: each message has a
// goroutine of its own, so the second may be here before the first.
const strayCancel = 200 * time.Millisecond

// offer identifies a call, whichever way it came here:
// the same one by another way is merged (RFC 3261 §8.2.2.2).
type offer struct {
	callID, fromTag string
	seq             uint32
}

func offerOf(req *sip.Request) offer {
	return offer{req.CallID().Value(), sip.FromTag(req), req.CSeq().SeqNo}
}

// Incoming is a call that the PBX offers. Either Answer or Refuse ends the offer,
// or the caller does.
type Incoming struct {
	phone  *Phone
	req    *sip.Request
	t      *sip.Transaction
	invite releve.Invite
	ctx    context.Context // ends with the call
	end    context.CancelCauseFunc

	mu      sync.Mutex
	decided bool // answered or refused
}

// Invite is what is known of the call.
func (in *Incoming) Invite() releve.Invite { return in.invite }

// Gone is closed when the caller has given up (he has been told 487), and whenever
// the call is over.
func (in *Incoming) Gone() <-chan struct{} { return in.ctx.Done() }

// offered takes a new call and gives it to OnInvite.
func (p *Phone) offered(req *sip.Request, t *sip.Transaction) {
	if code, headers := unsuitable(req); code != 0 {
		p.reply(req, t, code, headers...)
		return
	}
	in := &Incoming{phone: p, req: req, t: t, invite: readInvite(req)}
	in.ctx, in.end = context.WithCancelCause(p.ctx)
	if !p.note(in) {
		in.end(nil)
		p.reply(req, t, 482)
		return
	}
	t.Cancelled(func() { in.end(ErrCancelled) })
	p.reply(req, t, 100)
	defer in.abandon()
	p.options.OnInvite(in)
}

// unsuitable says with which code an INVITE must be refused for its form.
func unsuitable(req *sip.Request) (code int, headers []string) {
	accept := strings.ToLower(strings.Join(sip.Values(req, "Accept"), ","))
	kind, _, _ := strings.Cut(strings.ToLower(sip.Value(req, "Content-Type")), ";")
	switch {
	case len(sip.Contacts(req)) > 1:
		return 400, nil
	case len(req.Body()) > 0 && strings.TrimSpace(kind) != "application/sdp":
		return 415, []string{"Accept", "application/sdp"}
	case accept != "" && !strings.Contains(accept, "application/sdp") && !strings.Contains(accept, "/*"):
		return 406, nil
	}
	return 0, nil
}

// note keeps an offer until it is refused or the call is over. False: the same call
// is here already.
func (p *Phone) note(in *Incoming) bool {
	key := offerOf(in.req)
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, merged := p.offers[key]; merged {
		return false
	}
	p.offers[key] = in
	close(p.news)
	p.news = make(chan struct{})
	context.AfterFunc(in.ctx, func() { p.forgetOffer(key) })
	return true
}

func (p *Phone) forgetOffer(key offer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.offers, key)
}

// cancelled takes a CANCEL that met no transaction (the library answers the others):
// it may have overtaken its INVITE.
func (p *Phone) cancelled(req *sip.Request, t *sip.Transaction) {
	ctx, stop := context.WithTimeout(p.ctx, strayCancel)
	defer stop()
	in := p.await(ctx, offerOf(req))
	if in == nil || in.t.Branch() != t.Branch() {
		p.reply(req, t, 481)
		return
	}
	p.reply(req, t, 200)
	if in.decide() {
		p.reply(in.req, in.t, 487)
		in.end(ErrCancelled)
	}
}

// await waits until an offer is noted.
func (p *Phone) await(ctx context.Context, key offer) *Incoming {
	for {
		p.mu.Lock()
		in, news := p.offers[key], p.news
		p.mu.Unlock()
		if in != nil {
			return in
		}
		select {
		case <-news:
		case <-ctx.Done():
			return nil
		}
	}
}

// decide takes the right to send the final response, once.
func (in *Incoming) decide() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	first := !in.decided
	in.decided = true
	return first
}

// abandon refuses a call that nobody decided.
func (in *Incoming) abandon() {
	if in.ctx.Err() == nil && in.decide() {
		in.phone.log.Error("a call was neither answered nor refused", "call", in.invite.Call)
		in.refuse(500)
	}
}

// Refuse ends the offer with a code of 300 to 699. The PBX's own profile says which
// code makes it take the call back.
func (in *Incoming) Refuse(code int) error {
	if code < 300 || code > 699 {
		return fmt.Errorf("a call cannot be refused with %d: use 486, 480 or another code from 300 to 699", code)
	}
	if in.ctx.Err() != nil {
		return context.Cause(in.ctx)
	}
	if !in.decide() {
		return errors.New("the call is already answered or refused")
	}
	return in.refuse(code)
}

func (in *Incoming) refuse(code int, headers ...string) error {
	// The PBX may come back at once with the same call, which is then not merged.
	in.phone.forgetOffer(offerOf(in.req))
	err := in.t.Respond(sip.Reply(in.req, code, headers...))
	in.end(fmt.Errorf("the call was refused with %d", code))
	return err
}

// Answer picks the call up: a media port, our session description, 200 OK. It
// returns when the 200 is sent; until that is acknowledged it is repeated, and after
// 32 s without ACK the call is ended with BYE (RFC 3261 §13.3.1.4).
//
// ErrNoMediaPort leaves the call to be refused. After ErrNotAcceptable it has been
// refused with 488, after ErrCancelled the caller had gone.
func (in *Incoming) Answer(ctx context.Context) (*Leg, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if in.ctx.Err() != nil {
		return nil, context.Cause(in.ctx)
	}
	stream, err := in.phone.media.Open()
	if errors.Is(err, media.ErrNoPort) {
		return nil, ErrNoMediaPort
	}
	if err != nil {
		return nil, err
	}
	if !in.decide() {
		stream.Close()
		return nil, errors.New("the call is already answered or refused")
	}
	l, err := in.connect(stream)
	if err != nil {
		stream.Close()
		return nil, err
	}
	return l, nil
}

// connect agrees on the sound and sends the 200.
func (in *Incoming) connect(stream *media.Stream) (*Leg, error) {
	state, err := dialog.Answered(in.req, in.phone.contact(sip.User(in.req.Recipient)), source(in.req))
	if err != nil {
		return nil, errors.Join(err, in.refuse(400))
	}
	state.Session, state.Version = rand.Uint64N(1<<62), 1
	l := in.phone.newLeg(state, stream, in.ctx, in.end)
	late, err := l.describe(in.req.Body())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %w", ErrNotAcceptable, err), in.refuse(488, in.phone.warning(err)...))
	}
	a := l.accept(in.req, in.t, late)
	// The ACK may be here before Respond returns: the leg must be known first.
	in.phone.keep(l)
	if err := a.t.Respond(a.res); err != nil {
		in.end(err)
		return nil, err
	}
	go l.repeat(a)
	return l, nil
}

// warning says in a header why a description was not agreed to (RFC 3261 §20.43).
func (p *Phone) warning(err error) []string {
	code, text := media.Warning(err)
	return []string{"Warning", fmt.Sprintf("%d %s %q", code, p.endpoint.Addr(), text)}
}

// readInvite gathers what an INVITE says of its call.
func readInvite(req *sip.Request) releve.Invite {
	return releve.Invite{
		Call:       releve.CallID(req.CallID().Value()),
		From:       readWhom(sip.Value(req, "From")).user,
		To:         readWhom(sip.Value(req, "To")).user,
		Target:     sip.User(req.Recipient),
		Diversion:  diversions(sip.Values(req, "Diversion")),
		History:    history(sip.Values(req, "History-Info")),
		Source:     source(req).String(),
		TestID:     sip.Value(req, "X-Releve-Test"),
		ReceivedAt: time.Now(),
	}
}

// local is the address of a stream.
func (p *Phone) local(s *media.Stream) netip.AddrPort {
	return netip.AddrPortFrom(p.endpoint.Addr().Addr(), uint16(s.Port()))
}
