package calls

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"releve"
	"releve/rules/attendant"
)

const (
	// playMax bounds what is said in one go, far above any prompt.
	playMax = time.Minute
	// transferMax bounds a transfer: telephones ring for less.
	transferMax = time.Minute
	// lastWord is how long a transfer may take to report when the leg is already
	// gone: PBXs hang up in the same breath as they say that it succeeded.
	lastWord = time.Second
	// byeMax bounds the wait for the answer to our BYE.
	byeMax = 2 * time.Second
	// unsettled is the status of a transfer of which no end was ever heard (RFC 3515 §2.4.5).
	unsettled = 100
)

// talk is a conversation on a leg: it does what the script says, one thing at a
// time, and tells it what came of it.
type talk struct {
	call   *call
	leg    Leg
	digits <-chan byte

	doing chan attendant.Event // how what is under way ended
	fault chan any             // a fault of this program in it
	stop  func()               // ends it, and waits until it has
	last  attendant.Action     // what is under way
}

// leg is a conversation on one.
func (k *call) leg(l Leg) *talk {
	return &talk{call: k, leg: l, fault: make(chan any, 1), stop: func() {}}
}

// talk leads the conversation to its end and hangs up. It is not mine to record where nobody was there to
// take the call, or another server goes on with it.
func (k *call) talk(ctx context.Context, leg Leg, answered time.Time) (o attendant.Outcome, detail string, mine bool) {
	t := k.leg(leg)
	defer t.hangUp(ctx)
	defer func() { t.stop() }()
	confirmed := t.confirmed(ctx)
	if t.repeated(ctx, confirmed) {
		k.log.Info("the PBX had given this call up before it was answered: no caller")
		return "", "", false
	}
	script := attendant.New(k.script)
	k.follow(leg, script.Place(), nil)
	k.begin(answered)
	t.digits = leg.Digits()
	return t.converse(ctx, script, t.opening(confirmed))
}

// converse does what the script says, from an event on, to the end.
func (t *talk) converse(ctx context.Context, script *attendant.Conversation, event attendant.Event) (attendant.Outcome, string, bool) {
	k := t.call
	for {
		if t.sure(ctx); ceded(ctx) {
			k.forget()
			k.log.Info("another server goes on with this call")
			return "", "", false
		}
		if ctx.Err() != nil {
			return Dropped, context.Cause(ctx).Error(), true
		}
		actions, why := script.Step(event)
		k.log.Debug("conversation", "event", event.What, "why", why)
		if place := script.Place(); place != k.progress.Load().place {
			k.advance(func(p *progress) { p.place = place })
		}
		if end, over := t.carryOut(ctx, actions); over {
			return end.Outcome, end.Detail, true
		}
		event = t.next(ctx)
	}
}

// confirmed waits for the caller to acknowledge the call: the conversation begins there.
func (t *talk) confirmed(ctx context.Context) bool {
	select {
	case <-t.leg.Confirmed():
		return true
	case <-t.leg.Gone():
	case <-ctx.Done():
	}
	return closed(t.leg.Confirmed())
}

// repeatedFor is how long a PBX repeats an INVITE that nobody answers: 64 times T1
// (RFC 3261 §17.1.1.2, Timer B).
const repeatedFor = 32 * time.Second

// repeated says whether what was answered was only the repetition of a call that the PBX had
// given up, because this server was not there when it came: its caller has been with the other
// for long. Either the PBX takes it back as soon as it hears of us, or it has forgotten the
// call and acknowledges nothing.
func (t *talk) repeated(ctx context.Context, confirmed bool) bool {
	if ctx.Err() != nil {
		return false
	}
	early := t.call.offer.Invite.ReceivedAt.Sub(t.call.Calls.began) < repeatedFor
	return t.leg.Withdrawn() || !confirmed && early
}

// opening is what the conversation begins with.
func (t *talk) opening(confirmed bool) attendant.Event {
	if !confirmed {
		return attendant.Event{What: attendant.CallerGone}
	}
	if !t.leg.HearsKeys() {
		t.call.board.keyless()
		t.call.step(attendant.Note{Name: "keyless"})
	}
	return attendant.Event{What: attendant.Started}
}

func (t *talk) carryOut(ctx context.Context, actions []attendant.Action) (end attendant.Hangup, over bool) {
	for _, a := range actions {
		switch a := a.(type) {
		case attendant.Note:
			t.call.step(a)
		case attendant.Play:
			t.start(ctx, a, playMax, func(ctx context.Context) attendant.Event { return t.play(ctx, a) })
		case attendant.Collect:
			t.start(ctx, a, a.Silence, listen)
		case attendant.Transfer:
			put := func(ctx context.Context) (int, error) { return t.leg.Transfer(ctx, a.User) }
			t.start(ctx, a, transferMax, func(ctx context.Context) attendant.Event { return t.settled(ctx, a, put) })
		case attendant.Await:
			t.start(ctx, a, transferMax, func(ctx context.Context) attendant.Event { return t.settled(ctx, a, t.leg.Await) })
		case attendant.Hangup:
			return a, true
		}
	}
	return attendant.Hangup{}, false
}

// start does an action in place of the one under way. A leg plays one prompt at
// a time, so the old one has ended before the new one begins.
func (t *talk) start(ctx context.Context, a attendant.Action, limit time.Duration, do func(context.Context) attendant.Event) {
	t.stop()
	ctx, cancel := context.WithTimeout(ctx, limit)
	doing, ended := make(chan attendant.Event, 1), make(chan struct{})
	go func() {
		defer close(ended)
		defer func() {
			if fault := recover(); fault != nil {
				t.fault <- fmt.Sprintf("%v\n%s", fault, debug.Stack())
			}
		}()
		doing <- do(ctx)
	}()
	t.last, t.doing = a, doing
	t.stop = func() {
		cancel()
		<-ended
	}
}

// next waits for what happens. A caller who is gone is told before anything
// else, but for a transfer: its result says whether someone has him.
func (t *talk) next(ctx context.Context) (event attendant.Event) {
	select {
	case <-ctx.Done():
		return
	case <-t.leg.Gone():
		return t.farewell(ctx)
	case key, open := <-t.digits:
		if !open {
			t.digits = nil
			return
		}
		event = attendant.Event{What: attendant.Digit, Key: key}
		if key == 0 {
			event = attendant.Event{What: attendant.Disowned}
		}
	case event = <-t.doing:
		t.last = nil // it is over
	case fault := <-t.fault:
		panic(fault) // where the call's own goroutine ends the call
	}
	if event.What != attendant.TransferResult && t.gone() {
		return t.farewell(ctx)
	}
	return event
}

// farewell says how a leg that is gone went: put through, lost, or hung up.
func (t *talk) farewell(ctx context.Context) attendant.Event {
	gone := attendant.Event{What: attendant.CallerGone}
	if t.leg.Lost() {
		gone.What = attendant.CallerLost
	}
	switch t.last.(type) {
	case attendant.Transfer, attendant.Await:
	default:
		return gone
	}
	select {
	case event := <-t.doing:
		if event.Lost || event.Code >= 200 && event.Code < 300 {
			return event
		}
	case <-time.After(lastWord):
	case <-ctx.Done():
	}
	return gone
}

func (t *talk) gone() bool { return closed(t.leg.Gone()) }

// play says prompts. One that cannot be said is passed over: the caller can
// still dial.
func (t *talk) play(ctx context.Context, a attendant.Play) attendant.Event {
	for _, prompt := range a.Prompts {
		err := t.leg.Play(ctx, prompt)
		if ctx.Err() != nil || t.gone() {
			break
		}
		if err != nil {
			t.call.log.Warn("a prompt could not be said", "prompt", prompt, "error", err)
		}
	}
	return attendant.Event{What: attendant.PromptDone}
}

// listen lets the time for a key pass.
func listen(ctx context.Context) attendant.Event {
	<-ctx.Done()
	return attendant.Event{What: attendant.Silence}
}

// settled says how a transfer ended, of whoever asked for it.
func (t *talk) settled(ctx context.Context, a attendant.Action, transfer func(context.Context) (int, error)) attendant.Event {
	code, err := transfer(ctx)
	if err != nil {
		t.call.log.Warn("the transfer did not succeed", "action", fmt.Sprintf("%T", a), "code", code, "error", err)
	}
	if code == 0 && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		code = unsettled
	}
	return attendant.Event{
		What: attendant.TransferResult, Code: code,
		Lost: errors.Is(err, releve.ErrLost), Unreported: err != nil && code >= 200 && code < 300,
		Bridged: t.leg.Bridged(),
	}
}

// hangUp ends the leg, also when ctx ended the call: a caller is told, unless another server talks to him.
func (t *talk) hangUp(ctx context.Context) {
	if ceded(ctx) {
		t.leg.Leave()
		return
	}
	if t.gone() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), byeMax)
	defer cancel()
	if err := t.leg.Hangup(ctx); err != nil {
		t.call.log.Warn("the end of the call was not confirmed", "error", err)
	}
}
