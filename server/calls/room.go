package calls

import (
	"time"

	"releve"
	"releve/rules/takeover"
)

// What a server that is offered crowds takes on at a time. Few of them are met on a busy day: a call is
// decided in some milliseconds, and acknowledged as soon.
const (
	// crowdSpan and crowdCalls make a crowd: as many calls in such a time as no telephone of a
	// house makes. Below it each call is taken up, and has its record, whatever becomes of it.
	crowdSpan  = 100 * time.Millisecond
	crowdCalls = 40
	// decidedMost calls on 100 Trying are decided beside each other, and so many answers wait for their ACK.
	decidedMost  = 8
	answeredMost = 16
	// waitingMost calls wait for a verdict, or as many as there are channels.
	waitingMost = 32
	// A call that waited so long, or sound that is so late, say that the processor is elsewhere.
	waitedMost = 100 * time.Millisecond
	lateMost   = 2 * time.Millisecond
	// freshVerdict is how long a call that was given back after a verification stands for others.
	freshVerdict = crowdSpan
)

// Full says with which code a new call is to be turned away before anything is done for it; 0: it is not.
// What is done for a call costs a hundred times as much, so that of a crowd those who can be taken
// are taken, and the others get an answer. No call of the site's own is turned away.
func (c *Calls) Full(o releve.Opening) (code int) {
	now := c.now()
	if !c.crowd.came(now) {
		return 0
	}
	if _, own := c.own.sealed(o.TestID); own {
		return 0
	}
	stance, _ := c.duty.Stance()
	if code = c.noRoom(stance, o, now); code != 0 {
		c.board.turnedAway(now)
	}
	return code
}

// noRoom is the code for a call of a crowd that cannot be taken.
func (c *Calls) noRoom(stance takeover.StanceKind, o releve.Opening, now time.Time) int {
	here := c.board.snapshot()
	switch stance {
	case takeover.OnDuty, takeover.NoDuty:
		if here.noRoom(o) {
			return c.profile.BusyCode
		}
		return 0
	case takeover.Verifying, takeover.VerifyingAll:
		// One verdict is for all who wait for it, and there is no use in more of them than there are channels.
		if c.crowd.gaveBack(now) || here.deciding(o) >= max(waitingMost, here.Channels) {
			return c.back(o, stance)
		}
		return 0
	}
	return c.back(o, stance)
}

// deciding are the calls on 100 Trying, with those that are still on their way to here.
func (s Snapshot) deciding(o releve.Opening) int { return max(s.Deciding, o.Present-s.Busy) }

// noRoom says whether a server that answers has no room for another call.
func (s Snapshot) noRoom(o releve.Opening) bool {
	deciding := s.deciding(o)
	return s.Busy+deciding >= s.Channels || deciding >= decidedMost || o.Unacknowledged >= answeredMost ||
		o.Waited > waitedMost || o.Late > lateMost
}

// back is the code that gives a call back to the PBX.
func (c *Calls) back(o releve.Opening, stance takeover.StanceKind) int {
	offer := c.profile.offer(releve.Invite{Target: o.User}, stance)
	refused, _ := c.profile.admit(takeover.Closed, offer)
	return refused.Code
}
