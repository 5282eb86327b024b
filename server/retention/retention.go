// Package retention forgets the records of calls when their time is over (SPEC C8): the server on
// duty deletes the oldest, a few at a time, while nothing is in the way of what it commits, and says
// what it forgot. Records that stay longer because nothing could be deleted are an alarm.
package retention

import (
	"context"
	"log/slog"
	"strconv"
	"time"

	"releve"
	"releve/rules/takeover"
)

const (
	lookEach = 10 * time.Minute
	// batch is how many records go in one commit, and rest what lies between two: what is deleted
	// goes over the mirror's line too, and calls that are recorded meanwhile come first.
	batch = 200
	rest  = time.Second
	// inVain is how long records may stay past their time without one of them going.
	inVain = 48 * time.Hour
)

// Clock is what time it is, as licences count it, so that no leap of a clock forgets; zero: not
// known yet.
type Clock interface{ Now() time.Time }

// Front is this server, and who it tells.
type Front interface {
	Machine() takeover.Machine
	Explain(what releve.Sentence)
}

// Store is the database of the server on duty.
type Store interface {
	Oldest(ctx context.Context) (time.Time, error)
	Forget(ctx context.Context, before time.Time, most int) (records int, err error)
	KeepSince(func() time.Time)
}

// Keeper forgets on one server, while that is on duty.
type Keeper struct {
	keep  time.Duration
	clock Clock
	front Front
	store Store
	log   *slog.Logger

	stood   time.Duration // since when nothing went that was due, by CLOCK_BOOTTIME; 0: nothing is due
	alarmed bool
}

// New makes one, which keeps records for so long, and has the store know since when they are kept.
func New(keep time.Duration, clock Clock, front Front, store Store, log *slog.Logger) *Keeper {
	k := &Keeper{keep: keep, clock: clock, front: front, store: store, log: log}
	store.KeepSince(k.Since)
	return k
}

// Since is since when records are kept, the beginning of a day (UTC): those of a day go together,
// once it is past. Zero while nobody knows what time it is.
func (k *Keeper) Since() time.Time {
	now := k.clock.Now()
	if now.IsZero() {
		return now
	}
	return now.Add(-k.keep).Truncate(24 * time.Hour)
}

// Run forgets until ctx ends.
func (k *Keeper) Run(ctx context.Context) {
	for {
		timer := time.NewTimer(releve.UntilBeat(time.Now(), lookEach))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
			k.look(ctx)
		}
	}
}

// look forgets what is due, and tells of it.
func (k *Keeper) look(ctx context.Context) {
	m := k.front.Machine()
	since := k.Since()
	if since.IsZero() || !m.Owns() || m.Phase != takeover.Serving {
		k.stood = 0 // the server on duty tells
		return
	}
	oldest, err := k.store.Oldest(ctx)
	if err != nil {
		return // a database that does not answer is told by others
	}
	if oldest.IsZero() || !oldest.Before(since) {
		k.over()
		return
	}
	records, err := k.forget(ctx, since)
	if records > 0 {
		k.over()
		k.front.Explain(releve.Say("event-records-forgotten", "count", strconv.Itoa(records), "before", since.Format(time.RFC3339)))
		return
	}
	k.stands(m.Now, oldest, since, err)
}

// forget deletes until nothing is due, or something is in the way. What is deleted may be told of
// also when the rest was not.
func (k *Keeper) forget(ctx context.Context, since time.Time) (records int, err error) {
	for k.calm() {
		n, err := k.store.Forget(ctx, since, batch)
		records += n
		if err != nil {
			k.log.Warn("records whose time is over were not deleted", "err", err)
			return records, err
		}
		if n < batch || !wait(ctx, rest) {
			break
		}
	}
	return records, nil
}

// calm: a commit waits for nobody, and no order or step is on its way that a commit would be in
// the way of.
func (k *Keeper) calm() bool {
	m := k.front.Machine()
	return m.Owns() && m.Phase == takeover.Serving && m.Job == takeover.NoJob && m.Order == "" &&
		(m.Protected() || m.CommitsAlone())
}

// stands raises the alarm when nothing went for too long.
func (k *Keeper) stands(now time.Duration, oldest, since time.Time, err error) {
	if k.stood == 0 {
		k.stood = now
	}
	if k.alarmed || now-k.stood < inVain {
		return
	}
	k.alarmed = true
	k.front.Explain(releve.Say("event-records-old", "oldest", oldest.Format(time.RFC3339), "before", since.Format(time.RFC3339), "why", why(err)))
}

// why nothing went: what the database said, or that commits would have waited.
func why(err error) string {
	if err == nil {
		return releve.Inside(releve.Say("records-old-not-calm"))
	}
	return releve.Reason(err)
}

// over: what is due goes.
func (k *Keeper) over() {
	k.stood = 0
	if k.alarmed {
		k.alarmed = false
		k.front.Explain(releve.Say("event-records-old-over"))
	}
}

// wait says whether that time passed before ctx ended.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
