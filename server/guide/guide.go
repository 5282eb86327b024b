// Package guide carries guided procedures out, step by step, one at a time: it gives each
// step's order and waits until the site shows that the step is done. What a procedure is, and
// what forbids it, is data of package procedure; how the site is, and what an order does, is
// its server's affair.
package guide

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"releve"
	"releve/rules/procedure"
	"releve/rules/takeover"
	"releve/screen/view"
)

// Why a procedure is not run, or does not come to its end.
var (
	ErrRunning     = releve.Refused(releve.ErrBusy, "another procedure is running: wait until it ends, `releve status` shows it")
	ErrUnknown     = releve.Refused(releve.ErrUnknown, "there is no procedure of that name")
	ErrNotAllowed  = releve.Refused(releve.ErrForbidden, "the procedure may not begin, for the reason given: `releve status` shows both servers")
	ErrAborted     = releve.Known("somebody aborted it", "cause-aborted")
	ErrFirm        = releve.Refused(releve.ErrForbidden, "the step that runs is not taken back: wait until it ends")
	ErrNoneRuns    = releve.Refused(releve.ErrUnknown, "no procedure runs here")
	ErrInterrupted = releve.Known("the procedure was interrupted: run it again, it goes on from where it was", "cause-interrupted")
)

// Server is the server that was asked for a procedure, and the site as seen from there.
type Server interface {
	Seat() releve.Seat
	Site() procedure.Site // as it is now
	// OtherAnswers is the path by which the other server answers, "" when by none.
	OtherAnswers(context.Context) (path string)
	// OtherRuns says that a procedure runs that was asked of the other server (P1).
	OtherRuns() bool
	// Order has an order carried out by one of the servers, and gives what that has shown,
	// nothing where the site will show it. brought is the other's word, of an operator's wish.
	Order(ctx context.Context, at releve.Seat, o procedure.Order, brought takeover.Return) (releve.Sentence, error)
	// Withdraw takes an order back that nothing came of.
	Withdraw(context.Context, procedure.Order)
	// Progress is how far what lasts is: the copy that is made in this site, or of this
	// server's own data.
	Progress(own bool) *releve.Progress
	// Vouched keeps an operator's word, by his name, for a level that no study comes before.
	Vouched(level releve.Level, name string) error
	// Warned keeps what an operator was told that he may lose.
	Warned([]releve.Sentence)
	Explain(what releve.Sentence)
	Shown() // the latest procedure has changed
}

// Guide runs procedures on one server.
type Guide struct {
	server Server
	past   *Past

	mu   sync.Mutex
	last *view.Procedure
	busy bool
	end  context.CancelCauseFunc // of the procedure that runs, nil while none does
}

// New makes a guide that knows how long procedures took before.
func New(s Server, past *Past) *Guide { return &Guide{server: s, past: past} }

// Latest is the procedure that runs, or ran last, nil when none did.
func (g *Guide) Latest() *view.Procedure {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.last
}

func (g *Guide) keep(p view.Procedure) {
	g.mu.Lock()
	g.last = &p
	g.mu.Unlock()
	g.server.Shown()
}

func (g *Guide) take() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	free := !g.busy
	g.busy = true
	return free
}

// otherEnds is how long it may take to hear that the other server's procedure has ended: the last of it
// is told with the next word.
const otherEnds = time.Second

// otherRuns says that a procedure runs that was asked of the other server, once that has had the time to
// say that it is over.
func (g *Guide) otherRuns(ctx context.Context) bool {
	limit, done := context.WithTimeout(ctx, otherEnds)
	defer done()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for g.server.OtherRuns() {
		select {
		case <-limit.Done():
			return true
		case <-look.C:
		}
	}
	return false
}

func (g *Guide) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.busy = false
}

// Run runs a procedure to its end and emits it again after each change. It may be asked of
// either server: each orders the other what belongs there. brought is the other's word that the
// wish came with, once it is believed.
func (g *Guide) Run(ctx context.Context, w view.Wish, brought takeover.Return, emit func(view.Procedure)) error {
	p, known := procedure.All[w.Name]
	if !known {
		return fmt.Errorf("%w: %q", ErrUnknown, w.Name)
	}
	if p.As != nil {
		if other, meant := p.As(g.server.Site(), g.server.Seat()); meant {
			p = other
		}
	}
	if p.Wordless != nil && !w.OtherIsOff {
		p = *p.Wordless
	}
	if !p.Beside {
		if g.otherRuns(ctx) || !g.take() {
			return ErrRunning
		}
		defer g.leave()
	}
	r := run{server: g.server, past: g.past, p: p, wish: w, brought: brought}
	if w.DryRun {
		r.show = emit
		return r.run(ctx)
	}
	r.show = func(v view.Procedure) { g.keep(v); emit(v) }
	if p.Beside {
		r.show = emit
	} else {
		var end context.CancelCauseFunc
		ctx, end = context.WithCancelCause(ctx)
		defer end(nil)
		defer g.abortable(nil)
		g.abortable(end)
	}
	g.server.Explain(releve.Say("event-procedure-began", "procedure", w.Name))
	err := r.run(ctx)
	if err != nil {
		g.server.Explain(releve.Say("event-procedure-failed", "procedure", w.Name, "why", releve.Reason(err)))
	} else {
		g.server.Explain(releve.Say("event-procedure-ended", "procedure", w.Name))
	}
	return err
}

func (g *Guide) abortable(end context.CancelCauseFunc) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.end = end
}

// Abort ends the procedure that runs where it is: what a step began that can be taken back is taken back, what was
// reached stays. It fails with [ErrFirm] in a step that is not taken back, and with [ErrNoneRuns].
func (g *Guide) Abort(id string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.end == nil || g.last == nil || g.last.ID != id || !g.last.Runs():
		return ErrNoneRuns
	case g.last.Firm:
		return ErrFirm
	}
	g.end(ErrAborted)
	return nil
}

// Offers are the procedures that there are, each with what forbids it now.
func (g *Guide) Offers() (all []view.Offer) {
	site, here := g.server.Site(), g.server.Seat()
	for _, name := range slices.Sorted(maps.Keys(procedure.All)) {
		p := procedure.All[name]
		if p.OfDrill {
			continue
		}
		if p.As != nil {
			if other, meant := p.As(site, here); meant {
				p = other
			}
		}
		o := view.Offer{Name: name, Off: p.Forced && p.Wordless == nil, MayOff: p.Wordless != nil, Carried: p.Carried()}
		if p.Wordless != nil {
			p = *p.Wordless
		}
		o.Target, o.Noticed, o.Named = p.Target(site, here), p.Noticed(), p.Named
		o.Why = p.Before(site, o.Target)
		o.Vouched = p.Level != "" && p.RestsOnWord(site, o.Target, "x")
		var ahead []string
		o.Already = true
		for _, s := range p.Steps {
			if s.Done(site, o.Target) {
				continue
			}
			ahead = append(ahead, s.Code)
			o.Already = o.Already && s.Proves
		}
		for _, lasts := range g.past.Expected(p.Name, ahead) {
			o.Expected += lasts
		}
		all = append(all, o)
	}
	return all
}

// run is one run of a procedure.
type run struct {
	server  Server
	past    *Past
	p       procedure.Procedure
	wish    view.Wish
	brought takeover.Return
	target  releve.Seat
	proven  bool
	path    string        // by which the other answers a check, of a procedure that takes it for off
	copied  releve.DataID // the target's copy when the run began
	show    func(view.Procedure)
	sheet   *Sheet
}

func (r *run) run(ctx context.Context) error {
	r.target = r.p.Target(r.site(), r.server.Seat())
	r.copied = r.site()[r.target].Copy
	r.sheet = r.newSheet()
	if r.p.Forced || r.p.Silent {
		r.path = r.server.OtherAnswers(ctx)
	}
	why := r.forbidden(ctx)
	if r.wish.DryRun {
		for _, n := range r.p.Conditions(r.site(), r.target, why) {
			r.sheet.shown.Needs = append(r.sheet.shown.Needs, view.Need(n))
		}
	}
	if r.p.Needs != nil {
		for _, n := range r.p.Needs(r.site(), r.target) {
			r.sheet.shown.Needs = append(r.sheet.shown.Needs, view.Need(n))
		}
	}
	if len(why) > 0 {
		return r.end(&why[0], ErrNotAllowed)
	}
	if r.p.Costs != nil {
		r.sheet.shown.Costs = r.p.Costs(r.site(), r.target)
	}
	if r.p.Forced && !r.wish.DryRun && !r.wish.OtherIsOff {
		why := r.say("before-word-needed")
		return r.end(&why, ErrNotAllowed)
	}
	if r.p.Named && !r.wish.DryRun {
		if r.wish.By == "" {
			why := r.say("before-name-needed")
			return r.end(&why, ErrNotAllowed)
		}
		r.server.Explain(releve.Say("event-word-given", "procedure", r.p.Name, "by", r.wish.By))
	}
	if !r.wish.DryRun {
		r.server.Warned(r.sheet.shown.Costs)
		if err := r.vouch(); err != nil {
			return r.end(failed("before-level-word", err), err)
		}
	}
	r.expect()
	for i, s := range r.p.Steps {
		if err := r.step(ctx, i, s); err != nil {
			return err
		}
	}
	if !r.wish.DryRun {
		_ = r.past.Remember(r.sheet.shown) // a disk that takes nothing more is told by those who need it
	}
	if r.p.Next != "" && !r.wish.DryRun {
		next := r.say(r.p.Next)
		r.sheet.shown.Next = &next
	}
	return r.end(nil, nil)
}

// expect says how long what is to be done took before.
func (r *run) expect() {
	var ahead []string
	for _, s := range r.p.Steps {
		if !s.Done(r.site(), r.target) {
			ahead = append(ahead, s.Code)
		}
	}
	expected := r.past.Expected(r.p.Name, ahead)
	for i := range r.sheet.shown.Steps {
		step := &r.sheet.shown.Steps[i]
		step.Expected = expected[step.What.Code]
	}
}

// vouch keeps the operator's word for a level, where the procedure rests on that.
func (r *run) vouch() error {
	if !r.p.RestsOnWord(r.server.Site(), r.target, r.wish.WithoutStudy) {
		return nil
	}
	return r.server.Vouched(r.p.Level, r.wish.WithoutStudy)
}

func failed(code string, err error) *releve.Sentence {
	why := releve.Say(code, "why", releve.Reason(err))
	return &why
}

func (r *run) newSheet() *Sheet {
	var steps []releve.Sentence
	for _, s := range r.p.Steps {
		steps = append(steps, r.say(s.Code))
	}
	sheet := NewSheet(r.p.Name, steps, r.show)
	sheet.shown.DryRun = r.wish.DryRun
	return sheet
}

// settling is how long what forbids a procedure may take to pass: a server that has
// just started has not heard the PBX yet.
const settling = 3 * time.Second

// forbidden is what forbids the procedure, after it had time to pass.
func (r *run) forbidden(ctx context.Context) []releve.Sentence {
	ctx, cancel := context.WithTimeout(ctx, settling)
	defer cancel()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		why := r.p.Before(r.site(), r.target)
		if r.p.Unfit != nil {
			why = append(why, r.p.Unfit(r.site(), r.target, r.brought)...)
		}
		if len(why) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return why
		case <-look.C:
		}
	}
}

func (r *run) say(code string) releve.Sentence {
	return releve.Say(code, "seat", string(r.target), "other", string(r.target.Other()))
}

func (r *run) end(failed *releve.Sentence, err error) error {
	r.sheet.End(failed)
	return err
}

func (r *run) step(ctx context.Context, i int, s procedure.Step) error {
	if s.Done(r.site(), r.target) {
		r.find(i, s)
		r.sheet.Skip(i)
		return nil
	}
	if r.wish.DryRun {
		return nil
	}
	r.sheet.shown.Firm = s.Firm()
	r.sheet.Begin(i)
	err := r.carry(ctx, i, s)
	r.server.Withdraw(ctx, s.Order)
	if err != nil {
		r.undo(ctx, s)
		r.sheet.Fail(i)
		why := releve.Say("step-failed", "step", s.Code, "why", releve.Reason(err))
		return r.end(&why, fmt.Errorf("%s: %w", s.Code, err))
	}
	r.find(i, s)
	r.sheet.Done(i)
	return nil
}

// undoLimit is how long a server may take to take back what was begun.
const undoLimit = 2 * time.Second

// undo takes back what a step began that does not come to its end, whoever has left.
func (r *run) undo(ctx context.Context, s procedure.Step) {
	if s.Undo == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoLimit)
	defer cancel()
	if _, err := r.server.Order(ctx, s.At(r.site(), r.target), s.Undo, r.brought); err != nil {
		r.server.Explain(releve.Say("event-not-undone", "why", releve.Reason(err)))
	}
}

// find says what a step has shown.
func (r *run) find(i int, s procedure.Step) {
	if s.Found != nil {
		r.sheet.Found(i, s.Found(r.site(), r.target))
	}
}

const (
	lookEvery  = 100 * time.Millisecond
	orderAgain = 3 * time.Second  // an order has so long to show an effect
	undoneFor  = 15 * time.Second // what an earlier step had reached may be gone: a duty that moves is nobody's for a moment
)

// carry gives the step's order and waits until the site shows that it is done.
// An order that a restart swallowed is given again.
func (r *run) carry(ctx context.Context, i int, s procedure.Step) error {
	ctx, cancel := context.WithTimeoutCause(ctx, s.Limit,
		releve.Known(fmt.Sprintf("not done after %s", s.Limit), "cause-not-done", "limit", s.Limit.String()))
	defer cancel()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	began, sound := time.Now(), time.Now()
	for ordered := (time.Time{}); !s.Done(r.site(), r.target); {
		if lost := r.undone(i); lost == "" {
			sound = time.Now()
		} else if time.Since(sound) > undoneFor {
			return releve.Explained(ErrInterrupted, fmt.Sprintf("%v (what %s had reached holds no longer)", ErrInterrupted, lost),
				"cause-undone", "why", releve.Inside(releve.Say(lost)))
		}
		if time.Since(began) >= s.Patience && time.Since(ordered) > orderAgain && s.Wanted(r.site(), r.target) {
			ordered = time.Now()
			if err := r.order(ctx, i, s); err != nil {
				return err
			}
		}
		if s.Fails != nil {
			if why := s.Fails(r.site(), r.target); why.Code != "" {
				return &releve.Fault{Cause: ErrNotAllowed, Why: why}
			}
		}
		if s.Waits != nil {
			r.sheet.Waits(i, s.Waits(r.site(), r.target))
		}
		if p := r.server.Progress(r.p.OwnCopy); p != nil {
			r.sheet.Advance(i, p)
		}
		select {
		case <-ctx.Done():
		case <-look.C:
		}
		if ctx.Err() != nil { // whatever else came at that moment
			return errors.Join(context.Cause(ctx), ErrInterrupted) // a limit that passed is what people read
		}
	}
	return nil
}

// undone is a step before the i-th that does not hold any more: the duty changed
// meanwhile, or was looked at just as it did. Nothing that comes after would be reached.
func (r *run) undone(i int) string {
	site := r.site()
	for _, s := range r.p.Steps[:i] {
		if !site[r.target].Heard || !s.Done(site, r.target) { // of a server that is not heard, only the past is known
			return s.Code
		}
	}
	return ""
}

func (r *run) order(ctx context.Context, i int, s procedure.Step) error {
	found, err := r.server.Order(ctx, s.At(r.site(), r.target), s.Order, r.brought)
	if err != nil {
		return err
	}
	r.proven = r.proven || s.Proves // also by a server that does not say what it found
	if found.Code != "" {
		r.sheet.Found(i, found)
	}
	return nil
}

// site is what the procedure's conditions look at: the site as it is, with what this run
// knows of it.
func (r *run) site() procedure.Site {
	site := r.server.Site()
	for seat, s := range site {
		if seat != r.server.Seat() && s.Loss.Path == "" {
			s.Loss.Path = r.path
		}
		if seat == r.target.Other() {
			s.ProvenTest = r.proven
		}
		if seat == r.target {
			s = r.p.OnWord(s, r.wish.WithoutStudy)
			s.Anew = s.Copy != "" && s.Copy != r.copied
		}
		site[seat] = s
	}
	return site
}
