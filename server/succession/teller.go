package succession

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"releve"
	"releve/server/calls"
	"releve/server/order"
)

const (
	// tellLimit is how long the other server may take to take something in.
	tellLimit = 2 * time.Second
	// tellPace is the least time between two messages: what changes meanwhile travels together.
	tellPace = 50 * time.Millisecond
	// Where the other server did not take it in, it is told again after pauses that grow.
	againFirst = 200 * time.Millisecond
	againMost  = 5 * time.Second
	// assure is how often a server that has calls makes sure that the other still keeps them.
	assure = 5 * time.Second
	// A message bears so many calls at most, or so many bytes, whichever comes first. The link takes 1 MiB.
	callsMost = 64
	bytesMost = 400 << 10
)

// Source is this server's calls.
type Source interface {
	Continuations(wanted func(releve.FactID) bool) []calls.Continuation
}

// teller tells the other server of the calls here.
type teller struct {
	Options
	news chan struct{}

	number uint64 // of the last message; run's alone
	keeper string // who has what was told; run's alone
	anew   bool   // all of it is to be told; run's alone

	mu     sync.Mutex
	due    map[releve.FactID]bool // calls of which there is something to tell
	flying map[releve.FactID]bool // being told
	told   map[releve.FactID]bool // that the other has
}

func newTeller(o Options) *teller {
	return &teller{
		Options: o, news: make(chan struct{}, 1), anew: true,
		due: map[releve.FactID]bool{}, flying: map[releve.FactID]bool{}, told: map[releve.FactID]bool{},
	}
}

// changed says that there is something new of a call, or that it is over.
func (t *teller) changed(id releve.FactID) {
	t.mu.Lock()
	t.due[id] = true
	t.mu.Unlock()
	t.wake()
}

func (t *teller) wake() {
	select {
	case t.news <- struct{}{}:
	default: // it looks before long
	}
}

// has says that the other server may have what it needs to go on with a call.
func (t *teller) has(id releve.FactID) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.told[id] || t.flying[id]
}

// run tells what changes until ctx ends. While there are no calls it sleeps.
func (t *teller) run(ctx context.Context) {
	again := againFirst
	for {
		var look <-chan time.Time
		if t.tends() {
			look = time.After(assure)
		}
		select {
		case <-ctx.Done():
			return
		case <-t.news:
		case <-look:
		}
		pause := tellPace
		if !t.May() {
			t.forget()
		} else if err := t.tellAll(ctx); err != nil {
			t.Log.Debug("the other server was not told of the calls here", "error", err, "again", again)
			pause, again = again, min(2*again, againMost)
			t.wake()
		} else {
			again = againFirst
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// tends says whether there is anything that the other server keeps, or is to.
func (t *teller) tends() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.told)+len(t.due) > 0
}

// forget: nobody is to be told. Once somebody is, he is told everything.
func (t *teller) forget() {
	t.anew = true
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.due)
	clear(t.told)
}

// tellAll tells what there is to tell, in as many messages as that takes.
func (t *teller) tellAll(ctx context.Context) error {
	if t.anew {
		t.everyCall()
	}
	for more := true; more; {
		m := t.next()
		err := t.tell(ctx, m)
		t.landed(m, err)
		if err != nil {
			return err
		}
		t.mu.Lock()
		more = len(t.due) > 0
		t.mu.Unlock()
	}
	return nil
}

// everyCall is due.
func (t *teller) everyCall() {
	all := t.Calls.Continuations(func(releve.FactID) bool { return true })
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range all {
		t.due[c.ID] = true
	}
}

// next is the next message, of calls that are due.
func (t *teller) next() message {
	t.number++
	m := message{Run: t.Self, Number: t.number, Anew: t.anew}
	picked := t.pick()
	bytes := 0
	for _, c := range t.Calls.Continuations(func(id releve.FactID) bool { return picked[id] }) {
		delete(picked, c.ID)
		if bytes += len(order.Args(c)); bytes > bytesMost && len(m.Calls) > 0 {
			t.putBack(c.ID)
			continue
		}
		m.Calls = append(m.Calls, c)
	}
	m.Over = slices.Sorted(maps.Keys(picked)) // they are not there any more
	return m
}

// pick takes as many of the calls that are due as a message bears. What changes from here on is due again.
func (t *teller) pick() map[releve.FactID]bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	picked := map[releve.FactID]bool{}
	for id := range t.due {
		if len(picked) == callsMost {
			break
		}
		picked[id], t.flying[id] = true, true
		delete(t.due, id)
	}
	return picked
}

// putBack leaves a call for the next message.
func (t *teller) putBack(id releve.FactID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.flying, id)
	t.due[id] = true
}

func (t *teller) tell(ctx context.Context, m message) error {
	ctx, cancel := context.WithTimeout(ctx, tellLimit)
	defer cancel()
	said, err := order.Ask[answer](ctx, t.Link, orderCalls, order.Args(m))
	if err != nil {
		return err
	}
	if t.keeper != said.Keeper && !m.Anew {
		t.keeper = said.Keeper
		return errNewKeeper
	}
	t.keeper = said.Keeper
	return nil
}

// errNewKeeper: the other server was started anew, and keeps nothing of what it was told before.
var errNewKeeper = errors.New("the other server was started anew")

// landed takes in what became of a message. After one that failed everything is told anew: nobody knows what
// of it arrived.
func (t *teller) landed(m message, err error) {
	t.anew = err != nil
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.flying)
	if err != nil {
		for _, c := range m.Calls {
			t.due[c.ID] = true
		}
		return
	}
	if m.Anew {
		clear(t.told)
	}
	for _, c := range m.Calls {
		t.told[c.ID] = true
	}
	for _, id := range m.Over {
		delete(t.told, id)
	}
}
