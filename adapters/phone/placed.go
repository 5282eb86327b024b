package phone

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"releve/adapters/phone/dialog"
	"releve/adapters/phone/register"
	"releve/adapters/phone/sip"
)

// place sends an INVITE, and again for each challenge, and waits for its final response, which it returns
// with a refusal too. What rings, where it is not nil, is told of each provisional one. When ctx ends before
// that, the call is cancelled in the background.
func (p *Phone) place(ctx context.Context, who sip.Credentials, req *sip.Request, rings func(*sip.Response)) (*sip.Response, error) {
	var challenges sip.Authorizer
	for {
		tx, sent, err := p.endpoint.Start(ctx, req)
		if err != nil {
			return nil, fmt.Errorf("INVITE: %w", err)
		}
		var kept atomic.Pointer[string]
		tx.OnRetransmission(func(res *sip.Response) { p.answeredAgain(res, kept.Load()) })
		res, err := p.final(ctx, tx, sent, rings)
		if err != nil {
			return nil, fmt.Errorf("INVITE: %w", err)
		}
		if res.IsSuccess() {
			tag := sip.ToTag(res)
			kept.Store(&tag)
			return res, nil // the transaction stays to hear the 200 again
		}
		p.endpoint.Refused(tx, sent, res)
		again, err := challenges.Again(req, res, who)
		if err != nil {
			return nil, err
		}
		if again == nil {
			return res, &register.StatusError{
				Code: res.StatusCode, Reason: res.Reason,
				Request: "INVITE " + req.Recipient.String(),
			}
		}
		again.CSeq().SeqNo++
		req = again
	}
}

// final waits for the final response to an INVITE. Ringing may be told any number of times.
func (p *Phone) final(ctx context.Context, tx *sip.ClientTransaction, sent *sip.Request, rings func(*sip.Response)) (*sip.Response, error) {
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
		if rings != nil {
			rings(res)
		}
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

// answeredAgain takes a 2xx that comes again in its transaction: our ACK was lost, or a fork has answered
// too and must be let go (RFC 3261 §13.2.2.4). The one that was kept may have no leg yet.
func (p *Phone) answeredAgain(res *sip.Response, kept *string) {
	if !p.acknowledgeAgain(res) && (kept == nil || sip.ToTag(res) != *kept) {
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
	state, err := dialog.Placed(res, p.contactOf(res), p.pbx())
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
