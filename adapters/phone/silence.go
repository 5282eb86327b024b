package phone

import (
	"context"
	"errors"
	"fmt"
	"time"

	"releve/adapters/phone/media"
	"releve/adapters/phone/sip"
)

// How long silence is borne before the PBX is asked whether it still has the call, and the
// longest pause before it is asked again.
const (
	silence     = 10 * time.Second
	silenceMost = 5 * time.Minute
	// asleep is how late a process that is not stopped never wakes.
	asleep = time.Second
)

// A vigil watches over one answered call of which nothing is heard any more: the PBX may
// have been started anew, or have lost the caller, without a word to us.
//
// It asks only where silence means something. A caller whose telephone sends nothing while
// he listens is honest, a call on hold has nothing to send, and one of which nothing was
// ever heard lets nothing be missed: what bounds those is the conversation itself.
type vigil struct {
	life func() media.Life
	// ask asks the PBX, and returns an error where the call is over for it. Any other
	// answer, a refusal too, is of somebody who has the call.
	ask func(context.Context) error
	// first and most are the pauses before the PBX is asked: each in vain is followed by one
	// twice as long.
	first, most time.Duration
	slept       func(since time.Time) time.Duration // how long this process has been overdue
}

// watch returns when ctx ends, or with why the call is over.
func (v vigil) watch(ctx context.Context) error {
	since, pause := time.Time{}, v.first
	for {
		seen := v.life()
		if seen.Sign.After(since) {
			since, pause = seen.Sign, v.first
		}
		wait := time.Until(since.Add(pause))
		if !missed(seen) {
			wait = v.first
		}
		if wait > 0 {
			due := time.Now().Add(wait)
			select {
			case <-time.After(wait):
				if v.slept(due) > asleep {
					since = time.Now() // this process was stopped: it was deaf, and nobody was silent
				}
				continue
			case <-ctx.Done():
				return nil
			}
		}
		if err := v.ask(ctx); err != nil && ctx.Err() == nil {
			return err
		}
		since, pause = time.Now(), min(2*pause, v.most)
	}
}

// missed says whether silence would mean something.
func missed(l media.Life) bool { return !l.Sign.IsZero() && !l.Held && !l.Suppresses }

// watchOver ends the call when the PBX has lost it.
func (l *Leg) watchOver() {
	v := vigil{life: l.stream.Life, ask: l.stillThere, first: l.phone.silence, most: silenceMost, slept: time.Since}
	if err := v.watch(l.ctx); err != nil {
		l.phone.log.Warn("the call is ended: nothing was heard of it", "call", l.Dialog().CallID, "error", err)
		l.lose()
	}
}

// stillThere asks the PBX within the dialog. Nothing is changed by an OPTIONS, where a
// re-INVITE would move media (RFC 3261 §11).
func (l *Leg) stillThere(ctx context.Context) error {
	req, err := l.optionsInside()
	if err != nil {
		return nil // nobody can be asked
	}
	res, err := l.do(ctx, req)
	if over(res, err) {
		return fmt.Errorf("OPTIONS within the call is answered with %d: %w", codeOf(res), ErrLost)
	}
	return nil
}

func (l *Leg) optionsInside() (*sip.Request, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	req, err := l.state.Request("OPTIONS")
	if err != nil {
		return nil, err
	}
	sip.Set(req, "Accept", "application/sdp")
	return req, nil
}

// over says that what came of a request inside a dialog means that there is none any more
// (RFC 3261 §12.2.1.2). No answer within 32 s is a 408.
func over(res *sip.Response, err error) bool {
	if err != nil {
		return errors.Is(err, sip.ErrTimeout)
	}
	return res.StatusCode == 481 || res.StatusCode == 408
}

// codeOf is the code of a response, and 408 where none came.
func codeOf(res *sip.Response) int {
	if res == nil {
		return 408
	}
	return res.StatusCode
}
