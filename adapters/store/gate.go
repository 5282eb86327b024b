package store

import (
	"context"
	"maps"
	"slices"
	"sync"

	"releve"
)

// doubtsMost bounds the list of commits in doubt: a hundred answers that were lost in a row are
// one trouble.
const doubtsMost = 100

// gate counts transactions in, decides whether each is lone, and closes for a
// barrier. It is the one owner of what the store knows of the vote.
type gate struct {
	mu      sync.Mutex
	changed chan struct{} // closed and renewed at each change

	fenced  bool
	barrier bool // nobody enters
	lone    bool // transactions commit without the mirror
	vote    bool // a commit that PostgreSQL stopped waiting for is acknowledged

	doubted int     // commits in doubt so far
	settled int     // of these, how many a later acknowledged commit has settled
	listed  []doubt // the oldest of those that are open

	inFlight int
	sessions map[*session]struct{} // with a transaction open
	lost     map[backend]struct{}  // of sessions that broke and may still commit
}

func newGate() *gate {
	return &gate{
		changed:  make(chan struct{}),
		sessions: map[*session]struct{}{},
		lost:     map[backend]struct{}{},
	}
}

// change runs f and wakes all who wait.
func (g *gate) change(f func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f()
	close(g.changed)
	g.changed = make(chan struct{})
}

// when waits until no barrier stands and then runs f.
func (g *gate) when(ctx context.Context, f func()) error {
	for {
		g.mu.Lock()
		fenced, barrier, changed := g.fenced, g.barrier, g.changed
		if !fenced && !barrier {
			f()
		}
		g.mu.Unlock()
		switch {
		case fenced:
			return ErrFenced
		case !barrier:
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// enter lets a transaction in and says whether it is lone.
func (g *gate) enter(ctx context.Context) (lone bool, err error) {
	err = g.when(ctx, func() {
		g.inFlight++
		lone = g.lone
	})
	return lone, err
}

func (g *gate) leave() { g.change(func() { g.inFlight-- }) }

// begin notes a session that opens a transaction; a fence severs it.
func (g *gate) begin(s *session) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.fenced {
		return ErrFenced
	}
	g.sessions[s] = struct{}{}
	return nil
}

// end forgets a session. One that broke is remembered by its backend, which may
// still be committing (R7).
func (g *gate) end(s *session, broken bool) {
	g.change(func() {
		delete(g.sessions, s)
		if broken {
			g.lost[s.backend] = struct{}{}
		}
	})
}

// close puts up a barrier, behind one that stands.
func (g *gate) close(ctx context.Context) error {
	return g.when(ctx, func() { g.barrier = true })
}

func (g *gate) open() { g.change(func() { g.barrier = false }) }

// pending is what a barrier waits for, and the signal of its next change.
func (g *gate) pending() (inFlight int, lost []backend, changed <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.inFlight, slices.Collect(maps.Keys(g.lost)), g.changed
}

func (g *gate) forget(gone []backend) {
	g.change(func() {
		for _, b := range gone {
			delete(g.lost, b)
		}
	})
}

func (g *gate) hasVote() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.vote
}

// doubt counts a commit whose fate is not known, and lists it while there is room.
func (g *gate) doubt(what releve.Sentence) {
	g.change(func() {
		g.doubted++
		if len(g.listed) < doubtsMost {
			g.listed = append(g.listed, doubt{g.doubted, what})
		}
	})
}

// doubts says how many commits were in doubt so far, and how many of them still are.
func (g *gate) doubts() (soFar, open int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.doubted, g.doubted - g.settled
}

// settle closes the doubts that were open before an acknowledged commit began.
func (g *gate) settle(upTo int) {
	g.change(func() {
		g.settled = max(g.settled, upTo)
		g.listed = slices.DeleteFunc(g.listed, func(d doubt) bool { return d.number <= upTo })
	})
}

// inDoubt are the commits in doubt.
func (g *gate) inDoubt() (all []releve.Sentence) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, d := range g.listed {
		all = append(all, d.what)
	}
	return all
}

func (g *gate) isFenced() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.fenced
}

// fence lets nobody in any more and severs every session. It waits for nothing (R9).
func (g *gate) fence() {
	g.change(func() {
		g.fenced = true
		for s := range g.sessions {
			s.sever()
		}
	})
}
