// Package oncall calls people about alarms, by the telephone: one after the other along a list, until somebody takes the
// alarm in hand by a key. It is an outlet of notify's: whose turn it is to send, what was sent and when a round along the
// list is tried again are that room's to say.
package oncall

import (
	"context"
	"errors"
	"fmt"
	"time"

	"releve"
	"releve/rules/alarm"
)

// Name is that of the outlet.
const Name = "call"

const (
	// ringing is how long one telephone rings.
	ringing = 30 * time.Second
	// talkMost bounds one call.
	talkMost = 90 * time.Second
	// thinks is how long a key is waited for after all was said, and saidMost how often it is said: a machine that
	// answers presses none.
	thinks   = 5 * time.Second
	saidMost = 2
	// alarmsMost are said in one call, the gravest; there is a screen for the others.
	alarmsMost = 3
	// byeMost is how long the end of a call may take.
	byeMost = 2 * time.Second
)

// Person is somebody on the list.
type Person struct {
	Number string // at the PBX, of the number plan
	Name   string // in whose name an alarm is acknowledged there
}

// Leg is an answered call.
type Leg interface {
	// Play says a prompt of rules/alarm/spoken, named language/name, and returns when it is said.
	Play(ctx context.Context, prompt string) error
	Digits() <-chan byte
	Gone() <-chan struct{}
	Hangup(ctx context.Context) error
}

// Options are what a Caller is made of.
type Options struct {
	People   []Person // in the order in which they are called
	Language releve.Language
	// Dial calls a number, and returns when somebody answers. Reach asks the PBX whether it is there.
	Dial  func(ctx context.Context, number string) (Leg, error)
	Reach func(ctx context.Context) error
	// Wanted says whether somebody still has to be called about an alarm: it stands, and nobody has it in hand.
	Wanted func(key alarm.Key) bool
	// Acknowledge takes an alarm in hand in somebody's name.
	Acknowledge func(ctx context.Context, by Person, key alarm.Key) error
}

// Caller calls along a list.
type Caller struct{ Options }

// Name is call's.
func (Caller) Name() string { return Name }

// Limit is how long one round along the list may take.
func (c Caller) Limit() time.Duration {
	return time.Duration(len(c.People)) * (ringing + talkMost + byeMost)
}

// Probe asks the PBX, for a call would ring at somebody's.
func (c Caller) Probe(ctx context.Context) (again bool, err error) {
	if err := c.Reach(ctx); err != nil {
		return true, &releve.Fault{Cause: err, Why: releve.Say("call-unreached", "why", releve.Reason(err))}
	}
	return false, nil
}

// Notify calls one after the other until somebody takes what a letter tells of in hand; of a test, until somebody says that
// he has heard it. Nobody is woken for what is over. Where nobody takes it, it is to be tried again: a [releve.Fault]
// says of the last of them why.
func (c Caller) Notify(ctx context.Context, l alarm.Letter) (again bool, err error) {
	items := begun(l.Alarms)
	if len(items) == 0 && len(l.Alarms) > 0 {
		return false, nil
	}
	why := error(nil)
	for _, p := range c.People {
		if len(items) > 0 && !c.wanted(items) {
			return false, nil
		}
		taken, err := c.call(ctx, p, items)
		if taken {
			return true, err // the alarm is in hand, or it could not be written down that it is
		}
		if ctx.Err() != nil {
			return true, context.Cause(ctx)
		}
		why = err
	}
	return true, &releve.Fault{Cause: why, Why: releve.Say("call-nobody", "why", releve.Reason(why))}
}

// begun are the alarms that somebody has to be called about.
func begun(all []alarm.Item) (items []alarm.Item) {
	for _, i := range all {
		if i.Message != alarm.Ended {
			items = append(items, i)
		}
	}
	return items
}

func (c Caller) wanted(items []alarm.Item) bool {
	for _, i := range items {
		if c.Wanted(i.Key) {
			return true
		}
	}
	return false
}

// Why somebody did not take an alarm in hand, for people.
var (
	errPassedOn = releve.Known("passed on to the next person", "cause-passed-on")
	errNoKey    = releve.Known("answered, and no key was pressed", "cause-no-key")
)

// call calls one person. taken: he pressed 1.
func (c Caller) call(ctx context.Context, p Person, items []alarm.Item) (taken bool, err error) {
	rings, stop := context.WithTimeout(ctx, ringing)
	defer stop()
	leg, err := c.Dial(rings, p.Number)
	if err != nil {
		return false, err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), byeMost)
		defer cancel()
		_ = leg.Hangup(ctx) // it goes on without us
	}()
	ctx, end := context.WithTimeout(ctx, talkMost)
	defer end()
	key, err := c.ask(ctx, leg, items)
	switch {
	case err != nil:
		return false, err
	case key != '1':
		c.say(ctx, leg, "next")
		return false, errPassedOn
	}
	var failed []error
	for _, i := range items {
		if c.Wanted(i.Key) { // it may be over, or in other hands by now
			failed = append(failed, c.Acknowledge(ctx, p, i.Key))
		}
	}
	if err := errors.Join(failed...); err != nil {
		return true, fmt.Errorf("the key was pressed, and the alarm is in nobody's hands: %w", err)
	}
	c.say(ctx, leg, "thanks")
	return true, nil
}

// ask says what there is until 1 or 2 is pressed.
func (c Caller) ask(ctx context.Context, leg Leg, items []alarm.Item) (key byte, err error) {
	for range saidMost {
		said, over := context.WithCancel(ctx)
		done := make(chan struct{})
		go func() {
			defer close(done)
			c.say(said, leg, script(items)...)
		}()
		key = choice(ctx, leg, done)
		over()
		<-done
		switch {
		case key != 0:
			return key, nil
		case closed(leg.Gone()):
			return 0, errNoKey
		case ctx.Err() != nil:
			return 0, errNoKey
		}
	}
	return 0, errNoKey
}

// choice waits for 1 or 2 until some time after all was said; 0: neither came.
func choice(ctx context.Context, leg Leg, said <-chan struct{}) byte {
	keys := leg.Digits()
	var late <-chan time.Time
	for {
		select {
		case key, open := <-keys:
			if key == '1' || key == '2' {
				return key
			}
			if !open {
				keys = nil
			}
		case <-said:
			said, late = nil, time.After(thinks)
		case <-late:
			return 0
		case <-leg.Gone():
			return 0
		case <-ctx.Done():
			return 0
		}
	}
}

// script is what is said, by the names of the prompts.
func script(items []alarm.Item) []string {
	if len(items) == 0 {
		return []string{"test", "keys-test"}
	}
	prompts := []string{"greeting"}
	for n, i := range items {
		if n == alarmsMost {
			prompts = append(prompts, "more")
			break
		}
		prompts = append(prompts, "alarm-"+string(i.Key.Code))
		if i.Key.Seat != "" {
			prompts = append(prompts, string(i.Key.Seat))
		}
	}
	return append(prompts, "keys")
}

// say says prompts until ctx ends.
func (c Caller) say(ctx context.Context, leg Leg, prompts ...string) {
	for _, p := range prompts {
		if leg.Play(ctx, string(c.Language)+"/"+p) != nil && ctx.Err() != nil {
			return
		}
	}
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
