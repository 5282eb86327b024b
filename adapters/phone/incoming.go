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
	"releve/adapters/phone/dialog"
	"releve/adapters/phone/media"
	"releve/adapters/phone/sip"
)

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

// offered takes a new call and gives it to the handler.
func (p *Phone) offered(req *sip.Request, t *sip.Transaction) {
	if code, why, headers := unsuitable(req); code != 0 {
		p.unfit(req, t, code, errors.New(why), headers...)
		return
	}
	in := &Incoming{phone: p, req: req, t: t, invite: readInvite(req)}
	in.ctx, in.end = context.WithCancelCause(p.ctx)
	if !p.note(in) {
		in.end(nil)
		p.reply(t, 482)
		return
	}
	// Before the message behind the CANCEL is looked at, which may be the same call by
	// another way (RFC 3261 §8.2.2.2: merged is only what is still in progress).
	t.Cancelled(func() {
		p.forgetOffer(offerOf(req), in)
		in.end(ErrCancelled)
	})
	p.reply(t, 100)
	p.begin(func() {
		defer in.abandon()
		in.invite.Sound = p.sound(req) // here, for a long description keeps no other request waiting
		p.handler.Invite(in)
	})
}

// Unfit is a call that was refused for what it offers or asks: another server would have to
// refuse it too. As an error it is ErrNotAcceptable.
type Unfit struct {
	Invite releve.Invite // in what could be read of it
	Code   int           // of the refusal
	Why    error
	// Answered: the call was answered with an offer of ours, and its own came too late to be
	// refused; it was hung up.
	Answered bool
}

func (u *Unfit) Error() string { return u.Why.Error() }

// Is says that a call that is unfit is not acceptable.
func (u *Unfit) Is(target error) bool { return target == ErrNotAcceptable }

// unfit refuses a request for its form, and tells of a call.
func (p *Phone) unfit(req *sip.Request, t *sip.Transaction, code int, why error, headers ...string) {
	p.reply(t, code, headers...)
	if !req.IsInvite() {
		return
	}
	p.log.Warn("a call is refused for its form", "code", code, "why", why)
	in := readInvite(req)
	for _, user := range []*string{&in.From, &in.To, &in.Target} {
		*user = (*user)[:min(len(*user), maxUser)]
	}
	p.tell(Unfit{Invite: in, Code: code, Why: why})
}

func (p *Phone) tell(u Unfit) {
	if p.handler.Unfit != nil {
		p.begin(func() { p.handler.Unfit(u) })
	}
}

// maxUser bounds the names and numbers that a call is recorded with.
const maxUser = 255

// unsuitable says with which code an INVITE must be refused for its form.
func unsuitable(req *sip.Request) (code int, why string, headers []string) {
	accept := strings.ToLower(strings.Join(sip.Values(req, "Accept"), ","))
	_, err := description(req)
	contacts := sip.Contacts(req)
	switch {
	case len(contacts) != len(sip.Values(req, "Contact")) || len(contacts) > 1:
		return 400, "its Contact cannot be called back", nil
	case max(len(sip.FromAddress(req).URI.User), len(sip.ToAddress(req).URI.User), len(req.Recipient.User)) > maxUser:
		return 400, "a user of more than 255 bytes", nil
	case err != nil:
		return 415, err.Error(), []string{"Accept", "application/sdp, multipart/mixed", "Accept-Encoding", "identity"}
	case accept != "" && !strings.Contains(accept, "application/sdp") && !strings.Contains(accept, "/*"):
		return 406, "the PBX takes no session description", nil
	}
	return 0, "", nil
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
	context.AfterFunc(in.ctx, func() { p.forgetOffer(key, in) })
	return true
}

// forgetOffer forgets that offer, and no later one of the same call.
func (p *Phone) forgetOffer(key offer, in *Incoming) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.offers[key] == in {
		delete(p.offers, key)
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
	in.phone.forgetOffer(offerOf(in.req), in)
	err := in.t.Respond(code, nil, headers...)
	in.end(fmt.Errorf("the call was refused with %d", code))
	return err
}

// refuseUnfit refuses the offer for its own fault.
func (in *Incoming) refuseUnfit(code int, why error, headers ...string) error {
	u := &Unfit{Invite: in.invite, Code: code, Why: why}
	if err := in.refuse(code, headers...); err != nil {
		return errors.Join(u, err)
	}
	return u
}

// Answer picks the call up: a media port, our session description, 200 OK. It
// returns when the 200 is sent; until that is acknowledged it is repeated, and a call that
// nobody acknowledges is ended with BYE (RFC 3261 §13.3.1.4).
//
// ErrNoMediaPort leaves the call to be refused. After ErrNotAcceptable, an [*Unfit], it has
// been refused, after ErrCancelled the caller had gone.
func (in *Incoming) Answer(ctx context.Context) (*Leg, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if in.ctx.Err() != nil {
		return nil, context.Cause(in.ctx)
	}
	stream, err := in.phone.openStream()
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
	state, err := dialog.Answered(in.req, in.phone.contactFor(in.req), source(in.req))
	if err != nil {
		return nil, in.refuseUnfit(400, err)
	}
	state.Session, state.Version = rand.Uint64N(1<<62), 1
	l := in.phone.newLeg(state, stream, in.ctx, in.end)
	l.came = in
	offer, err := description(in.req)
	if err != nil {
		return nil, in.refuseUnfit(415, err)
	}
	late, err := l.describe(offer)
	if err != nil {
		return nil, in.refuseUnfit(488, err, in.phone.warning(err)...)
	}
	a := l.accept(in.req, in.t, late)
	// The ACK may be here before Respond returns: the leg must be known first.
	in.phone.keep(l)
	if err := a.answer(); err != nil {
		in.end(err)
		return nil, err
	}
	in.phone.begin(func() { l.repeat(a) })
	in.phone.begin(l.watchOver)
	return l, nil
}

// warning says in a header why a description was not agreed to (RFC 3261 §20.43).
func (p *Phone) warning(err error) []string {
	code, text := media.Warning(err)
	return []string{"Warning", fmt.Sprintf("%d %s %q", code, p.endpoint.Addr(), text)}
}

// sound tells what an INVITE offers to say and to hear.
func (p *Phone) sound(req *sip.Request) releve.Sound {
	offer, _ := description(req) // one that cannot be read was refused
	terms := media.Terms{
		Local: netip.AddrPortFrom(p.endpoint.Addr().Addr(), 0), Caller: source(req).Addr(), Networks: p.media.Networks(),
		Security: p.options.Security,
	}
	return terms.Sound(offer)
}

// readInvite gathers what the headers of an INVITE say of its call.
func readInvite(req *sip.Request) releve.Invite {
	return releve.Invite{
		Call:       releve.CallID(req.CallID().Value()),
		Tag:        sip.FromTag(req),
		From:       readWhom(sip.Value(req, "From")).user,
		To:         readWhom(sip.Value(req, "To")).user,
		Target:     readWhom(req.Recipient.String()).user,
		Diversion:  diversions(sip.Values(req, "Diversion")),
		History:    history(sip.Values(req, "History-Info")),
		TestID:     sip.Value(req, "X-Releve-Test"),
		Source:     source(req).Addr().Unmap(),
		ReceivedAt: time.Now(),
	}
}

// local is the address of a stream.
func (p *Phone) local(s *media.Stream) netip.AddrPort {
	return netip.AddrPortFrom(p.endpoint.Addr().Addr(), uint16(s.Port()))
}
