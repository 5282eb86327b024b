package sim

import (
	"context"
	"errors"
	"fmt"
	"time"

	"releve"
)

// store is the right to commit in a term.
type store struct {
	*process
	open    chan struct{} // closed while there is that right
	changed chan struct{} // closed at each change of what follows, nil while nobody looks

	mine     bool
	barrier  bool
	lone     bool
	inFlight int
	term     releve.Term
	stored   map[releve.FactID]struct{} // facts in the log, as its indexes know
}

var errFenced = errors.New("the database was taken away")

// Open writes the term's first commit. Without the vote it waits for the mirror.
func (s *store) Open(ctx context.Context, term releve.Term, lone bool, _ releve.PromotionID, sure func() error) error {
	s.Close()
	var w *waiting
	err := s.postgres().work(ctx, 5*time.Millisecond, 40*time.Millisecond, func() (err error) {
		if err = s.mayWrite(term); err == nil {
			w = s.append(&commit{term: term, owner: s.server, opens: true}, lone)
		}
		return err
	})
	if err != nil {
		return err
	}
	select {
	case err = <-w.done:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err = errors.Join(err, s.hears(ctx)); err != nil {
		return err
	}
	if err = sure(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead || s.database.runs != primary || ctx.Err() != nil {
		return errLost
	}
	s.mine, s.lone, s.term, s.barrier = true, lone, term, false
	s.opened = append(s.opened, term)
	s.index()
	close(s.open)
	s.ledger.opensAwake(s.server, lone)
	return nil
}

// hears of an acknowledgement, at once unless a test has it last longer.
func (s *store) hears(ctx context.Context) error {
	s.mu.Lock()
	later := s.weak.gate
	s.mu.Unlock()
	if later > 0 {
		return s.takes(ctx, later)
	}
	return s.alive()
}

// mayWrite refuses a log that was written in a later term, or by another in this one.
func (s *store) mayWrite(term releve.Term) error {
	if s.database.runs != primary {
		return errNotRunning
	}
	for _, x := range s.database.log {
		if x.term > term || x.term == term && x.owner != s.server {
			return fmt.Errorf("the database was written in term %d by %s", x.term, x.owner.seat)
		}
	}
	return nil
}

func (s *store) index() {
	s.stored = map[releve.FactID]struct{}{}
	for _, x := range s.database.log {
		for _, f := range x.facts {
			s.stored[f] = struct{}{}
		}
	}
}

// append flushes a commit here. Its wait ends at once when it is lone, or when the
// mirror has it. The caller holds the lock.
func (s *store) append(x *commit, lone bool) *waiting {
	c := &s.database
	x.position = len(c.log) + 1
	c.log = append(c.log[:len(c.log):len(c.log)], x)
	w := &waiting{commit: x, store: s, done: make(chan error, 1)}
	if lone {
		s.ledger.acknowledge(s.server, x)
		w.done <- nil
		return w
	}
	c.waiting = append(c.waiting, w)
	return w
}

// Close takes the database away: whoever waits for a COMMIT is in doubt.
func (s *store) Close() {
	if s.acts() != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mine {
		s.mine, s.open = false, make(chan struct{})
	}
	s.database.drop(func(w *waiting) bool { return w.store == s }, errFenced)
	s.moved()
}

// moved wakes whoever waits for a barrier. The caller holds the lock.
func (s *store) moved() {
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}

// until waits for a state of the store, which ok looks at under the lock.
func (s *store) until(ctx context.Context, ok func() bool) error {
	for {
		s.mu.Lock()
		if s.dead || !s.mine {
			s.mu.Unlock()
			return errFenced
		}
		if ok() {
			s.mu.Unlock()
			return nil
		}
		if s.changed == nil {
			s.changed = make(chan struct{})
		}
		changed := s.changed
		s.mu.Unlock()
		select {
		case <-changed:
		case <-s.ctx.Done():
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// SetLone is a barrier: it returns when every transaction that began before has
// ended. With the vote, those that wait for the mirror need not wait any more (R8).
func (s *store) SetLone(ctx context.Context, lone bool) error {
	if err := s.acts(); err != nil {
		return err
	}
	if s.without.Barrier && !lone {
		return nil
	}
	err := s.until(ctx, func() bool {
		free := !s.barrier
		s.barrier = true
		return free
	})
	if err != nil {
		return err
	}
	err = s.until(ctx, func() bool {
		if lone && !s.database.paused() {
			s.releaseWaiting()
		}
		return s.inFlight == 0
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.barrier = false
	if err == nil {
		s.lone = lone
	}
	s.moved()
	return err
}

// releaseWaiting cancels the wait of commits one by one: with the vote they count as
// acknowledged. The caller holds the lock.
func (s *store) releaseWaiting() {
	for _, w := range s.database.waiting {
		s.ledger.acknowledge(s.server, w.commit)
	}
	s.database.drop(func(*waiting) bool { return true }, nil)
}

// sink is the store as the outbox needs it.
type sink struct{ *store }

func (s sink) Ready() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open
}

// Drain stores a page in one transaction with the position of its spool (R14).
func (s sink) Drain(ctx context.Context, _ releve.Seat, page releve.SpoolPage) (upTo uint64, ahead bool, err error) {
	if err := errors.Join(s.acts(), s.unlocked(ctx)); err != nil {
		return 0, false, err
	}
	return s.stores(ctx, page)
}

// unlocked waits for somebody's transaction that is in the way of facts.
func (s sink) unlocked(ctx context.Context) error {
	s.mu.Lock()
	locked := s.weak.locked
	s.mu.Unlock()
	if locked == nil {
		return nil
	}
	select {
	case <-locked:
		return s.alive()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// stores commits a page, once no barrier is in the way.
func (s sink) stores(ctx context.Context, page releve.SpoolPage) (upTo uint64, ahead bool, err error) {
	lone := false
	err = s.until(ctx, func() bool {
		if s.barrier {
			return false
		}
		lone = s.lone
		s.inFlight++
		return true
	})
	if err != nil {
		return 0, false, err
	}
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.inFlight--
		s.moved()
	}()
	return s.transaction(ctx, page, lone)
}

func (s sink) transaction(ctx context.Context, page releve.SpoolPage, lone bool) (upTo uint64, ahead bool, err error) {
	if err := s.takes(ctx, s.dice.of(s.seat, ofCommit).between(500*time.Microsecond, 4*time.Millisecond)); err != nil {
		return 0, false, err
	}
	if err := s.postgres().awake(ctx); err != nil {
		return 0, false, err
	}
	s.mu.Lock()
	if s.dead || !s.mine || s.database.runs != primary {
		s.mu.Unlock()
		return 0, false, errLost
	}
	x, ahead := s.record(page)
	if ahead {
		s.mu.Unlock()
		return 0, true, errors.New("the database has counted beyond this spool")
	}
	w := s.append(x, lone)
	s.review()
	s.moved() // who begins to commit alone releases this one too
	s.mu.Unlock()
	// A COMMIT has no limit: its store may close, its PostgreSQL may end, and
	// either tells it.
	err = <-w.done
	return x.upTo, false, errors.Join(err, s.alive())
}

// record makes the transaction of a page: what the log has already is skipped. The
// caller holds the lock.
func (s sink) record(page releve.SpoolPage) (x *commit, ahead bool) {
	x = &commit{term: s.term, owner: s.server, spool: page.Incarnation, upTo: s.database.position(page.Incarnation)}
	for _, r := range page.Records {
		_, known := s.stored[r.Fact.ID]
		switch {
		case s.without.Position:
			x.facts = append(x.facts, r.Fact.ID)
		case r.Sequence <= x.upTo && !known:
			return nil, true
		case !known:
			x.facts = append(x.facts, r.Fact.ID)
		}
		x.upTo = max(x.upTo, r.Sequence)
	}
	for _, f := range x.facts {
		s.stored[f] = struct{}{}
	}
	return x, false
}

// position is how far a spool is stored in this log.
func (c *cluster) position(spool string) uint64 {
	for i := len(c.log) - 1; i >= 0; i-- {
		if c.log[i].spool == spool {
			return c.log[i].upTo
		}
	}
	return 0
}
