package phone

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"

	"releve"

	"releve/adapters/phone/dialog"
	"releve/adapters/phone/media"
	"releve/adapters/phone/sip"
)

// ErrOutsidePlan: the number is not one that may be dialled. Nothing was sent to it.
var ErrOutsidePlan = releve.Known("the number is not in the number plan", "cause-outside-plan")

// Plan is what may be dialled, and nothing else is (SPEC K7).
type Plan interface{ Holds(number string) bool }

// Dialling is a call that this server makes.
type Dialling struct {
	As     Account // the user of the PBX as whom it calls: the same from either server (SPEC T3)
	Number string
	Plan   Plan
	Name   string // that is shown of the caller, printable ASCII without quotes; "": none
	// Headers are pairs of names and values that the call bears.
	Headers []string
	// Ringing is told of each 180 to 199: its code, and whether what is heard of the call from now on is
	// sound of whoever rings (early media). It must not wait. Nil: nobody is.
	Ringing func(code int, early bool)

	early func(*media.Stream) // is given the call's sound when whoever rings is first heard
}

// Dial calls a number through the PBX, and returns when the call is answered and acknowledged. It goes on
// for as long as ctx allows: a PBX may let a call ring for ever. A call that is given up is cancelled, and
// an answer that crosses that is hung up.
//
// Of several telephones that ring or answer for one call (forks) the first to answer has it; any other is hung
// up (RFC 3261 §13.2.2.4). A redirection is followed to numbers of the plan alone. What refuses the call is a
// [*register.StatusError]; [ErrOutsidePlan] and [ErrNoMediaPort] are of calls that were not made.
func (p *Phone) Dial(ctx context.Context, d Dialling) (*Leg, error) {
	if !d.Plan.Holds(d.Number) {
		return nil, ErrOutsidePlan
	}
	stream, err := p.openStream()
	if err != nil {
		return nil, err
	}
	p.know(d.As)
	c := &outward{
		Dialling: d, phone: p, stream: stream, callID: rand.Text(), tag: rand.Text(), session: mathrand.Uint64N(1 << 62),
		described: map[string][]byte{},
	}
	c.offer = c.terms().Offer(c.session, 1, media.SendRecv)
	l, err := c.connect(ctx)
	if err != nil {
		stream.Close()
		return nil, err
	}
	p.begin(l.watchOver)
	return l, nil
}

// know has the password of a user at hand for what the PBX asks within a call of his.
func (p *Phone) know(a Account) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, known := p.accounts[a.User]; !known {
		p.accounts[a.User] = a
	}
}

// outward is a call of ours that is not answered yet.
type outward struct {
	Dialling
	phone       *Phone
	stream      *media.Stream
	callID, tag string
	session     uint64
	offer       []byte
	described   map[string][]byte // the descriptions of those who ring, by their tags
	heard       string            // the tag of whose sound is heard
}

// connect places the call and makes a leg of its answer.
func (c *outward) connect(ctx context.Context) (*Leg, error) {
	res, err := c.reach(ctx)
	if err != nil {
		return nil, err
	}
	answer, err := c.agreed(res)
	l, failed := c.phone.establish(res, c.stream, c.session)
	if failed != nil {
		return nil, failed
	}
	if err == nil {
		err = l.settleAnswer(c.offer, answer)
	}
	if err != nil {
		return nil, errors.Join(err, l.drop(err))
	}
	return l, nil
}

// agreed is the description of whoever answered. One who gave it while he rang need not repeat it (RFC 3261
// §13.2.1).
func (c *outward) agreed(res *sip.Response) ([]byte, error) {
	answer, err := description(res)
	if err == nil && len(answer) == 0 {
		answer = c.described[sip.ToTag(res)]
	}
	return answer, err
}

// invite builds the INVITE for a number, in the order of those that were sent for this call before.
func (c *outward) invite(number string, seq uint32) (*sip.Request, error) {
	domain := c.phone.options.Domain
	target, err := sip.ParseURI("sip:" + sip.Escape(number) + "@" + domain)
	if err != nil {
		return nil, err
	}
	from, to := c.shown()+"<sip:"+sip.Escape(c.As.User)+"@"+domain+">", "<sip:"+sip.Escape(c.Number)+"@"+domain+">"
	req, err := sip.NewRequest("INVITE", target, from, c.tag, to, "", c.callID, seq)
	if err != nil {
		return nil, err
	}
	sip.Set(req, "Contact", "<"+c.phone.contact(c.As.User)+">")
	sip.Set(req, "Allow", sip.Methods)
	sip.Set(req, "Content-Type", "application/sdp")
	for i := 0; i+1 < len(c.Headers); i += 2 {
		sip.Set(req, c.Headers[i], c.Headers[i+1])
	}
	req.SetBody(c.offer)
	req.SetDestination(c.phone.pbx().String())
	return req, nil
}

// shown is the name in front of an address.
func (c *outward) shown() string {
	if c.Name == "" {
		return ""
	}
	return `"` + c.Name + `" `
}

// rings takes in a sign that the call is on its way. The first who gives sound of his own before he answers is
// heard; a telephone that rings for the same call beside him is not.
func (c *outward) rings(res *sip.Response) {
	tag := sip.ToTag(res)
	if res.StatusCode == 100 || tag == "" {
		return
	}
	if sound, err := description(res); err == nil && len(sound) > 0 {
		c.described[tag] = sound
		c.hear(tag, sound)
	}
	if c.Ringing != nil {
		c.Ringing(res.StatusCode, c.heard != "")
	}
}

func (c *outward) terms() media.Terms {
	return c.phone.terms(c.stream, c.phone.pbx().Addr(), false)
}

func (c *outward) hear(tag string, sound []byte) {
	if c.heard != "" && c.heard != tag || len(c.described) > maxForks {
		return
	}
	if remote, format, err := c.terms().ParseAnswer(sound); err == nil {
		c.stream.Agree(remote, format)
		if c.heard == "" && c.early != nil {
			c.early(c.stream)
		}
		c.heard = tag
	}
}

// maxForks bounds the telephones that are listened to before one answers.
const maxForks = 32

// establish makes a leg of the answer to our INVITE and acknowledges it.
func (p *Phone) establish(res *sip.Response, stream *media.Stream, session uint64) (*Leg, error) {
	state, err := dialog.Placed(res, p.contactOf(res), p.pbx())
	if err != nil {
		return nil, err
	}
	state.Session, state.Version = session, 1
	ctx, end := context.WithCancelCause(p.ctx)
	l := p.newLeg(state, stream, ctx, end)
	l.confirms()
	p.keep(l)
	if err := l.ack(res); err != nil {
		return nil, errors.Join(err, l.drop(err))
	}
	return l, nil
}

// settleAnswer takes over what was agreed on with the offer of the INVITE, and lets the call speak.
func (l *Leg) settleAnswer(offer, answer []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	remote, format, err := l.terms().ParseAnswer(answer)
	if err != nil {
		return fmt.Errorf("the answer to our call: %w", err)
	}
	l.state.LocalSDP, l.state.RemoteSDP = string(offer), string(answer)
	l.agree(remote, format)
	l.stream.Speak()
	return nil
}

func (p *Phone) contactOf(res *sip.Response) string {
	return p.contact(sip.User(sip.FromAddress(res).URI))
}
