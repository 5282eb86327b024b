// Package backup keeps the copy of level backup young (SPEC B1): the server that is off duty has it
// made anew on schedule, says how old it is, and raises the alarm when it is too old; the one on duty
// counts what a copy of that age lacks.
package backup

import (
	"context"
	"log/slog"
	"strconv"
	"time"

	"releve"
	"releve/rules/takeover"
)

const (
	lookEach  = time.Second
	idleEach  = 5 * time.Second // at another level, which may change
	countEach = 2 * time.Second

	// again is the pause after a copy that came to nothing, doubled each time.
	again   = 10 * time.Minute
	doubled = 4

	about = "copy"
)

// Options are what a Keeper is made of.
type Options struct {
	At     time.Duration // since midnight, when the copy is made anew each day
	Oldest time.Duration // it may be, before that is an alarm

	Copied func() (time.Time, error)                     // as of when this server's copy is
	Since  func(context.Context, time.Time) (int, error) // calls in this server's database that began after that
	Order  func(context.Context, string) error           // to this server
	Front  Front
	Log    *slog.Logger
	Now    func() time.Time // time.Now when nil
}

// Front is who this server tells.
type Front interface {
	Machine() takeover.Machine
	OtherCopyAt() time.Time
	CopyAt(time.Time)
	SinceCopy(calls int)
	Explain(what releve.Sentence)
	Notice(about string, what releve.Sentence)
}

// Keeper keeps it.
type Keeper struct {
	Options
	old     bool      // the alarm stands
	counted time.Time // when the calls since the other's copy were last counted
	of      time.Time // … and as of when that copy was
	began   time.Time // when a copy was last ordered on schedule
	vain    int       // … and how often in a row nothing came of it
	was     time.Time // as of when the copy was then
}

// New makes one.
func New(o Options) *Keeper {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Keeper{Options: o}
}

// Run keeps the copy until ctx ends.
func (k *Keeper) Run(ctx context.Context) {
	for {
		each := idleEach
		if k.look(ctx) {
			each = lookEach
		}
		timer := time.NewTimer(releve.UntilBeat(time.Now(), each))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// look does what is to be done now, and says whether the site runs at level backup.
func (k *Keeper) look(ctx context.Context) bool {
	m := k.Front.Machine()
	switch {
	case m.RunsAt() != releve.Backup:
		k.none()
		k.Front.SinceCopy(0)
		return false
	case m.Owns():
		k.none()
		k.count(ctx)
	default:
		k.Front.SinceCopy(0)
		k.tend(ctx, m)
	}
	return true
}

// none: there is no copy here to be kept.
func (k *Keeper) none() {
	k.Front.CopyAt(time.Time{})
	k.young()
	k.succeeded()
	k.began = time.Time{}
}

// count is what would be lost.
func (k *Keeper) count(ctx context.Context) {
	at, now := k.Front.OtherCopyAt(), k.Now()
	if at.IsZero() || at.Equal(k.of) && now.Sub(k.counted) < countEach {
		return
	}
	k.of, k.counted = at, now
	calls, err := k.Since(ctx, at)
	if err != nil {
		k.Log.Debug("the calls since the last copy are not counted", "err", err)
		return
	}
	k.Front.SinceCopy(calls)
}

// tend says how old the copy is, and has a newer one made when it is time.
func (k *Keeper) tend(ctx context.Context, m takeover.Machine) {
	at, err := k.Copied()
	if err != nil {
		k.Log.Warn("as of when the copy is cannot be read", "err", err)
		return
	}
	if m.DataID == "" {
		at = time.Time{}
	}
	k.Front.CopyAt(at)
	now := k.Now()
	if at.IsZero() || now.Sub(at) <= k.Oldest {
		k.young()
	} else {
		k.aged(m.Seat, at, now)
	}
	if m.Phase == takeover.Isolated && m.Job == takeover.NoJob && !at.IsZero() && k.due(at, now) {
		k.renew(ctx, at, now)
	}
}

// due: the last time of the schedule is later than the copy, and nothing came lately of asking.
func (k *Keeper) due(at, now time.Time) bool {
	if !at.Equal(k.was) {
		k.succeeded()
	}
	return at.Before(scheduled(now, k.At)) && (k.vain == 0 || now.Sub(k.began) >= again<<min(k.vain-1, doubled))
}

// succeeded: what was said of attempts that came to nothing is over.
func (k *Keeper) succeeded() {
	if k.vain > 1 {
		k.Front.Explain(releve.Say("event-over", "why", releve.Inside(releve.Say("event-copy-in-vain", "times", strconv.Itoa(k.vain-1)))))
	}
	k.vain = 0
}

// scheduled is the last time of the schedule that has come, by the hands of the machine's clock.
func scheduled(now time.Time, sinceMidnight time.Duration) time.Time {
	on := func(day int) time.Time {
		minutes := int(sinceMidnight / time.Minute)
		return time.Date(now.Year(), now.Month(), day, 0, minutes, 0, 0, now.Location())
	}
	if today := on(now.Day()); !today.After(now) {
		return today
	}
	return on(now.Day() - 1)
}

func (k *Keeper) renew(ctx context.Context, at, now time.Time) {
	k.began, k.was, k.vain = now, at, k.vain+1
	if k.vain > 1 {
		k.Front.Explain(releve.Say("event-copy-in-vain", "times", strconv.Itoa(k.vain-1)))
	}
	if err := k.Order(ctx, string(takeover.Renew)); err != nil {
		k.Log.Warn("the copy could not be ordered", "err", err)
	}
}

// aged raises the alarm, once; how old the copy is goes on to be shown.
func (k *Keeper) aged(seat releve.Seat, at, now time.Time) {
	what := releve.Say("event-copy-old", "seat", string(seat), "at", at.Format(time.RFC3339),
		"age", now.Sub(at).Truncate(time.Hour).String(), "oldest", k.Oldest.String())
	if !k.old {
		k.old = true
		k.Front.Explain(what)
	}
	k.Front.Notice(about, what)
}

func (k *Keeper) young() {
	if k.old {
		k.old = false
		k.Front.Explain(releve.Say("event-copy-young"))
		k.Front.Notice(about, releve.Sentence{})
	}
}
