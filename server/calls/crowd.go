package calls

import (
	"fmt"
	"strconv"
	"sync"
	"time"

	"releve"
	"releve/rules/attendant"
	"releve/rules/takeover"
)

// crowd counts the calls that come.
type crowd struct {
	mu      sync.Mutex
	span    time.Time // when it began
	calls   int       // in it
	last    int       // in the one before it
	refused time.Time // when a call was given back after a verification
}

// came counts a call, and says whether it is one of a crowd.
func (w *crowd) came(now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if passed := now.Sub(w.span); passed >= crowdSpan || passed < 0 {
		w.last = 0
		if passed < 2*crowdSpan {
			w.last = w.calls
		}
		w.span, w.calls = now, 0
	}
	w.calls++
	return max(w.calls, w.last) > crowdCalls
}

// givesBack notes that a call was given back after a verification.
func (w *crowd) givesBack(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refused = now
}

// gaveBack says whether one was given back this moment.
func (w *crowd) gaveBack(now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return now.Sub(w.refused) < freshVerdict
}

// Crowded is the outcome of a row that stands for as many calls as its detail says: those that were turned
// away within half a second. A row each would cost what turning them away saves.
const Crowded attendant.Outcome = "crowd"

// crowdOver is how long nobody must have been turned away before it is said that it is over.
const crowdOver = 2 * time.Second

// turned is what was told and recorded of calls that were turned away.
type turned struct {
	before int64 // of them
	begun  int64 // how many there were when that began
	last   time.Time
}

// look records those that were turned away since the last look, and tells of the first and of the last.
func (w *turned) look(c *Calls, count int64, now time.Time) {
	more := count - w.before
	switch {
	case more > 0:
		if w.last.IsZero() {
			w.begun = w.before
			c.explain(releve.Say("event-crowd"))
		}
		w.before, w.last = count, now
		c.recordCrowd(more, now)
	case !w.last.IsZero() && now.Sub(w.last) >= crowdOver:
		c.explain(releve.Say("event-crowd-over", "calls", strconv.FormatInt(count-w.begun, 10)))
		w.last = time.Time{}
	}
}

// recordCrowd gives many calls one row. A server that does not answer has no record of what it gives back.
func (c *Calls) recordCrowd(calls int64, now time.Time) {
	stance, term := c.duty.Stance()
	if stance != takeover.OnDuty && stance != takeover.NoDuty {
		return
	}
	id := releve.CallID(fmt.Sprintf("crowd-%s-%d", c.run, now.UnixMilli()))
	k := &call{Calls: c, of: c.seat, offer: Offer{Invite: releve.Invite{Call: id, ReceivedAt: now}}, drop: func(error) {}, log: c.log, term: term}
	k.decision.WithoutDuty = stance == takeover.NoDuty
	k.begin(time.Time{})
	k.end(Crowded, strconv.FormatInt(calls, 10))
	c.board.note(*k.shown.Load())
}
