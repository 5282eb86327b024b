package agent

import (
	"context"
	"errors"
	"time"

	"releve/rules/takeover"
)

// Arbiter is the way to the witness. A claim that is answered with [takeover.ErrClaim]
// was refused, and the register as it is comes with it; any other error leaves open
// what became of the claim.
type Arbiter interface {
	Read(context.Context) (takeover.Register, error)
	Claim(context.Context, takeover.Claim) (takeover.Register, error)
}

const (
	arbiterPeriod = 500 * time.Millisecond
	arbiterLimit  = 400 * time.Millisecond // of one question: a caller may wait for the answer
)

// claim is one on its way to the witness.
type claim struct {
	takeover.Claim
	turn int
}

// watchArbiter reads the register and puts claims, one after the other, so that no
// answer overtakes another.
func (a *Agent) watchArbiter(ctx context.Context) {
	if a.parts.Arbiter == nil {
		return
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		var word takeover.Word
		select {
		case <-ctx.Done():
			return
		case c := <-a.claims:
			word = a.put(ctx, c)
		case <-timer.C:
			word = a.readRegister(ctx)
			timer.Reset(arbiterPeriod)
		}
		if ctx.Err() == nil {
			a.send(ctx, takeover.Event{Arbiter: &word})
		}
	}
}

func (a *Agent) put(ctx context.Context, c claim) takeover.Word {
	ctx, cancel := context.WithTimeout(ctx, arbiterLimit)
	defer cancel()
	register, err := a.parts.Arbiter.Claim(ctx, c.Claim)
	switch {
	case err == nil:
		return takeover.Word{Heard: true, Register: register, Turn: c.turn, Granted: true}
	case errors.Is(err, takeover.ErrClaim):
		a.Log.Info("the witness refused", "err", err)
		return takeover.Word{Heard: true, Register: register, Turn: c.turn}
	}
	a.Log.Warn("the witness does not answer a claim", "err", err)
	return takeover.Word{Turn: c.turn}
}

func (a *Agent) readRegister(ctx context.Context) takeover.Word {
	ctx, cancel := context.WithTimeout(ctx, arbiterLimit)
	defer cancel()
	register, err := a.parts.Arbiter.Read(ctx)
	a.board.arbiter(err)
	return takeover.Word{Heard: err == nil, Register: register}
}

// ask hands a claim to the watcher. The machine has one out at a time, so there is
// room; without a way to the witness the answer is that nothing was heard.
func (a *Agent) ask(ctx context.Context, act takeover.Action) {
	if a.parts.Arbiter == nil {
		a.work.Go(func() { a.send(ctx, takeover.Event{Arbiter: &takeover.Word{Turn: act.Turn}}) })
		return
	}
	select {
	case a.claims <- claim{act.Claim, act.Turn}:
	case <-ctx.Done():
	}
}
