package practice

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"releve/proof/practice/sip"
)

// PhoneOptions say how a practice telephone behaves. Those with a default may be
// zero.
type PhoneOptions struct {
	Listen, PBX    netip.AddrPort
	Domain         string // of the PBX's users, default its address
	User, Password string
	Ring           time.Duration // how long it rings before it is answered
	Talk           time.Duration // after that it hangs up, 0: never
	Busy           bool          // refuses each call with 486
	Expires        time.Duration // of its registration, default 1 min
	Log            *slog.Logger
}

// Phone is a telephone of the establishment: it registers and answers its calls.
type Phone struct {
	options PhoneOptions
	line    *line
	taken   atomic.Int64
}

// registerLimit bounds one REGISTER, its challenge included.
const registerLimit = 5 * time.Second

// NewPhone registers a telephone and lets it ring. The error says when its
// address is taken or the PBX refuses it ([StatusError]).
func NewPhone(ctx context.Context, o PhoneOptions) (*Phone, error) {
	if o.Log == nil {
		return nil, errors.New("a practice telephone needs a logger")
	}
	o.Expires = orElse(o.Expires, time.Minute)
	l, err := openLine(lineOptions{o.Listen, o.PBX, o.Domain, sip.Account{User: o.User, Password: o.Password}, o.Log})
	if err != nil {
		return nil, err
	}
	p := &Phone{options: o, line: l}
	l.ring = p.ring
	l.serve()
	if err := p.register(ctx, o.Expires); err != nil {
		return nil, errors.Join(err, l.close())
	}
	l.endpoint.Go(p.stayRegistered)
	return p, nil
}

// Taken is how many calls the telephone has answered.
func (p *Phone) Taken() int64 { return p.taken.Load() }

// Close takes the registration back and stops, whatever calls there are.
func (p *Phone) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := p.line.register(ctx, 0); err != nil {
		p.options.Log.Debug("telephone leaves its binding behind", "user", p.options.User, "error", err)
	}
	return p.line.close()
}

func (p *Phone) register(ctx context.Context, expires time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, registerLimit)
	defer cancel()
	return p.line.register(ctx, expires)
}

// stayRegistered refreshes at half the time, and after a failure every second.
func (p *Phone) stayRegistered(ctx context.Context) {
	wait := p.options.Expires / 2
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		wait = p.options.Expires / 2
		if err := p.register(ctx, p.options.Expires); err != nil && ctx.Err() == nil {
			p.options.Log.Warn("practice telephone is not registered", "user", p.options.User, "error", err)
			wait = time.Second
		}
	}
}

func (p *Phone) ring(tx *sip.ServerTx) {
	if p.options.Busy {
		tx.Answer(486)
		return
	}
	p.line.endpoint.Go(func(ctx context.Context) {
		if err := p.take(ctx, tx); err != nil {
			p.options.Log.Debug("practice telephone", "user", p.options.User, "call", tx.Request.CallID(), "error", err)
		}
	})
}

// take lives through one call: it rings, is answered, talks and ends.
func (p *Phone) take(ctx context.Context, tx *sip.ServerTx) error {
	g, m, err := p.line.incoming(tx)
	if err != nil {
		tx.Answer(488)
		return err
	}
	defer g.end()
	if !p.ringing(ctx, tx, g) {
		tx.Answer(487)
		return nil
	}
	g.answer(tx, answerSDP(g.sound.addr(), m))
	g.sound.start(m)
	p.taken.Add(1)
	return p.talk(ctx, g)
}

// ringing says whether the caller waited until the telephone was picked up.
func (p *Phone) ringing(ctx context.Context, tx *sip.ServerTx, g *leg) bool {
	res := tx.Request.Response(180)
	res.Set("To", g.local)
	res.Add("Contact", g.line.contact())
	tx.Respond(res)
	select {
	case <-time.After(p.options.Ring):
		return true
	case <-tx.Cancelled():
		return false
	case <-ctx.Done():
		return false
	}
}

func (p *Phone) talk(ctx context.Context, g *leg) error {
	var enough <-chan time.Time
	if p.options.Talk > 0 {
		enough = time.After(p.options.Talk)
	}
	select {
	case <-g.gone:
		return nil
	case <-ctx.Done():
		return nil
	case <-enough:
		return g.hangUp(ctx)
	}
}

// incoming makes a leg of a call that comes in, not answered yet.
func (l *line) incoming(tx *sip.ServerTx) (*leg, media, error) {
	req := tx.Request
	m, errSDP := readSDP(req.Body)
	target, errTarget := sip.ParseURI(req.Get("Contact"))
	if err := errors.Join(errSDP, errTarget); err != nil {
		return nil, m, fmt.Errorf("cannot take the call: %w", err)
	}
	g, err := l.newLeg(req.CallID())
	if err != nil {
		return nil, m, err
	}
	g.local = sip.WithTag(req.Get("To"), sip.NewTag())
	g.establish(req.Get("From"), target, slices.Clone(req.All("Record-Route")), 0)
	return g, m, nil
}
