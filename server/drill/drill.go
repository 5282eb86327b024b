// Package drill has the site try its own takeover, by hand and on a schedule: the duty moves to
// the standby as in a takeover, and back, each measured to the first call that is answered (SPEC
// H13). It refuses while something is not well, stops at the first thing that is not as expected,
// and ends in the state that it found.
//
// The main leads: what a drill has reached stands on its disk, and at the secondary as far as it
// was told. A main that was killed in the middle finds its drill open when it starts again, and
// brings the site back, as often as it takes.
package drill

import (
	"context"
	"log/slog"
	"time"

	"releve"
	"releve/rules/takeover"
	"releve/screen/view"
	"releve/server/order"
)

const (
	// lookEach is how often it is looked whether anything is due; an order does not wait for it.
	lookEach = 5 * time.Second
	// againFirst and againMost are the pauses between attempts to bring a site back.
	againFirst = 10 * time.Second
	againMost  = 5 * time.Minute
	// triedAgain is how long after a drill of the schedule, however it ended, comes another.
	triedAgain = 20 * time.Hour
	// repeatOverdue is how often it is said that a drill is overdue.
	repeatOverdue = 24 * time.Hour
	tellLimit     = 2 * time.Second
	tellSoon      = 200 * time.Millisecond
)

// Site is how the site stands.
type Site interface {
	View() view.Site
	// Wish runs a guided procedure to its end.
	Wish(ctx context.Context, w view.Wish, brought takeover.Return, emit func(view.Procedure)) error
}

// Front is who this server tells.
type Front interface {
	Explain(what releve.Sentence)
	Notice(about string, what releve.Sentence)
	OtherHeard() bool
}

// Schedule is when drills are made by themselves, and how old a good one may be.
type Schedule struct {
	Every   time.Duration // 0: by hand alone
	Begins  time.Duration // since midnight: the hours allowed …
	Ends    time.Duration // … which may go over midnight
	Overdue time.Duration // 0: never an alarm
}

// Options are what a Leader is made of.
type Options struct {
	Seat     releve.Seat
	Site     Site
	Front    Front
	Link     order.Link
	Schedule Schedule
	File     string // where it is kept
	Log      *slog.Logger
}

// Leader leads drills at the main, and knows of them at the secondary.
type Leader struct {
	Options
	book    book
	orders  chan wish
	busy    chan struct{} // held by the order that is carried out
	again   time.Time     // not before is it tried to bring the site back
	pause   time.Duration // until the next attempt
	overdue time.Time     // when it was last said
	told    bool          // the other server knows all of the book
	aside   bool          // it was said at the secondary that the main is silent
}

// wish is a drill that somebody asked for.
type wish struct {
	by     string
	dryRun bool
	emit   func(view.Procedure)
	done   chan error
}

// New makes a leader, which knows what was kept.
func New(o Options) *Leader {
	l := &Leader{Options: o, orders: make(chan wish), busy: make(chan struct{}, 1)}
	l.book.open(o.File, o.Log)
	return l
}

// Run makes drills until ctx ends.
func (l *Leader) Run(ctx context.Context) {
	look := time.NewTimer(releve.UntilBeat(time.Now(), lookEach))
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case w := <-l.orders:
			w.done <- l.drill(ctx, w)
			continue
		case <-look.C:
			look.Reset(releve.UntilBeat(time.Now(), lookEach))
		}
		l.look(ctx, time.Now())
	}
}

// look does what is due. The site is looked at only where something may be.
func (l *Leader) look(ctx context.Context, now time.Time) {
	if l.Seat != releve.Main {
		l.watchFromAside()
		return
	}
	l.tell(ctx)
	k := l.book.now()
	switch {
	case k.Open != nil:
		l.bringBack(ctx, now)
	case k.Since.IsZero():
		l.firstLook(now)
	default:
		l.sayOverdue(k, now)
		if l.due(k, now) {
			_ = l.drill(ctx, wish{emit: func(view.Procedure) {}}) // what came of it is told by its report
		}
	}
}

// firstLook is from when a site has drills: before its first, their age counts from there.
func (l *Leader) firstLook(now time.Time) {
	if l.Site.View().Level == releve.HighAvailability {
		_ = l.keep(func(k *kept) { k.Since = now.UTC() })
	}
}

// Drills are what is known here.
func (l *Leader) Drills() view.Drills {
	k := l.book.now()
	d := view.Drills{Open: k.Open, Last: k.Last, Good: k.good()}
	if d.Last == nil {
		d.Last = []view.Drill{}
	}
	if from := k.countedFrom(); l.Schedule.Overdue > 0 && !from.IsZero() {
		d.OverdueAt = from.Add(l.Schedule.Overdue)
	}
	if l.Schedule.Every > 0 {
		d.NextAt = k.countedFrom().Add(l.Schedule.Every)
	}
	return d
}
