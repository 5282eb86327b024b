package practice

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"releve"
	"releve/proof/practice/sip"
)

// CallerOptions say who calls. Several calls of one caller can go on at once.
type CallerOptions struct {
	Listen, PBX    netip.AddrPort
	Domain         string // of the PBX's users, default its address
	User, Password string // the password is used when the PBX asks for one
	Log            *slog.Logger
}

// CallOptions say what a caller does. Those with a default may be zero.
type CallOptions struct {
	Number   string        // dialled
	Digits   string        // pressed once a voice is heard, "" none
	Think    time.Duration // between the first sound and the first key, default 300 ms
	Hold     time.Duration // how long the caller talks before hanging up, default 1 s
	Patience time.Duration // without an answer, a sound or a transfer he gives up, default 20 s
}

// Side is one end of a call.
type Side string

// The two ends.
const (
	CallerSide Side = "caller"
	CalleeSide Side = "callee"
)

// Result is what a caller lived through, as he measured it himself.
type Result struct {
	Call            releve.CallID
	OfferedAt       time.Time
	Answered        bool          // 200 came
	FirstSoundAfter time.Duration // from the INVITE to the first packet louder than silence; 0: none
	Code            int           // final SIP status, 0 when none came
	Transferred     bool          // a REFER was followed and its call was answered
	TransferCode    int           // what the REFER's call got, 0: no REFER
	EndedBy         Side          // "" when the call was never answered
	Cleanly         bool          // a BYE said it and was understood
	Err             error         // what went wrong that no SIP status tells
}

// Heard says that a voice answered: a 200 and a sound.
func (r Result) Heard() bool { return r.Answered && r.FirstSoundAfter > 0 }

// Refused says that the call got a final refusal.
func (r Result) Refused() bool { return r.Code >= 300 }

// Lost says that the caller heard nothing, neither a voice nor a refusal.
func (r Result) Lost() bool { return !r.Heard() && !r.Refused() }

// deadAfter is how long a line without one packet is held for alive: the
// attendant sends sound or silence all the time.
const deadAfter = 3 * time.Second

// Caller is somebody who telephones.
type Caller struct {
	line *line
}

// NewCaller gives a caller a line. The error says when its address is taken.
func NewCaller(o CallerOptions) (*Caller, error) {
	if o.Log == nil {
		return nil, errors.New("a practice caller needs a logger")
	}
	l, err := openLine(lineOptions{o.Listen, o.PBX, o.Domain, sip.Account{User: o.User, Password: o.Password}, o.Log})
	if err != nil {
		return nil, err
	}
	l.serve()
	return &Caller{line: l}, nil
}

// Close hangs the line up without a word: let the calls end before.
func (c *Caller) Close() error { return c.line.close() }

// Call makes one call and lives through it to its end, or until ctx ends, when he
// hangs up.
func (c *Caller) Call(ctx context.Context, o CallOptions) Result {
	o.Think = orElse(o.Think, 300*time.Millisecond)
	o.Hold = orElse(o.Hold, time.Second)
	o.Patience = orElse(o.Patience, 20*time.Second)
	id := c.line.newID()
	t := &talk{caller: c, options: o, result: Result{Call: releve.CallID(id), OfferedAt: time.Now()}}
	waiting, cancel := context.WithTimeout(ctx, o.Patience)
	defer cancel()
	g, code, err := c.line.dial(waiting, id, c.line.uri(o.Number))
	t.result.Code, t.result.Err = code, err
	if g == nil {
		return t.result
	}
	t.result.Answered = true
	t.converse(ctx, g)
	return t.result
}

// talk is one answered call while it lasts.
type talk struct {
	caller  *Caller
	options CallOptions
	result  Result
}

// converse listens, presses keys, follows a transfer and hangs up.
func (t *talk) converse(ctx context.Context, g *leg) {
	defer g.end()
	patience := time.NewTimer(t.options.Patience)
	defer patience.Stop()
	alive := time.NewTicker(deadAfter / 6)
	defer alive.Stop()
	var think, hold <-chan time.Time
	quiet := false // at the last look: one alone may be that this process was stopped, and has not yet read what came
	for {
		select {
		case at := <-g.sound.first:
			if t.result.FirstSoundAfter == 0 {
				t.result.FirstSoundAfter = at.Sub(t.result.OfferedAt)
				think, hold = t.plan()
			}
		case <-think:
			t.result.Err = errors.Join(t.result.Err, g.sound.dial(t.options.Digits))
		case refer := <-g.refers:
			if other := t.follow(ctx, g, refer); other != nil {
				t.leave(g)
				t.talkOn(ctx, other)
				return
			}
			patience.Reset(t.options.Patience)
		case <-g.gone:
			t.result.EndedBy, t.result.Cleanly = CalleeSide, true
			return
		case <-alive.C:
			was := quiet
			if quiet = g.sound.quietFor() > deadAfter; quiet && was {
				t.hangUp(ctx, g)
				return
			}
		case <-hold:
			t.hangUp(ctx, g)
			return
		case <-patience.C:
			t.hangUp(ctx, g)
			return
		case <-ctx.Done():
			t.hangUp(ctx, g)
			return
		}
	}
}

// plan is what a caller does once he hears a voice: he thinks and presses keys,
// or talks and hangs up.
func (t *talk) plan() (think, hold <-chan time.Time) {
	if t.options.Digits != "" {
		return time.After(t.options.Think), nil
	}
	return nil, time.After(t.options.Hold)
}

// follow places the call that a REFER asks for, through the PBX, and reports how
// it went (RFC 3515 §2.4). It returns the new leg when somebody answered.
func (t *talk) follow(ctx context.Context, g *leg, refer *sip.ServerTx) *leg {
	to, err := sip.ParseURI(refer.Request.Get("Refer-To"))
	if err != nil {
		refer.Answer(400)
		return nil
	}
	refer.Answer(202)
	g.notify(100, "Trying", "active;expires=60")
	ctx, cancel := context.WithTimeout(ctx, t.options.Patience)
	defer cancel()
	other, code, err := t.caller.line.dial(ctx, t.caller.line.newID(), to.String(),
		sip.Field{Name: "Referred-By", Value: orElse(refer.Request.Get("Referred-By"), refer.Request.Get("From"))})
	if err != nil {
		t.result.Err = errors.Join(t.result.Err, err)
		code = orElse(code, 408)
	}
	t.result.TransferCode = code
	t.result.Transferred = other != nil
	g.notify(code, sip.Reason(code), "terminated;reason=noresource")
	return other
}

// leaveLimit is how long who transferred may take to hang up; then the caller does.
const leaveLimit = 2 * time.Second

// leave ends the call that led to a transfer.
func (t *talk) leave(g *leg) {
	select {
	case <-g.gone:
	case <-time.After(leaveLimit):
		t.result.Err = errors.Join(t.result.Err, g.hangUp(context.Background()))
	}
}

// talkOn talks with whom the caller was put through to.
func (t *talk) talkOn(ctx context.Context, g *leg) {
	defer g.end()
	select {
	case <-g.gone:
		t.result.EndedBy, t.result.Cleanly = CalleeSide, true
	case <-time.After(t.options.Hold):
		t.hangUp(ctx, g)
	case <-ctx.Done():
		t.hangUp(ctx, g)
	}
}

func (t *talk) hangUp(ctx context.Context, g *leg) {
	err := g.hangUp(ctx)
	t.result.EndedBy, t.result.Cleanly = CallerSide, err == nil
	t.result.Err = errors.Join(t.result.Err, err)
}

// Load makes n calls at a steady rate, each as next says for its number from 0,
// and gives each result as it comes. The channel is closed after the last one;
// when ctx ends no call begins any more and those in progress hang up.
func (c *Caller) Load(ctx context.Context, perSecond float64, n int, next func(int) CallOptions) <-chan Result {
	results := make(chan Result, n) // one place each: nobody waits for the reader
	go func() {
		defer close(results)
		var calls sync.WaitGroup
		defer calls.Wait()
		pace := time.NewTicker(time.Duration(float64(time.Second) / perSecond))
		defer pace.Stop()
		for i := range n {
			calls.Go(func() { results <- c.Call(ctx, next(i)) })
			select {
			case <-pace.C:
			case <-ctx.Done():
				return
			}
		}
	}()
	return results
}
