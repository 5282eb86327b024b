package calls

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"releve"
)

const (
	// presentMax bounds the calls in any state, most of them on 100 Trying. A PBX
	// that offers more at one time is in a loop.
	presentMax = 4096
	// recentMax calls that ended are kept for `releve calls` without a database.
	recentMax = 200
	// A server is failing after two answers that failed in a row: one may be
	// chance, and the PBX offers that call again after the standby refused it.
	failuresMax = 2
	failingFor  = 2 * time.Second
	// unacceptableFor is how long a screen tells of calls that could not be taken as they
	// were offered; a telephone that does so once is soon forgotten.
	unacceptableFor = 15 * time.Minute
)

// board is who is here: the calls, the channels and the counts.
type board struct {
	now func() time.Time

	mu       sync.Mutex
	figures  Snapshot
	calls    map[*call]struct{}
	ended    []releve.Call // oldest first
	empty    chan struct{}
	failures int // answers that failed since the last that did not
	failedAt time.Time
	failure  error
}

func newBoard(channels int, now func() time.Time) *board {
	b := &board{now: now, calls: map[*call]struct{}{}, empty: make(chan struct{})}
	b.figures.Channels = channels
	close(b.empty)
	return b
}

// enter counts a call in, unless too many are here.
func (b *board) enter(k *call) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.figures.Offered++
	b.figures.LastInvite = k.offer.Invite.ReceivedAt
	if len(b.calls) >= presentMax {
		return false
	}
	if len(b.calls) == 0 {
		b.empty = make(chan struct{})
	}
	b.calls[k] = struct{}{}
	b.figures.Deciding++
	return true
}

func (b *board) leave(k *call) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.calls, k)
	if k.channel {
		b.figures.Busy--
		if b.figures.Busy < b.figures.Channels {
			b.figures.SaturatedSince = time.Time{}
		}
	} else {
		b.figures.Deciding--
	}
	if c := k.shown.Load(); c != nil {
		b.keep(*c)
	}
	if len(b.calls) == 0 {
		close(b.empty)
	}
}

// note keeps what was no call of its own.
func (b *board) note(c releve.Call) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.keep(c)
}

func (b *board) keep(c releve.Call) {
	if len(b.ended) == recentMax {
		b.ended = slices.Delete(b.ended, 0, 1)
	}
	b.ended = append(b.ended, c)
}

// claim takes a channel for a call until it leaves, if one is free.
func (b *board) claim(k *call) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.figures.Busy >= b.figures.Channels {
		return false
	}
	k.channel = true
	b.figures.Deciding--
	b.figures.Busy++
	if b.figures.Busy == b.figures.Channels {
		b.figures.SaturatedSince = b.now()
	}
	return true
}

func (b *board) answered(at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failures = 0
}

func (b *board) taken(own bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.figures.Answered++
	if own {
		b.figures.OwnAnswered++
	}
}

func (b *board) refused() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.figures.Refused++
}

// turnedAway counts a call of a crowd.
func (b *board) turnedAway(at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.figures.Offered++
	b.figures.Refused++
	b.figures.TurnedAway++
	b.figures.LastInvite = at
	if at.Sub(b.figures.CrowdedAt) > unacceptableFor {
		b.figures.Crowded = 0
	}
	b.figures.Crowded++
	b.figures.CrowdedAt = at
}

// unacceptable counts calls that were refused for what they offer: the way to them is open,
// and yet nobody is answered.
func (b *board) unacceptable(why string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.now().Sub(b.figures.UnacceptableAt) > unacceptableFor {
		b.figures.Unacceptable = 0
	}
	b.figures.Unacceptable++
	b.figures.UnacceptableAt, b.figures.UnacceptableWhy = b.now(), why
}

func (b *board) keyless() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.now().Sub(b.figures.KeylessAt) > unacceptableFor {
		b.figures.Keyless = 0
	}
	b.figures.Keyless++
	b.figures.KeylessAt = b.now()
}

func (b *board) failed(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failures++
	b.failedAt = b.now()
	b.failure = err
}

func (b *board) healthy() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.health()
}

func (b *board) health() error {
	if b.failures < failuresMax || b.now().Sub(b.failedAt) >= failingFor {
		return nil
	}
	return fmt.Errorf("the last %d calls could not be answered: %w", b.failures, b.failure)
}

func (b *board) snapshot() Snapshot {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.figures
	if b.now().Sub(s.UnacceptableAt) > unacceptableFor {
		s.Unacceptable = 0
	}
	if b.now().Sub(s.KeylessAt) > unacceptableFor {
		s.Keyless = 0
	}
	if b.now().Sub(s.CrowdedAt) > unacceptableFor {
		s.Crowded = 0
	}
	return s
}

// adopt counts in a call that another server had answered, with a channel, whether one is free or not: the
// caller has been answered.
func (b *board) adopt(k *call) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.calls) >= presentMax {
		return false
	}
	if len(b.calls) == 0 {
		b.empty = make(chan struct{})
	}
	b.calls[k] = struct{}{}
	b.figures.Busy++
	if b.figures.Busy >= b.figures.Channels && b.figures.SaturatedSince.IsZero() {
		b.figures.SaturatedSince = b.now()
	}
	return true
}

// second takes a channel for a call of this server's own beside one that it holds, if one is free or it must.
func (b *board) second(must bool) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.figures.Busy >= b.figures.Channels && !must {
		return false
	}
	b.figures.Busy++
	if b.figures.Busy >= b.figures.Channels && b.figures.SaturatedSince.IsZero() {
		b.figures.SaturatedSince = b.now()
	}
	return true
}

// free gives such a channel back.
func (b *board) free() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.figures.Busy--
	if b.figures.Busy < b.figures.Channels {
		b.figures.SaturatedSince = time.Time{}
	}
}

// here are the calls in any state.
func (b *board) here() []*call {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Collect(maps.Keys(b.calls))
}

func (b *board) drop(why error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for k := range b.calls {
		k.drop(why)
	}
}

func (b *board) drained() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.empty
}

func (b *board) present() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.calls)
}

// known is what memory has of calls. In one look: a call is among those in conversation or
// among those that ended, at any moment.
func (b *board) known() []releve.Call {
	b.mu.Lock()
	defer b.mu.Unlock()
	var active, ended []releve.Call
	for k := range b.calls {
		switch c := k.shown.Load(); {
		case c == nil:
		case c.Outcome != "": // about to leave
			ended = append(ended, *c)
		default:
			shown := *c
			shown.Duration = b.now().Sub(c.At)
			active = append(active, shown)
		}
	}
	slices.SortFunc(active, func(x, y releve.Call) int {
		return cmp.Or(x.At.Compare(y.At), cmp.Compare(x.Call, y.Call))
	})
	newest := slices.Clone(b.ended)
	slices.Reverse(newest)
	return slices.Concat(active, ended, newest)
}
