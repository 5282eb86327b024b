package phone

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"strconv"
	"strings"
	"time"

	"releve"

	"releve/adapters/phone/dialog"
	"releve/adapters/phone/media"
	"releve/adapters/phone/register"
	"releve/adapters/phone/sip"
)

// enoughPackets is how many packets of sound prove a call: one could be a stray.
const enoughPackets = 5

// TestCall calls a number as a user of the PBX, waits for the answer and for sound, and
// hangs up. The call bears testID in X-Releve-Test. What was seen before a failure is
// returned with it; a refusal is a [*register.StatusError]. Bound it with ctx: a PBX may let a
// call ring for ever.
func (p *Phone) TestCall(ctx context.Context, a Account, number, testID string) (seen releve.TestCall, err error) {
	if strings.ContainsAny(testID, "\r\n") {
		return seen, errors.New("the test's id must be one line")
	}
	begin := time.Now()
	l, err := p.call(ctx, a, number, testHeader, testID)
	if err != nil {
		return seen, err
	}
	defer func() { _ = l.Hangup(ctx) }() // the test is over, and BYE goes on without us
	seen.AnsweredAfter = time.Since(begin)
	target, err := sip.ParseURI(l.Dialog().RemoteTarget)
	if err != nil {
		return seen, err
	}
	seen.AnsweredBy = hostPort(target)
	select {
	case <-l.stream.Received():
		seen.SoundAfter = time.Since(begin)
	case <-l.Gone():
		return seen, releve.Because(context.Cause(l.ctx), "the call was answered and no sound came", "cause-no-sound")
	case <-ctx.Done():
		return seen, releve.Because(context.Cause(ctx), "the call was answered and no sound came", "cause-no-sound")
	}
	return seen, l.hear(ctx)
}

// Call calls a number as a user of the PBX, and gives the call when it is answered. It bears testID
// as [Phone.TestCall]'s does.
func (p *Phone) Call(ctx context.Context, a Account, number, testID string) (*Leg, error) {
	return p.call(ctx, a, number, testHeader, testID)
}

// hear waits for enough packets.
func (l *Leg) hear(ctx context.Context) error {
	tick := time.NewTicker(20 * time.Millisecond) // that of the packets
	defer tick.Stop()
	for {
		heard := int(l.Stats().Received)
		if heard >= enoughPackets {
			return nil
		}
		select {
		case <-tick.C:
		case <-l.Gone():
			return soundStopped(l.ctx, heard)
		case <-ctx.Done():
			return soundStopped(ctx, heard)
		}
	}
}

func soundStopped(ctx context.Context, heard int) error {
	return releve.Because(context.Cause(ctx), fmt.Sprintf("the sound stopped after %d packets", heard), "cause-sound-stopped")
}

func hostPort(u sip.URI) string {
	if u.Port == 0 {
		return u.Host + ":5060"
	}
	return u.Host + ":" + strconv.Itoa(u.Port)
}

// call places a call and returns when it is answered and acknowledged.
func (p *Phone) call(ctx context.Context, a Account, number string, headers ...string) (*Leg, error) {
	stream, err := p.openStream()
	if err != nil {
		return nil, err
	}
	session := mathrand.Uint64N(1 << 62)
	offer := media.Offer(p.local(stream), session, 1, media.SendRecv)
	req, err := p.newInvite(a, number, offer, headers)
	if err != nil {
		stream.Close()
		return nil, err
	}
	res, err := p.place(ctx, p.registrar.Credentials(a), req)
	if err != nil {
		stream.Close()
		return nil, err
	}
	l, err := p.establish(res, stream)
	if err != nil {
		stream.Close()
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state.Session, l.state.Version = session, 1
	l.state.LocalSDP, l.state.RemoteSDP = string(offer), string(res.Body())
	return l, nil
}

func (p *Phone) newInvite(a Account, number string, offer []byte, headers []string) (*sip.Request, error) {
	uri := "sip:" + sip.Escape(number) + "@" + p.options.Domain
	target, err := sip.ParseURI(uri)
	if err != nil {
		return nil, err
	}
	from := "<sip:" + sip.Escape(a.User) + "@" + p.options.Domain + ">"
	req, err := sip.NewRequest("INVITE", target, from, rand.Text(), "<"+uri+">", "", rand.Text(), 1)
	if err != nil {
		return nil, err
	}
	sip.Set(req, "Contact", "<"+p.contact(a.User)+">")
	sip.Set(req, "Allow", p.methods())
	sip.Set(req, "Content-Type", "application/sdp")
	for i := 0; i+1 < len(headers); i += 2 {
		sip.Set(req, headers[i], headers[i+1])
	}
	req.SetBody(offer)
	req.SetDestination(p.options.PBX.String())
	return req, nil
}

// place sends an INVITE, and again for each challenge, and waits for its final
// response. When ctx ends before that, the call is cancelled in the background.
func (p *Phone) place(ctx context.Context, who sip.Credentials, req *sip.Request) (*sip.Response, error) {
	var challenges sip.Authorizer
	for {
		tx, sent, err := p.endpoint.Start(ctx, req)
		if err != nil {
			return nil, fmt.Errorf("INVITE: %w", err)
		}
		tx.OnRetransmission(p.answeredAgain)
		res, err := p.final(ctx, tx, sent)
		if err != nil {
			return nil, fmt.Errorf("INVITE: %w", err)
		}
		if res.IsSuccess() {
			return res, nil // the transaction stays to hear the 200 again
		}
		p.endpoint.Refused(tx, sent, res)
		again, err := challenges.Again(req, res, who)
		if err != nil {
			return nil, err
		}
		if again == nil {
			return nil, &register.StatusError{
				Code: res.StatusCode, Reason: res.Reason,
				Request: "INVITE " + req.Recipient.String(),
			}
		}
		again.CSeq().SeqNo++
		req = again
	}
}

// final waits for the final response to an INVITE. Ringing may be told any number of times.
func (p *Phone) final(ctx context.Context, tx *sip.ClientTransaction, sent *sip.Request) (*sip.Response, error) {
	ringing := false
	for {
		res, err := sip.Next(ctx, tx)
		if err != nil && ctx.Err() != nil {
			p.errand(func() { p.giveUp(tx, sent, ringing) })
			return nil, err
		}
		if err != nil || !res.IsProvisional() {
			return res, err
		}
		ringing = true
	}
}

// giveUp cancels a call of ours (RFC 3261 §9.1): not before a provisional response. An
// answer that crosses the CANCEL is acknowledged and hung up, or it would be a ghost.
func (p *Phone) giveUp(tx *sip.ClientTransaction, sent *sip.Request, ringing bool) {
	ctx, stop := context.WithTimeout(p.ctx, 64*sip.T1)
	defer stop()
	if ringing {
		p.errand(func() { p.cancel(ctx, sent) })
	}
	for {
		res, err := sip.Next(ctx, tx)
		switch {
		case err != nil:
			tx.Terminate()
			return
		case res.IsSuccess():
			if !p.acknowledgeAgain(res) { // of a re-INVITE: the call goes on
				p.dismiss(res)
			}
			return
		case !res.IsProvisional():
			p.endpoint.Refused(tx, sent, res)
			return
		case !ringing:
			ringing = true
			p.errand(func() { p.cancel(ctx, sent) })
		}
	}
}

func (p *Phone) cancel(ctx context.Context, sent *sip.Request) {
	if _, err := p.endpoint.Do(ctx, sip.Cancel(sent)); err != nil {
		p.log.Warn("CANCEL not answered", "call", sent.CallID().Value(), "error", err)
	}
}

// establish makes a leg of the answer to our INVITE and acknowledges it.
func (p *Phone) establish(res *sip.Response, stream *media.Stream) (*Leg, error) {
	state, err := dialog.Placed(res, p.contactOf(res), p.options.PBX)
	if err != nil {
		return nil, err
	}
	ctx, end := context.WithCancelCause(p.ctx)
	l := p.newLeg(state, stream, ctx, end)
	l.confirms()
	p.keep(l)
	if err := l.ack(res); err != nil {
		return nil, errors.Join(err, l.drop(err))
	}
	l.mu.Lock()
	terms := l.terms()
	l.mu.Unlock()
	remote, format, err := terms.ParseAnswer(res.Body())
	if err != nil {
		return nil, errors.Join(err, l.drop(err))
	}
	stream.Agree(remote, format)
	stream.Speak()
	return l, nil
}

func (p *Phone) contactOf(res *sip.Response) string {
	return p.contact(sip.User(sip.FromAddress(res).URI))
}

// ack acknowledges a 2xx to our INVITE.
func (l *Leg) ack(res *sip.Response) error {
	l.mu.Lock()
	ack, err := l.state.Ack(res.CSeq().SeqNo)
	l.mu.Unlock()
	if err != nil {
		return err
	}
	return l.phone.endpoint.Send(ack)
}

// answeredAgain takes a 2xx that comes again in its transaction: our ACK was lost, or
// a fork has answered too and must be let go (RFC 3261 §13.2.2.4).
func (p *Phone) answeredAgain(res *sip.Response) {
	if !p.acknowledgeAgain(res) {
		p.errand(func() { p.dismiss(res) })
	}
}

// acknowledgeAgain repeats the ACK of a call that is known.
func (p *Phone) acknowledgeAgain(res *sip.Response) bool {
	if res.CSeq().MethodName != "INVITE" || !res.IsSuccess() {
		return false
	}
	l := p.leg(dialog.ID{CallID: res.CallID().Value(), LocalTag: sip.FromTag(res), RemoteTag: sip.ToTag(res)})
	if l == nil {
		return false
	}
	if err := l.ack(res); err != nil {
		p.log.Warn("ACK not sent", "call", res.CallID().Value(), "error", err)
	}
	return true
}

// dismiss acknowledges and hangs up a call that nobody wants any more.
func (p *Phone) dismiss(res *sip.Response) {
	state, err := dialog.Placed(res, p.contactOf(res), p.options.PBX)
	if err != nil {
		p.log.Warn("a call that was given up cannot be hung up", "error", err)
		return
	}
	ack, err := state.Ack(res.CSeq().SeqNo)
	if err == nil {
		err = p.endpoint.Send(ack)
	}
	bye, errBye := state.Request("BYE")
	if errBye == nil {
		_, errBye = p.endpoint.Do(p.ctx, bye)
	}
	if err := errors.Join(err, errBye); err != nil {
		p.log.Warn("a call that was given up was not hung up", "call", state.CallID, "error", err)
	}
}
