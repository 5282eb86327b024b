package phone

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"releve/adapters/phone/media"
	"releve/adapters/phone/register"
)

// errUnjoinable says that this server cannot make or join a call beside the caller's: another way is to be tried.
var errUnjoinable = errors.New("there is no room for a second call beside the caller's")

// A bridge is two calls that this server has joined: what one hears the other says.
type bridge struct {
	a, b *Leg
	part func() // ends the sound between them
}

// Bridge calls whom a caller wants and joins both calls. Until there is an answer the caller hears whoever rings
// (early media), or else the tone of ringing. It returns when both are joined, with 200, or with the code by
// which the other call was refused: 408 where nobody answered in time, which ctx sets. The caller's call goes on,
// whatever happens, but the end of one of two that are joined ends the other.
func (l *Leg) Bridge(ctx context.Context, d Dialling, ringing media.Clip) (code int, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(l.ctx, func() { cancel(context.Cause(l.ctx)) })()
	other, err := l.dialBeside(ctx, d, ringing)
	refused, is := errors.AsType[*register.StatusError](err)
	switch {
	case is:
		return refused.Code, nil
	case errors.Is(err, ErrNoMediaPort):
		return 0, fmt.Errorf("%w: %w", errUnjoinable, err)
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return 408, nil
	case err != nil:
		return 0, err
	}
	l.phone.join(l, other)
	l.change()
	return 200, nil
}

// dialBeside calls while the caller hears how that goes.
func (l *Leg) dialBeside(ctx context.Context, d Dialling, ringing media.Clip) (*Leg, error) {
	rings := make(chan struct{})
	var once sync.Once
	d.Ringing = func(int, bool) { once.Do(func() { close(rings) }) }
	var stop func()
	d.early = func(s *media.Stream) { stop = media.Carry(s, l.stream) }
	ctx, cancel := context.WithCancel(ctx)
	var tone sync.WaitGroup
	tone.Go(func() { l.ringFrom(ctx, rings, ringing) })
	other, err := l.phone.Dial(ctx, d)
	cancel()
	tone.Wait()
	if stop != nil {
		stop()
	}
	return other, err
}

// ringFrom plays the tone of ringing from the first sign of it on, again and again.
func (l *Leg) ringFrom(ctx context.Context, rings <-chan struct{}, tone media.Clip) {
	select {
	case <-rings:
	case <-ctx.Done():
		return
	}
	for l.Play(ctx, tone) == nil && ctx.Err() == nil {
		continue
	}
}

// join joins two calls. The end of one ends the other: with BYE, or without a word where another server goes on with both.
func (p *Phone) join(a, b *Leg) {
	one, other := media.Carry(a.stream, b.stream), media.Carry(b.stream, a.stream)
	j := &bridge{a: a, b: b, part: sync.OnceFunc(func() { one(); other() })}
	for _, l := range []*Leg{a, b} {
		l.mu.Lock()
		l.joined = j
		l.mu.Unlock()
	}
	b.WhenChanged(a.change)
	context.AfterFunc(a.ctx, func() { j.over(a, b) })
	context.AfterFunc(b.ctx, func() { j.over(b, a) })
}

// over ends what is left of a bridge.
func (j *bridge) over(ended, left *Leg) {
	j.part()
	if errors.Is(context.Cause(ended.ctx), errTakenUp) {
		left.Leave()
		return
	}
	left.phone.errand(func() {
		if err := left.drop(errPartner); err != nil {
			left.phone.log.Debug("BYE of the other call of a bridge not answered", "error", err)
		}
	})
}

// errPartner is why a call is over whose other side, joined to it here, has ended.
var errPartner = errors.New("the call that it was joined to is over")

// Bridged says whether the caller talks to somebody by way of this server.
func (l *Leg) Bridged() bool { return l.partner() != nil }

// partner is the call that this one is joined to, nil for none.
func (l *Leg) partner() *Leg {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.joined == nil:
		return nil
	case l.joined.a == l:
		return l.joined.b
	}
	return l.joined.a
}
