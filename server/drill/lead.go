package drill

import (
	"context"
	"crypto/rand"
	"sync"
	"time"

	"releve"
	"releve/rules/procedure"
	"releve/rules/takeover"
	"releve/screen/view"
)

// Name of a drill, as a procedure that is shown.
const Name = "drill"

// Why a drill is not begun, or does not come to a good end.
var (
	errRuns     = releve.Refused(releve.ErrBusy, "a drill is under way: `releve drill show` says how far it is")
	errNotReady = releve.Refused(releve.ErrForbidden, "a drill begins where the standby could take over, and the reasons given say why it could not")
	errOpen     = releve.Known("the drill stopped, and the site is not yet as it was: `releve drill show` says which step is open; "+
		"it is brought back by itself as soon as that can be, or by `releve return`", "cause-drill-open")
	errFailed = releve.Known("the drill stopped at what was not as expected; the site is as it was", "cause-drill-failed")
)

// halves are the procedures that a drill is made of, in their order.
func halves() []procedure.Procedure {
	return []procedure.Procedure{procedure.DrillTakeover, procedure.DrillReturn}
}

// drill makes one, and does not come back before the site is as it was, or cannot be brought
// back by now.
func (l *Leader) drill(ctx context.Context, w wish) error {
	s := newSheet(w)
	if why := l.settled(ctx); len(why) > 0 {
		s.refuse(why)
		return errNotReady
	}
	if w.dryRun {
		s.rehearse(l.book.now())
		return nil
	}
	err := l.keep(func(k *kept) {
		k.Open = &view.Drill{ID: s.shown.ID, By: w.by, Started: s.shown.Started, Step: s.step()}
	})
	if err != nil { // after a crash nobody would know of it
		_ = l.keep(func(k *kept) { k.Open = nil })
		s.refuse([]releve.Sentence{releve.Say("drill-unkept", "why", releve.Reason(err))})
		return errNotReady
	}
	l.Front.Explain(releve.Say("event-drill-began", "by", w.by))
	l.tell(ctx)
	s.done(0)
	err = l.halves(ctx, s)
	if ctx.Err() != nil { // this server is being stopped: the next start goes on
		return context.Cause(ctx)
	}
	if err != nil {
		why := releve.Say("drill-failed", "cause", releve.Inside(s.step()), "why", s.why(err))
		_ = l.keep(func(k *kept) { k.Open.Failed = &why })
	}
	return l.finish(ctx, s)
}

// halves moves the duty there and back.
func (l *Leader) halves(ctx context.Context, s *sheet) error {
	for _, half := range halves() {
		err := l.Site.Wish(ctx, view.Wish{Name: half.Name}, takeover.Return{}, func(p view.Procedure) {
			if s.take(half.Name, p) {
				l.reached(ctx, s)
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// reached keeps how far a drill is.
func (l *Leader) reached(ctx context.Context, s *sheet) {
	_ = l.keep(func(k *kept) {
		k.Open.Step, k.Open.Steps = s.step(), s.steps()
		k.Open.Takeover, k.Open.Return = s.measured()
	})
	ctx, cancel := context.WithTimeout(ctx, tellSoon) // the drill's times are no worse for it
	defer cancel()
	l.tell(ctx)
}

// finish brings the site back where that is to be done, and ends the drill.
func (l *Leader) finish(ctx context.Context, s *sheet) error {
	s.begin(s.last())
	for tried := 0; !l.settles(ctx); tried++ {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		l.sayOpen()
		if tried == restoreTries {
			why := releve.Say("drill-open", "cause", l.openStep())
			s.end(&why)
			return errOpen
		}
		if err := l.restore(ctx); err != nil {
			l.Log.Warn("the site cannot be brought back yet after a drill", "err", err)
		}
	}
	failed := l.close()
	s.done(s.last())
	s.end(failed)
	if failed != nil {
		return errFailed
	}
	return nil
}

// Who waits for a drill waits for so many attempts to bring the site back; it goes on without him.
const (
	restoreTries = 1
	settlesFor   = 10 * time.Second // what the last step reached shows itself everywhere within it
	settlesEach  = 100 * time.Millisecond
)

// settles waits a moment until the site is as it was.
func (l *Leader) settles(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, settlesFor)
	defer cancel()
	for !l.restored() {
		if !sleep(ctx, settlesEach) {
			return false
		}
	}
	return true
}

// restored says that the site is as each drill finds it.
func (l *Leader) restored() bool {
	site := l.Site.View()
	paired := site.Secondary.Heard && site.Secondary.Vote && site.Mirror.State == view.MirrorInSync
	return site.Level != releve.HighAvailability ||
		site.Owner == releve.Main && site.Main.Duty == releve.Active && paired && !site.Procedure.Runs()
}

// restore brings the site back to normal, by the same procedure as an operator.
func (l *Leader) restore(ctx context.Context) error {
	return l.Site.Wish(ctx, view.Wish{Name: procedure.Return.Name}, takeover.Return{}, func(view.Procedure) {})
}

// bringBack goes on with a drill that was left open.
func (l *Leader) bringBack(ctx context.Context, now time.Time) {
	if l.restored() {
		l.close()
		return
	}
	if now.Before(l.again) {
		return
	}
	l.sayOpen()
	if err := l.restore(ctx); err != nil && ctx.Err() == nil {
		l.Log.Info("the site cannot be brought back yet after a drill", "err", err)
	}
	l.pause = min(max(2*l.pause, againFirst), againMost)
	l.again = time.Now().Add(l.pause)
}

// close ends the open drill: the site is as it was. One that this server did not lead from its
// beginning to its end was interrupted.
func (l *Leader) close() (failed *releve.Sentence) {
	k := l.book.now()
	failed = k.Open.Failed
	if failed == nil && k.Open.Return.Whole == 0 {
		why := releve.Say("drill-interrupted", "cause", l.openStep())
		failed = &why
	}
	_ = l.keep(func(k *kept) {
		k.Open.Failed, k.Open.Restored = failed, true
		k.end(time.Now())
	})
	l.pause, l.again = 0, time.Time{}
	l.Front.Notice(Name, releve.Sentence{})
	if failed != nil {
		l.Front.Explain(*failed)
		return failed
	}
	d := l.book.now().Last[0]
	l.Front.Explain(releve.Say("event-drill-passed",
		"there", d.Takeover.Answered.String(), "back", d.Return.Answered.String(), "lasted", d.Finished.Sub(d.Started).String()))
	return nil
}

// sayOpen says plainly which step is open and how to go on.
func (l *Leader) sayOpen() {
	l.Front.Notice(Name, releve.Say("notice-drill-open", "cause", l.openStep()))
}

// openStep is the step at which the open drill stands, as an argument.
func (l *Leader) openStep() string {
	if open := l.book.now().Open; open != nil {
		return releve.Inside(open.Step)
	}
	return ""
}

// passesFor is how long what forbids a drill may take to pass: what is told of the site is a moment old.
const passesFor = 5 * time.Second

// settled is what forbids a drill, after it had time to pass.
func (l *Leader) settled(ctx context.Context) []releve.Sentence {
	ctx, cancel := context.WithTimeout(ctx, passesFor)
	defer cancel()
	for {
		why := l.forbidden()
		if len(why) == 0 || !sleep(ctx, settlesEach) {
			return why
		}
	}
}

// forbidden is what forbids a drill now.
func (l *Leader) forbidden() (why []releve.Sentence) {
	site := l.Site.View()
	switch {
	case l.book.isOpen():
		return []releve.Sentence{releve.Say("drill-is-open", "cause", l.openStep())}
	case site.Level != releve.HighAvailability:
		return []releve.Sentence{releve.Say("drill-level", "level", string(site.Level))}
	case site.Owner != releve.Main:
		return []releve.Sentence{releve.Say("drill-not-normal", "seat", string(releve.Main))}
	case site.Readiness == nil, !site.Readiness.Ready && len(site.Readiness.Wrong()) == 0:
		return []releve.Sentence{releve.Say("drill-unlooked")}
	case !site.Readiness.Ready:
		return site.Readiness.Wrong()
	case site.Word != view.Protected:
		return []releve.Sentence{site.Why}
	case site.Procedure.Runs():
		return []releve.Sentence{releve.Say("ready-procedure-pending", "procedure", site.Procedure.Name)}
	}
	return nil
}

// keep changes the book, and has the other server told. What a full disk does not keep is known
// until this server ends; but no drill begins without.
func (l *Leader) keep(do func(*kept)) error {
	l.told = false
	err := l.book.change(do)
	if err != nil {
		l.Log.Warn("how far the drill is cannot be kept", "err", err)
	}
	return err
}

func sleep(ctx context.Context, d time.Duration) bool {
	wait := time.NewTimer(d)
	defer wait.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-wait.C:
		return true
	}
}

// nameMost is how many letters of a name are kept, in each report.
const nameMost = 100

// Drill makes a drill, or with dryRun says what it would do. Either server can be asked: the main
// leads it.
func (l *Leader) Drill(ctx context.Context, by string, dryRun bool, emit func(view.Procedure)) error {
	if l.Seat != releve.Main {
		return l.forward(ctx, by, dryRun, emit)
	}
	if name := []rune(by); len(name) > nameMost {
		by = string(name[:nameMost])
	}
	return l.order(ctx, wish{by: by, dryRun: dryRun, emit: emit})
}

// order has a drill made by who makes them, one at a time. It goes on when its reader leaves.
func (l *Leader) order(ctx context.Context, w wish) error {
	select {
	case l.busy <- struct{}{}:
		defer func() { <-l.busy }()
	default:
		return refused(w.emit, releve.Say("drill-runs"), errRuns)
	}
	var heard reader
	w.emit, w.done = heard.of(w.emit), make(chan error, 1)
	defer heard.leaves()
	wait := time.NewTimer(tellLimit)
	defer wait.Stop()
	select {
	case l.orders <- w:
	case <-wait.C: // one of the schedule runs, or a site is being brought back
		return refused(w.emit, releve.Say("drill-runs"), errRuns)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case err := <-w.done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// refused emits a drill that was not begun.
func refused(emit func(view.Procedure), why releve.Sentence, err error) error {
	now := time.Now().UTC()
	emit(view.Procedure{ID: rand.Text()[:8], Name: Name, Started: now, Finished: now, Failed: &why})
	return err
}

// reader is who is shown a drill, until he leaves: the drill goes on.
type reader struct {
	mu   sync.Mutex
	left bool
}

func (r *reader) of(emit func(view.Procedure)) func(view.Procedure) {
	return func(p view.Procedure) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if !r.left {
			emit(p)
		}
	}
}

func (r *reader) leaves() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left = true
}
