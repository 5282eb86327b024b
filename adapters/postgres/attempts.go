package postgres

import (
	"context"
	"errors"
	"sync"
	"time"

	"releve"
)

// attempts are the starts of PostgreSQL that were in vain, in a row: each makes the next wait
// longer, and from the second on the operator is told why.
type attempts struct {
	seat    releve.Seat
	explain func(what releve.Sentence)
	now     func() time.Time

	mu   sync.Mutex
	last map[Mode]*vain
	said string // the cause that was told last
}

// vain is a row of failures of one kind of start.
type vain struct {
	times int
	err   error
	until time.Time // not tried again before
}

const (
	firstWait = time.Second
	mostWait  = 15 * time.Second
)

func newAttempts(seat releve.Seat, explain func(what releve.Sentence)) *attempts {
	return &attempts{seat: seat, explain: explain, now: time.Now, last: map[Mode]*vain{}}
}

// try starts PostgreSQL, or gives the reason of the last failure again while its time has not
// come: who decides stays free to do something else.
func (a *attempts) try(ctx context.Context, mode Mode, start func() error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	row := a.last[mode]
	if row != nil && a.now().Before(row.until) {
		return row.err
	}
	err := start()
	switch {
	case err == nil:
		a.succeeded()
		return nil
	case errors.Is(err, ErrFenced), ctx.Err() != nil:
		return err // nobody wants it any more
	}
	if row == nil {
		row = new(vain)
		a.last[mode] = row
	}
	row.times, row.err = row.times+1, short(err)
	row.until = a.now().Add(min(firstWait<<min(row.times-1, 10), mostWait))
	if row.times > 1 && a.said != err.Error() {
		a.said = err.Error()
		a.explain(a.sentence(err))
	}
	return row.err
}

func (a *attempts) succeeded() {
	if a.said != "" {
		a.explain(releve.Say("event-database-well", "seat", string(a.seat)))
	}
	a.said, a.last = "", map[Mode]*vain{}
}

// sentence is what the operator reads: the room's own, where it has one.
func (a *attempts) sentence(err error) releve.Sentence {
	if fault, ok := errors.AsType[*releve.Fault](err); ok {
		return fault.Why
	}
	return releve.Say("event-database-not-started", "seat", string(a.seat), "why", releve.Reason(err))
}

// short is the error for the middle of a sentence.
func short(err error) error {
	if fault, ok := errors.AsType[*releve.Fault](err); ok {
		return fault.Cause
	}
	return err
}
