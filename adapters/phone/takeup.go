package phone

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"releve"

	"releve/adapters/phone/dialog"
	"releve/adapters/phone/media"
	"releve/adapters/phone/register"
	"releve/adapters/phone/sip"
)

// errTakenUp is why a call is over for the telephone that left it to another.
var errTakenUp = releve.Known("another server went on with the call", "cause-taken-up")

// TakeUp goes on with a call from what another telephone of ours wrote down of it: what is played is
// heard at once, where the sound went before. The other side sends its own to where it did, until a
// [Leg.Reinvite] has told it otherwise.
func (p *Phone) TakeUp(state dialog.State) (*Leg, error) {
	was, err := sip.ParseURI(state.LocalTarget)
	if err != nil {
		return nil, err
	}
	stream, err := p.openStream()
	if err != nil {
		return nil, err
	}
	life, end := context.WithCancelCause(p.ctx)
	l := p.newLeg(state.Elsewhere(p.contact(sip.User(was))), stream, life, end)
	l.confirms()
	if state.Refer != 0 {
		l.transfer = newTransfer(state.Refer, false) // reports of it come here once the PBX knows where that is
	}
	if err := l.goOn(); err != nil {
		end(err)
		stream.Close()
		return nil, err
	}
	p.keep(l)
	p.begin(l.watchOver)
	if state.Joined != nil {
		p.takeUpJoined(l, *state.Joined)
	}
	return l, nil
}

// takeUpJoined goes on with the call that another was joined to, and joins both again. One that cannot be gone on with
// is ended with BYE; the caller has the menu again.
func (p *Phone) takeUpJoined(l *Leg, state dialog.State) {
	other, err := p.TakeUp(state)
	if err != nil {
		p.log.Warn("whom the caller talked to cannot be gone on with", "call", state.CallID, "error", err)
		p.forsake(state)
		return
	}
	p.join(l, other)
}

// Reach has the other side of a call that was taken up send to this telephone, with [Leg.Reinvite], and ends with
// BYE a call that cannot be brought over: nobody would hear the caller. A side that is busy with another request
// is asked again (RFC 3261 §14.2).
//
// Of two calls that are joined both are brought over: the end of one ends the other.
func (l *Leg) Reach(ctx context.Context) error {
	other := l.partner()
	if other == nil {
		return l.reach(ctx)
	}
	beside := make(chan error, 1)
	go func() { beside <- other.reach(ctx) }()
	err := l.reach(ctx)
	return errors.Join(err, <-beside)
}

func (l *Leg) reach(ctx context.Context) error {
	for try := 1; ; try++ {
		err := l.Reinvite(ctx)
		if err == nil {
			return nil
		}
		refused, is := errors.AsType[*register.StatusError](err)
		if !is || refused.Code < 500 || refused.Code >= 600 || try == reachTries {
			l.lose()
			return err
		}
		select {
		case <-time.After(reachAgain):
		case <-ctx.Done(): // and the next try says so
		}
	}
}

// How often the other side is asked to send here, and the pause before it is asked again.
const (
	reachTries = 3
	reachAgain = 500 * time.Millisecond
)

// forsake ends with BYE a call of which another telephone wrote this down, and which cannot be taken up here.
func (p *Phone) forsake(state dialog.State) {
	if state.Joined != nil {
		p.forsake(*state.Joined)
	}
	was, err := sip.ParseURI(state.LocalTarget)
	if err != nil {
		return
	}
	state = state.Elsewhere(p.contact(sip.User(was)))
	bye, err := state.Request("BYE")
	if err != nil {
		return
	}
	next := func() (uint32, error) { return state.Next(), nil }
	p.errand(func() {
		if _, err := p.endpoint.DoAs(p.ctx, bye, p.credentials(state.LocalTarget), next); err != nil {
			p.log.Debug("BYE of a call that was not taken up not answered", "error", err)
		}
	})
}

// Leave ends a call here and nowhere else, for another telephone has taken it up: not even BYE is said.
func (l *Leg) Leave() { l.end(errTakenUp) }

// goOn speaks as was agreed, to where the sound was sent before.
func (l *Leg) goOn() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stream.Keys().Adopt([]byte(l.state.LocalSDP))
	_, remote, format, err := l.terms().Answer([]byte(l.state.RemoteSDP), l.state.Session, l.state.Version)
	if err != nil {
		return err
	}
	l.agree(remote, format)
	l.stream.Speak()
	return nil
}

// Reinvite has the other side send to where this one hears (RFC 3261 §14.1), and returns when that is
// agreed. Where both ask at once, each waits for a moment and asks again.
//
// After [ErrLost] the call is over: nobody has it any more, and BYE is said, in case somebody has (RFC 3261
// §12.2.1.2). After any other error, a refusal is a
// [*register.StatusError], it is as it was before.
func (l *Leg) Reinvite(ctx context.Context) error {
	for {
		err := l.offerAgain(ctx)
		refused, is := errors.AsType[*register.StatusError](err)
		switch {
		case is && refused.Code == 491:
		case is && (refused.Code == 481 || refused.Code == 408), errors.Is(err, sip.ErrTimeout):
			l.lose()
			return fmt.Errorf("re-INVITE: %w: %w", err, ErrLost)
		default:
			return err
		}
		select {
		case <-time.After(l.glare()):
		case <-l.ctx.Done():
			return context.Cause(l.ctx)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// glare is how long a re-INVITE that crossed another waits: he whose Call-ID it is, longer.
func (l *Leg) glare() time.Duration {
	if l.Dialog().Placed {
		return 2100*time.Millisecond + rand.N(1900*time.Millisecond)
	}
	return rand.N(2 * time.Second)
}

// offerAgain sends one re-INVITE and takes over the answer.
func (l *Leg) offerAgain(ctx context.Context) error {
	req, offer, err := l.newReinvite()
	if err != nil {
		return err
	}
	defer l.offering.Store(false)
	res, err := l.phone.place(ctx, l.phone.credentials(l.Dialog().LocalTarget), req, nil)
	if err != nil {
		return err
	}
	l.mu.Lock()
	l.state.Agreed(res)
	l.mu.Unlock()
	if err := l.ack(res); err != nil {
		return err
	}
	return l.settleOffer(offer, res.Body())
}

// settleOffer takes over what was agreed on with an offer of ours.
func (l *Leg) settleOffer(offer, answer []byte) error {
	l.mu.Lock()
	remote, format, err := l.terms().ParseAnswer(answer)
	if err == nil {
		l.state.LocalSDP, l.state.RemoteSDP = string(offer), string(answer)
		l.agree(remote, format)
	}
	l.mu.Unlock()
	if err == nil {
		l.change()
	}
	return err
}

func (l *Leg) newReinvite() (*sip.Request, []byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	offer := l.offer()
	req, err := l.state.Request("INVITE")
	if err != nil {
		return nil, nil, err
	}
	sip.Set(req, "Allow", sip.Methods)
	sip.Set(req, "Content-Type", "application/sdp")
	req.SetBody(offer)
	l.offering.Store(true)
	return req, offer, nil
}

// openStream takes a port for the sound of a call, or fails with [ErrNoMediaPort].
func (p *Phone) openStream() (*media.Stream, error) {
	stream, err := p.media.Open()
	if errors.Is(err, media.ErrNoPort) {
		return nil, ErrNoMediaPort
	}
	return stream, err
}
