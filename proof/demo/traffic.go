package demo

import (
	"context"
	"errors"
	"sync"
	"time"

	"releve"
	"releve/proof/practice"
)

// callEvery is the steady rate: slow enough to be read, fast enough that no
// moment of the show passes without a call.
const callEvery = 1500 * time.Millisecond

// traffic makes calls all the time and keeps what came of each.
type traffic struct {
	caller   *practice.Caller
	narrator *narrator
	hosts    map[string]releve.Seat // contact → server

	mu      sync.Mutex
	changed chan struct{} // closed when anything below changes
	offered int
	numbers map[releve.CallID]int
	events  map[releve.CallID][]practice.Event
	results []practice.Result
}

func newTraffic(n *narrator) *traffic {
	return &traffic{
		narrator: n, changed: make(chan struct{}),
		numbers: map[releve.CallID]int{}, events: map[releve.CallID][]practice.Event{},
	}
}

// run offers a call at each tick until offering ends, then lets the last ones come
// to their end: a call that was begun is counted. When ctx ends they hang up.
func (t *traffic) run(ctx, offering context.Context, every time.Duration) {
	var calls sync.WaitGroup
	defer calls.Wait()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for offering.Err() == nil {
		calls.Go(func() { t.one(ctx) })
		select {
		case <-tick.C:
		case <-offering.Done():
		}
	}
}

// one is a whole call.
func (t *traffic) one(ctx context.Context) {
	r := t.caller.Call(ctx, practice.CallOptions{
		Number: number, Digits: extension, Hold: time.Second, Patience: 12 * time.Second,
	})
	if ctx.Err() != nil {
		return // cut short by the end of the show: it says nothing of the site
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.results = append(t.results, r)
	t.signal()
	t.tell(r)
}

// signal wakes who waits; the mutex is held.
func (t *traffic) signal() {
	close(t.changed)
	t.changed = make(chan struct{})
}

// tell says what came of a call; the mutex is held.
func (t *traffic) tell(r practice.Result) {
	n := t.numbers[r.Call]
	switch {
	case r.Refused():
		t.narrator.say(yellow, "refused", "call", n, "code", r.Code)
	case r.Lost():
		t.narrator.say(red, "lost", "call", n)
	case broken(r):
		t.narrator.say(yellow, "broken", "call", n)
	default:
		t.narrator.say(dim, "heard", "call", n, "after", seconds(r.FirstSoundAfter), "through", t.through(r))
	}
}

// through is the end of the sentence of a call that was transferred.
func (t *traffic) through(r practice.Result) string {
	if !r.Transferred {
		return ""
	}
	return t.narrator.text("through", "extension", extension)
}

// broken says that a voice was heard and then died without a word.
func broken(r practice.Result) bool { return r.Heard() && !r.Cleanly }

// answeredBy is the server that the PBX saw answering; the mutex is held.
func (t *traffic) answeredBy(call releve.CallID) releve.Seat {
	for _, e := range t.events[call] {
		if e.Kind == practice.Answered {
			return t.hosts[e.Contact]
		}
	}
	return ""
}

// heed takes each event of the PBX.
func (t *traffic) heed(e practice.Event) {
	if e.Call == "" {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if e.Kind == practice.CallOffered && e.User == callerUser {
		t.offered++
		t.numbers[e.Call] = t.offered
	}
	n, ours := t.numbers[e.Call]
	if !ours {
		return // to a telephone, of a procedure, or of somebody by hand
	}
	t.events[e.Call] = append(t.events[e.Call], e)
	t.signal()
	t.tellEvent(n, e)
}

// tellEvent says what the PBX did with a call; the mutex is held.
func (t *traffic) tellEvent(n int, e practice.Event) {
	switch e.Kind {
	case practice.Answered:
		offered := t.events[e.Call][0].At
		t.narrator.sayAt(e.At, green, "answered", "call", n,
			"server", t.narrator.seat(t.hosts[e.Contact]), "after", seconds(e.At.Sub(offered)))
	case practice.MainNoReply:
		t.narrator.sayAt(e.At, yellow, "main-silent", "call", n)
	case practice.MainRefused:
		t.narrator.sayAt(e.At, yellow, "main-refused", "call", n, "code", e.Code)
	case practice.Overflow:
		t.narrator.sayAt(e.At, yellow, "overflow", "call", n)
	case practice.StandbyRefused:
		t.narrator.sayAt(e.At, plain, "sent-back", "call", n, "code", e.Code)
	}
}

// until waits for what a function of the results says, the mutex held.
func (t *traffic) until(ctx context.Context, limit time.Duration, what string, enough func() bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errors.New("no "+what+" within "+limit.String()))
	defer cancel()
	for {
		t.mu.Lock()
		done, changed := enough(), t.changed
		t.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// heardBy waits for so many more calls that a server answered to the end.
func (t *traffic) heardBy(ctx context.Context, seat releve.Seat, n int, since time.Time) error {
	return t.until(ctx, time.Minute, "call answered by the "+string(seat), func() bool {
		count := 0
		for _, r := range t.results {
			if r.OfferedAt.After(since) && r.Heard() && t.answeredBy(r.Call) == seat {
				count++
			}
		}
		return count >= n
	})
}
