package phone

import (
	"context"
	"sync"
	"time"

	"releve/adapters/phone/media"
)

// holdPeriod is how long a caller whose transfer takes its time hears nothing.
const holdPeriod = 8 * time.Second

// AwaitOnHold is [Leg.Await], and tells the caller now and then that he is not forgotten.
func (l *Leg) AwaitOnHold(ctx context.Context, hold media.Clip) (int, error) {
	return l.onHold(ctx, hold, func() (int, error) { return l.Await(ctx) })
}

// onHold says something now and then while a transfer lasts.
func (l *Leg) onHold(ctx context.Context, hold media.Clip, transfer func() (int, error)) (int, error) {
	waiting, over := context.WithCancel(ctx)
	var said sync.WaitGroup
	said.Go(func() { l.soothe(waiting, hold) })
	code, err := transfer()
	over()
	said.Wait() // a leg plays one prompt at a time
	return code, err
}

func (l *Leg) soothe(ctx context.Context, hold media.Clip) {
	tick := time.NewTicker(holdPeriod)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			_ = l.Play(ctx, hold) // the transfer says how the call stands
		}
	}
}
