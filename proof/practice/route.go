package practice

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"releve/proof/practice/sip"
)

// call is one call on its way through the PBX, until somebody answers.
type call struct {
	pbx    *PBX
	caller *sip.ServerTx
	from   string
}

func (p *PBX) newCall(tx *sip.ServerTx) *call {
	return &call{pbx: p, caller: tx, from: userOf(tx.Request.Get("From"))}
}

// ending is how an attempt to reach a contact ended.
type ending int

const (
	answered ending = iota
	cancelled
	stopped // the PBX itself closes
	unregistered
	noReply
	noAnswer
	refused
)

// attempt is what became of a call offered to one contact.
type attempt struct {
	ending  ending
	contact string
	refusal *sip.Message // of ending refused
}

func (a attempt) code() int {
	if a.refusal == nil {
		return 0
	}
	return a.refusal.Status
}

// over says that the call needs no other contact.
func (a attempt) over() bool { return a.ending <= stopped }

// limits are the PBX's timers for one contact.
type limits struct{ reply, answer time.Duration }

func (c *call) route(ctx context.Context, number string) {
	switch {
	case number == c.pbx.options.Number || number == ReceptionUser:
		c.tell(CallOffered, attempt{})
		c.toReception(ctx)
	case isUser(number):
		c.toUser(ctx, number)
	default:
		c.caller.Answer(404)
	}
}

// toReception is the story of a call to the published number: the main, the
// standby when the main does not take it, the main again when the standby sends
// it back.
func (c *call) toReception(ctx context.Context) {
	main := c.tryMain(ctx, TryMain)
	if main.over() {
		return
	}
	if main.ending == refused && !overflows(main.code()) {
		c.passRefusal(main)
		return
	}
	if c.tryStandby(ctx, diversionReason(main)).over() {
		return
	}
	for n := range c.pbx.options.BackMax {
		if n > 0 && !c.pause(ctx) {
			return
		}
		if c.tryMain(ctx, BackToMain).over() {
			return
		}
	}
	c.tell(GiveUp, attempt{})
	c.caller.Answer(480)
}

// overflows says whether a refusal of the main sends the call on.
func overflows(code int) bool {
	return code == 408 || code == 480 || code == 486 || code >= 500 && code < 600
}

// diversionReason is RFC 5806's word for why the main did not take the call.
func diversionReason(main attempt) string {
	switch main.ending {
	case unregistered:
		return "unavailable"
	case refused:
		return "user-busy"
	default:
		return "no-answer"
	}
}

// What the PBX tells of an attempt that failed, for each of the two servers.
var (
	mainFailed = map[ending]Kind{
		unregistered: MainUnregistered, noReply: MainNoReply, noAnswer: MainNoAnswer, refused: MainRefused,
	}
	standbyFailed = map[ending]Kind{
		unregistered: StandbyUnregistered, noReply: StandbyNoReply, noAnswer: StandbyNoAnswer, refused: StandbyRefused,
	}
)

func (c *call) tryMain(ctx context.Context, kind Kind) attempt {
	a := c.offer(ctx, ReceptionUser, kind, c.pbx.serverLimits(), nil)
	if failed, ok := mainFailed[a.ending]; ok {
		c.tell(failed, a)
	}
	return a
}

func (c *call) tryStandby(ctx context.Context, reason string) attempt {
	a := c.offer(ctx, StandbyUser, Overflow, c.pbx.serverLimits(), func(invite *sip.Message) { c.pbx.mark(invite, reason) })
	if failed, ok := standbyFailed[a.ending]; ok {
		c.tell(failed, a)
	}
	return a
}

// causes are the words of RFC 5806 as RFC 7044 has them, by the code of RFC 4458 §2.1.
var causes = map[string]int{"unavailable": 503, "user-busy": 486, "no-answer": 408}

// mark has an overflowed call say that it did, as this kind of PBX does.
func (p *PBX) mark(invite *sip.Message, reason string) {
	if p.options.Diversion {
		invite.Add("Diversion", fmt.Sprintf("<sip:%s@%s>;reason=%s;counter=1", ReceptionUser, p.options.Realm, reason))
	}
	if p.options.History {
		invite.Add("History-Info", fmt.Sprintf("<sip:%s@%s?Reason=SIP%%3Bcause%%3D%d>;index=1", ReceptionUser, p.options.Realm, causes[reason]))
		invite.Add("History-Info", fmt.Sprintf("<sip:%s@%s>;index=1.1", StandbyUser, p.options.Realm))
	}
}

func (p *PBX) serverLimits() limits {
	return limits{reply: p.options.NoReply, answer: p.options.NoAnswer}
}

// phoneLimits are those of a call to a telephone, which may ring for a minute.
var phoneLimits = limits{reply: 4 * time.Second, answer: time.Minute}

func (c *call) toUser(ctx context.Context, user string) {
	a := c.offer(ctx, user, CallUser, phoneLimits, nil)
	switch a.ending {
	case unregistered:
		c.caller.Answer(480)
	case noReply, noAnswer:
		c.caller.Answer(408)
	case refused:
		c.passRefusal(a)
	}
}

// pause waits before the main is tried again; false when the caller is gone.
func (c *call) pause(ctx context.Context) bool {
	wait := time.NewTimer(c.pbx.options.BackDelay)
	defer wait.Stop()
	select {
	case <-wait.C:
		return true
	case <-c.caller.Cancelled():
		c.cancelled(attempt{})
		return false
	case <-ctx.Done():
		return false
	}
}

// offer sends the call to a user's contact, with a mark where it has one, and waits for what comes of it.
func (c *call) offer(ctx context.Context, user string, kind Kind, lim limits, mark func(*sip.Message)) attempt {
	binding, ok := c.pbx.registrar.find(user)
	if !ok {
		return attempt{ending: unregistered}
	}
	a := attempt{contact: binding.Contact}
	uri, err := sip.ParseURI(binding.Contact)
	to, errTo := uri.Address()
	if err != nil || errTo != nil { // the registrar takes no such contact
		a.ending = unregistered
		return a
	}
	invite := c.pbx.forwarded(c.caller.Request, uri)
	invite.Remove("Proxy-Authorization")
	invite.Prepend("Record-Route", fmt.Sprintf("<sip:%s;lr>", c.pbx.Addr()))
	if c.pbx.options.Rewrites {
		invite.Set("To", fmt.Sprintf("<sip:%s@%s>", user, c.pbx.options.Realm))
	}
	if mark != nil {
		mark(invite)
	}
	c.tell(kind, a)
	a.ending, a.refusal = c.await(ctx, &branch{pbx: c.pbx, tx: c.pbx.endpoint.Send(invite, to)}, lim)
	switch a.ending {
	case answered:
		c.tell(Answered, a)
	case cancelled:
		c.cancelled(a)
	}
	return a
}

// await passes on what a branch says until it answers, refuses or runs out of time.
func (c *call) await(ctx context.Context, b *branch, lim limits) (ending, *sip.Message) {
	clock := time.NewTimer(lim.reply)
	defer clock.Stop()
	for {
		select {
		case <-c.caller.Cancelled():
			b.abandon()
			return cancelled, nil
		case <-ctx.Done():
			return stopped, nil
		case <-clock.C:
			b.abandon()
			if b.heard {
				return noAnswer, nil
			}
			return noReply, nil
		case res, ok := <-b.tx.Responses():
			switch {
			case !ok:
				return noReply, nil
			case res.Success():
				c.connect(b, res)
				return answered, nil
			case !res.Provisional():
				return refused, res
			}
			if !b.heard {
				b.heard = true
				clock.Reset(lim.answer)
			}
			if res.Status > 100 {
				c.caller.Respond(c.pbx.back(res))
			}
		}
	}
}

// connect passes an answer to the caller, and each repetition of it, since only
// the caller's ACK ends them (RFC 6026).
func (c *call) connect(b *branch, res *sip.Message) {
	c.caller.Respond(c.pbx.back(res))
	c.pbx.endpoint.Go(func(context.Context) {
		for again := range b.tx.Responses() {
			c.caller.Respond(c.pbx.back(again))
		}
	})
}

func (c *call) passRefusal(a attempt) {
	c.tell(Refused, a)
	c.caller.Respond(c.pbx.back(a.refusal))
}

func (c *call) cancelled(a attempt) {
	c.tell(Cancelled, a)
	c.caller.Answer(487)
}

func (c *call) tell(kind Kind, a attempt) {
	c.pbx.tell(Event{Kind: kind, Call: callOf(c.caller.Request), User: c.from, Code: a.code(), Contact: a.contact})
}

// branch is the call as offered to one contact.
type branch struct {
	pbx   *PBX
	tx    *sip.ClientTx
	heard bool // a provisional response came
}

// abandon takes the offer back. A contact that was silent may wake up later, and
// must not keep a call that another took: its late ringing gets a CANCEL, its late
// answer an ACK and a BYE.
func (b *branch) abandon() {
	b.tx.Quiet()
	asked := b.heard
	if asked {
		b.tx.Cancel()
	}
	b.pbx.endpoint.Go(func(context.Context) {
		for res := range b.tx.Responses() {
			switch {
			case res.Success():
				b.hangUp(res)
			case res.Provisional() && !asked:
				asked = true
				b.tx.Cancel()
			}
		}
	})
}

// hangUp ends a call that nobody wanted any more.
func (b *branch) hangUp(res *sip.Message) {
	number, _ := b.tx.Request.CSeq()
	contact, err := sip.ParseURI(res.Get("Contact"))
	if err != nil {
		return // without a contact there is nowhere to send a BYE
	}
	for _, step := range []struct {
		method string
		cseq   uint32
	}{{"ACK", number}, {"BYE", number + 1}} {
		m := &sip.Message{Method: step.method, URI: contact.String()}
		b.pbx.endpoint.PrependVia(m)
		m.Add("From", res.Get("From"))
		m.Add("To", res.Get("To"))
		m.Add("Call-ID", res.CallID())
		m.Add("CSeq", strconv.FormatUint(uint64(step.cseq), 10)+" "+step.method)
		m.Add("Max-Forwards", "70")
		if step.method == "ACK" {
			b.pbx.endpoint.Write(m, b.tx.To)
		} else {
			b.pbx.endpoint.Send(m, b.tx.To)
		}
	}
}

// forwarded is a request as the PBX sends it on: one hop less, its Via on top.
func (p *PBX) forwarded(req *sip.Message, uri sip.URI) *sip.Message {
	f := req.Clone()
	f.URI = uri.String()
	f.Set("Max-Forwards", strconv.Itoa(max(hops(req)-1, 0)))
	p.endpoint.PrependVia(f)
	p.relay.describe(f)
	return f
}

// back is a response as the PBX passes it back.
func (p *PBX) back(res *sip.Message) *sip.Message {
	back := res.Clone()
	back.RemoveFirst("Via")
	p.relay.describe(back)
	return back
}

// relayInDialog sends a request inside a call along its route set: re-INVITE,
// REFER, NOTIFY, BYE and what is yet to be invented pass through alike.
func (p *PBX) relayInDialog(tx *sip.ServerTx) {
	req := tx.Request.Clone()
	own, err := sip.ParseURI(req.Get("Route"))
	if err != nil || !p.isOwn(own) || hops(req) == 0 {
		if req.Method != "ACK" {
			tx.Answer(481)
		}
		return
	}
	req.RemoveFirst("Route")
	uri, errURI := sip.ParseURI(req.URI)
	next := uri
	if further := req.Get("Route"); further != "" {
		next, err = sip.ParseURI(further)
	}
	to, errTo := next.Address()
	if err != nil || errURI != nil || errTo != nil {
		tx.Answer(404)
		return
	}
	f := p.forwarded(req, uri)
	if req.Method == "ACK" {
		p.endpoint.Write(f, to)
		return
	}
	p.tellInDialog(req)
	down := p.endpoint.SendFunc(f, to, func(res *sip.Message) {
		if res.Status > 100 {
			tx.Respond(p.back(res))
		}
	})
	p.endpoint.Go(func(ctx context.Context) { superviseRelay(ctx, tx, down) })
}

func (p *PBX) tellInDialog(req *sip.Message) {
	kinds := map[string]Kind{"BYE": Hangup, "REFER": Referred}
	if kind, ok := kinds[req.Method]; ok {
		p.tell(Event{Kind: kind, Call: callOf(req), User: userOf(req.Get("From"))})
	}
}

// superviseRelay passes a CANCEL on, and answers 408 when nothing came.
func superviseRelay(ctx context.Context, up *sip.ServerTx, down *sip.ClientTx) {
	cancelled := up.Cancelled()
	for {
		select {
		case <-ctx.Done():
			return
		case <-cancelled:
			cancelled = nil
			down.Cancel()
		case _, ok := <-down.Responses():
			if !ok {
				up.Answer(408) // ignored when there was a final response
				return
			}
		}
	}
}
