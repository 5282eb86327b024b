package trial

import (
	"context"
	"net/netip"
	"time"

	"releve"
	"releve/adapters/phone"
)

// refer answers a call at the reception and has the PBX put it through to the published number:
// of all numbers that one is known to be there, and the call comes back to where it can be seen.
func (t *trial) refer(ctx context.Context, main, standby *desk) {
	leg, in, end := t.answered(ctx, main, standby)
	defer end()
	if leg == nil {
		return
	}
	passed := in.TestID == testID
	at, ended := time.Now(), make(chan int, 1)
	bounded, done := context.WithTimeout(ctx, soon)
	go func() {
		code, _ := leg.Transfer(bounded, t.q.ReceptionNumber)
		ended <- code
	}()
	through, came := main.next(bounded, at, soon)
	if came {
		_ = through.in.Refuse(603)
	}
	done()
	code := <-ended
	hung, over := context.WithTimeout(ctx, soon)
	defer over()
	_ = leg.Hangup(hung)
	switch {
	case came:
		t.has("pbx-refer", "", 0, "")
	case passed: // to this very telephone, which is no caller's: it refuses
		t.leaves("pbx-refer", releve.Say("study-pbx-refer-passed"))
	default:
		t.lacks("pbx-refer", "", releve.Say("study-pbx-no-refer", "code", refusal(code)))
	}
}

// moves answers a call at the reception and goes on with it from another port, as the other server
// would after a takeover: its sound is to follow.
func (t *trial) moves(ctx context.Context, main, standby *desk) {
	leg, _, end := t.answered(ctx, main, standby)
	defer end()
	if leg == nil {
		return
	}
	defer leg.Leave()
	heard := leg.Stats().Received > 0
	other, err := t.open(netip.AddrPortFrom(t.own.Addr(), 0), t.reception, phone.Handler{Invite: refuse})
	if err != nil {
		return
	}
	defer other.Close()
	moved, err := other.TakeUp(leg.Dialog())
	if err != nil {
		return
	}
	bounded, done := context.WithTimeout(ctx, soon)
	defer done()
	begin := time.Now()
	err = moved.Reinvite(bounded)
	after := time.Since(begin)
	if err == nil {
		hears(ctx, moved)
	}
	follows := moved.Stats().Received > 0
	hung, over := context.WithTimeout(ctx, soon)
	defer over()
	_ = moved.Hangup(hung)
	switch {
	case err != nil:
		t.lacks("pbx-reinvite", "", releve.Say("study-pbx-no-reinvite", "cause", releve.Reason(err)))
	case !heard:
		t.leaves("pbx-reinvite", releve.Say("study-pbx-reinvite-unheard"))
	case !follows:
		t.lacks("pbx-reinvite", "", releve.Say("study-pbx-reinvite-silent"))
	default:
		t.has("pbx-reinvite", "", after.Seconds(), "")
	}
}

// answered is a call that the reception has taken, and in which the caller is heard where sound comes;
// nil where none came. It is ended by end.
func (t *trial) answered(ctx context.Context, main, standby *desk) (leg *phone.Leg, in releve.Invite, end func()) {
	c := t.call(ctx, standby)
	o, came := main.next(ctx, c.at, soon)
	if !came {
		return nil, in, c.stop
	}
	leg, err := o.in.Answer(ctx)
	if err != nil {
		return nil, in, c.stop
	}
	hears(ctx, leg)
	return leg, o.in.Invite(), c.stop
}

// hears waits until the caller is heard: before that some PBXs have not joined the two, and transfer
// nobody. A call without sound is tried all the same.
func hears(ctx context.Context, leg *phone.Leg) {
	ctx, done := context.WithTimeout(ctx, 2*time.Second)
	defer done()
	look := time.NewTicker(20 * time.Millisecond) // that of the packets
	defer look.Stop()
	for leg.Stats().Received < 5 {
		select {
		case <-look.C:
		case <-leg.Gone():
			return
		case <-ctx.Done():
			return
		}
	}
}

// refusal is a code of SIP, "–" where none came.
func refusal(n int) string {
	if n == 0 {
		return "–"
	}
	return code(n)
}

// userless asks the PBX as nobody, and then as somebody again: is this address shut out now? It is
// the last that is asked.
func (t *trial) userless(ctx context.Context, standby *desk) {
	nobody, err := t.open(netip.AddrPortFrom(t.own.Addr(), 0), phone.Account{}, phone.Handler{Invite: refuse})
	if err != nil {
		return
	}
	asked, done := context.WithTimeout(ctx, silence)
	_, _ = nobody.Options(asked) // whatever it says
	done()
	_ = nobody.Close()
	again, done := context.WithTimeout(ctx, silence)
	defer done()
	if _, err := standby.phone.Options(again); err != nil {
		t.lacks("pbx-userless", "", releve.Say("study-pbx-userless"))
		return
	}
	t.has("pbx-userless", "", 0, "")
}
