package calls

import (
	"context"
	"time"
)

const (
	// ringLook is how often it is looked whether a call that rings unanswered can be answered after all.
	ringLook = 250 * time.Millisecond
	// ringMost is how long one rings at most; longer than any PABX lets one (RFC 3261 §16.6, Timer C).
	ringMost = 3 * time.Minute
)

// decline refuses a call, and says whether it is to be answered after all.
//
// A call on an analogue line is not refused, for a line knows no refusal: a gateway that is refused goes on ringing, or lifts
// the receiver for a busy tone, and then the PABX takes nothing back (SPEC T2). It rings on instead, on 100 alone, until
// its PABX takes it back, or until this server may answer.
func (k *call) decline(ctx context.Context, code int, why string, may func() bool) (answer bool) {
	if !k.offer.Line {
		k.refuse(code, why)
		return false
	}
	k.log.Info("a call rings on a line and is not answered", "why", why, "overflowed", k.offer.Overflowed)
	end := time.NewTimer(ringMost)
	defer end.Stop()
	look := time.NewTicker(ringLook)
	defer look.Stop()
	for {
		select {
		case <-look.C:
			if may() {
				return true
			}
		case <-end.C:
			k.refuse(code, "it rang for too long")
			return false
		case <-ctx.Done():
			k.stopsRinging(ctx)
			return false
		}
	}
}

// admitted says whether the call may be answered now: the duty came to this server while it rang.
func (k *call) admitted() bool {
	stance, term := k.duty.Stance()
	d, _ := k.profile.admit(stance, k.offer)
	if d.Answer {
		k.decision, k.term = d, term
	}
	return d.Answer
}

// stopsRinging: its PABX took it back, or this server takes no calls any more.
func (k *call) stopsRinging(ctx context.Context) {
	if !closed(k.in.Gone()) {
		k.giveBack(context.Cause(ctx).Error())
		return
	}
	k.board.refused()
	k.log.Info("the PABX took the call back")
}
