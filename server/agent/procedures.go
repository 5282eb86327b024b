package agent

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
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
	errRunning     = releve.Refused(releve.ErrBusy, "another procedure is running: wait until it ends, `releve status` shows it")
	errUnknown     = releve.Refused(releve.ErrUnknown, "there is no procedure of that name")
	errNotAllowed  = releve.Refused(releve.ErrForbidden, "the procedure may not begin")
	ErrInterrupted = releve.Known("the procedure was interrupted: run it again, it goes on from where it was", "cause-interrupted")
)

// procedureSlot holds the one procedure that may run, and the last one.
type procedureSlot struct {
	mu   sync.Mutex
	last *view.Procedure
	busy bool
}

func (s *procedureSlot) take() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy {
		return false
	}
	s.busy = true
	return true
}

func (s *procedureSlot) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy = false
}

func (s *procedureSlot) keep(p view.Procedure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = &p
}

func (s *procedureSlot) latest() *view.Procedure {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

// Procedure runs the procedure of that name to its end and emits it again after
// each change. It may be asked of either server: each orders the other what
// belongs there.
func (a *Agent) Procedure(ctx context.Context, name string, dryRun bool, emit func(view.Procedure)) error {
	return a.Wish(ctx, Wish{Name: name, DryRun: dryRun}, emit)
}

// Wish is a procedure that an operator asks for, with what he says himself.
type Wish struct {
	Name       string
	DryRun     bool
	OtherIsOff bool            // his word that the other server is off
	Carried    takeover.Return // the other's word, which he brought
}

// Wish runs a procedure as [Agent.Procedure] does, on an operator's word.
func (a *Agent) Wish(ctx context.Context, w Wish, emit func(view.Procedure)) error {
	p, known := procedure.All[w.Name]
	if !known {
		return fmt.Errorf("%w: %q", errUnknown, w.Name)
	}
	if a.otherRuns() || !a.running.take() {
		return errRunning
	}
	defer a.running.leave()
	r := runner{agent: a, p: p, wish: w, emit: emit}
	if w.DryRun {
		return r.run(ctx)
	}
	a.Explain("info", releve.Say("event-procedure-began", "procedure", w.Name))
	err := r.run(ctx)
	if err != nil {
		a.Explain("warning", releve.Say("event-procedure-failed", "procedure", w.Name, "why", releve.Reason(err)))
	} else {
		a.Explain("info", releve.Say("event-procedure-ended", "procedure", w.Name))
	}
	return err
}

// otherRuns says that a procedure runs that was asked of the other server (P1).
func (a *Agent) otherRuns() bool {
	other, _, heard := a.board.theirs()
	return heard && other.Procedure != nil && other.Procedure.Finished.IsZero()
}

// runner is one run of a procedure.
type runner struct {
	agent  *Agent
	p      procedure.Procedure
	wish   Wish
	target releve.Seat
	proven bool
	path   string        // by which the other answers a check, of a procedure that takes it for off
	copied releve.DataID // the target's copy when the run began
	emit   func(view.Procedure)
	shown  view.Procedure
}

func (r *runner) run(ctx context.Context) error {
	r.target = r.p.Target(r.site(), r.agent.Settings.Seat)
	r.copied = r.copyOf(r.target)
	r.shown = view.Procedure{ID: rand.Text()[:8], Name: r.p.Name, DryRun: r.wish.DryRun, Started: time.Now().UTC()}
	for _, s := range r.p.Steps {
		r.shown.Steps = append(r.shown.Steps, view.ProcedureStep{What: r.say(s.Code), State: "waiting"})
	}
	if r.p.Forced {
		r.path = r.agent.otherAnswers(ctx)
	}
	if why := r.forbidden(ctx); len(why) > 0 {
		return r.end(&why[0], errNotAllowed)
	}
	if r.p.Costs != nil {
		r.shown.Costs = r.p.Costs(r.site(), r.target)
	}
	if r.p.Forced && !r.wish.DryRun && !r.wish.OtherIsOff {
		why := r.say("before-word-needed")
		return r.end(&why, errNotAllowed)
	}
	r.agent.told(r.shown)
	for i, s := range r.p.Steps {
		if err := r.step(ctx, i, s); err != nil {
			return err
		}
	}
	if r.p.Next != "" && !r.wish.DryRun {
		next := r.say(r.p.Next)
		r.shown.Next = &next
	}
	return r.end(nil, nil)
}

// settling is how long what forbids a procedure may take to pass: a server that has
// just started has not heard the PBX yet.
const settling = 3 * time.Second

// forbidden is what forbids the procedure, after it had time to pass.
func (r *runner) forbidden(ctx context.Context) []releve.Sentence {
	ctx, cancel := context.WithTimeout(ctx, settling)
	defer cancel()
	for {
		why := append(r.p.Before(r.site(), r.target), r.misfit()...)
		if len(why) == 0 || !pause(ctx, 100*time.Millisecond, nil) {
			return why
		}
	}
}

func (r *runner) say(code string) releve.Sentence {
	return releve.Say(code, "seat", string(r.target), "other", string(r.target.Other()))
}

func (r *runner) end(failed *releve.Sentence, err error) error {
	r.shown.Failed, r.shown.Finished = failed, time.Now().UTC()
	r.show()
	return err
}

func (r *runner) show() {
	if !r.shown.DryRun {
		copied := r.shown
		copied.Steps = append([]view.ProcedureStep(nil), r.shown.Steps...)
		r.agent.running.keep(copied)
		r.agent.changed.announce()
	}
	r.emit(r.shown)
}

func (r *runner) step(ctx context.Context, i int, s procedure.Step) error {
	shown := &r.shown.Steps[i]
	if s.Done(r.site(), r.target) {
		shown.State = "skipped"
		r.find(i, s)
		r.show()
		return nil
	}
	if r.wish.DryRun {
		return nil
	}
	shown.State, shown.Started = "running", time.Now().UTC()
	r.show()
	err := r.carry(ctx, i, s)
	shown.Finished, shown.Progress = time.Now().UTC(), nil
	r.withdraw(ctx, s)
	if err != nil {
		shown.State = "failed"
		why := releve.Say("step-failed", "step", s.Code, "why", releve.Reason(err))
		return r.end(&why, fmt.Errorf("%s: %w", s.Code, err))
	}
	shown.State = "done"
	r.find(i, s)
	r.show()
	return nil
}

// find says what a step has shown.
func (r *runner) find(i int, s procedure.Step) {
	if s.Found != nil {
		found := s.Found(r.site(), r.target)
		r.shown.Steps[i].Found = &found
	}
}

// carry gives the step's order and waits until the site shows that it is done.
// An order that a restart swallowed is given again.
func (r *runner) carry(ctx context.Context, i int, s procedure.Step) error {
	ctx, cancel := context.WithTimeoutCause(ctx, s.Limit, releve.Known(fmt.Sprintf("not done after %s", s.Limit), "cause-not-done", "limit", s.Limit.String()))
	defer cancel()
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	began, sound := time.Now(), time.Now()
	for ordered := (time.Time{}); !s.Done(r.site(), r.target); {
		if lost := r.undone(i); lost == "" {
			sound = time.Now()
		} else if time.Since(sound) > undoneFor {
			return releve.Explained(ErrInterrupted, fmt.Sprintf("%v (what %s had reached holds no longer)", ErrInterrupted, lost),
				"cause-undone", "why", releve.Reason(releve.Known(lost, lost)))
		}
		if s.Order != procedure.Nothing && time.Since(began) >= s.Patience && time.Since(ordered) > orderAgain && r.wanted(s) {
			ordered = time.Now()
			if err := r.order(ctx, i, s); err != nil {
				return err
			}
		}
		r.follow(i)
		select {
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), ErrInterrupted) // a limit that passed is what people read
		case <-look.C:
		}
	}
	return nil
}

// orderAgain is how long an order has to show an effect.
const orderAgain = 3 * time.Second

// undoneFor is how long what an earlier step had reached may be gone: a duty that moves
// is nobody's for a moment.
const undoneFor = 15 * time.Second

// undone is a step before the i-th that does not hold any more: the duty changed
// meanwhile, or was looked at just as it did. Nothing that comes after would be reached.
func (r *runner) undone(i int) string {
	site := r.site()
	for _, s := range r.p.Steps[:i] {
		if !site[r.target].Heard || !s.Done(site, r.target) { // of a server that is not heard, only the past is known
			return s.Code
		}
	}
	return ""
}

// wanted: an order to rejoin is for a server that stands aside, one to rebuild for a
// mirror, and one to restore for a lost database, not for one that is on its way.
func (r *runner) wanted(s procedure.Step) bool {
	at := r.site()[s.At(nil, r.target)]
	switch s.Order {
	case procedure.Rejoin:
		return at.Copyable
	case procedure.Rebuild:
		return at.Mirrors
	case procedure.RestoreOwn:
		return !at.Restoring && !at.Restored
	}
	return true
}

func (r *runner) follow(i int) {
	progress := r.agent.View().Mirror.Progress
	if r.p.Name == procedure.Restore.Name {
		progress = r.agent.board.copying()
	}
	if progress != nil {
		r.shown.Steps[i].Progress = progress
		r.show()
	}
}

func (r *runner) order(ctx context.Context, i int, s procedure.Step) error {
	at := s.At(r.site(), r.target)
	a := r.agent
	if s.Order == procedure.TestCall {
		call, err := a.testCallAt(ctx, at)
		if err != nil {
			return err
		}
		r.proven = true
		r.shown.Steps[i].Found = &call
		return nil
	}
	if s.Order == procedure.CarryWord {
		a.Carry(ctx, r.wish.Carried)
		return nil
	}
	return a.orderAt(ctx, at, string(s.Order))
}

// orderAt gives an order to this server or to the other.
func (a *Agent) orderAt(ctx context.Context, at releve.Seat, order string) error {
	if at == a.Settings.Seat {
		return a.Order(ctx, order)
	}
	return a.Link.Command(ctx, order, nil, func(view.Procedure) {})
}

// Order takes an order that a procedure gives to this server.
func (a *Agent) Order(ctx context.Context, order string) error {
	switch takeover.Command(order) {
	case takeover.Rejoin, takeover.Rebuild, takeover.HandOver, takeover.Restore, takeover.Solo, takeover.Take, takeover.UsePair, takeover.UseWitness:
		a.send(ctx, takeover.Event{Command: takeover.Command(order)})
		return nil
	}
	return fmt.Errorf("%w: %q", errUnknown, order)
}

func (a *Agent) testCallAt(ctx context.Context, at releve.Seat) (releve.Sentence, error) {
	if at == a.Settings.Seat {
		return a.TestCall(ctx)
	}
	var found releve.Sentence
	err := a.Link.Command(ctx, string(procedure.TestCall), nil, func(p view.Procedure) {
		if len(p.Steps) > 0 && p.Steps[0].Found != nil {
			found = *p.Steps[0].Found
		}
	})
	return found, err
}

// testLimit is how long a proof by a test call may take: somebody is on duty and
// answers at once.
const testLimit = 15 * time.Second

// TestCall calls the reception as the standby user and says what it heard. It proves the
// other server, which is on duty: somebody else who answers proves nothing.
func (a *Agent) TestCall(ctx context.Context) (releve.Sentence, error) {
	ctx, cancel := context.WithTimeout(ctx, testLimit)
	defer cancel()
	call, err := a.Telephone.TestCall(ctx, rand.Text(), true)
	if err != nil {
		return releve.Sentence{}, fmt.Errorf("the test call to %s failed: %w", a.Site.Reception, err)
	}
	if must := a.Settings.Seat.Other(); call.Known && call.By != must {
		return releve.Sentence{}, releve.Known(fmt.Sprintf("the test call to %s was answered by %s, and the %s server took none", a.Site.Reception, call.AnsweredBy, must),
			"cause-test-elsewhere", "number", a.Site.Reception, "by", call.AnsweredBy, "seat", string(must))
	}
	return releve.Say("found-test-call", "answered", call.AnsweredAfter.Round(time.Millisecond).String(),
		"sound", call.SoundAfter.Round(time.Millisecond).String(), "by", call.AnsweredBy), nil
}

// site is what the procedure's conditions look at.
func (r *runner) site() procedure.Site {
	a := r.agent
	m := a.Machine()
	own := r.serverOf(a.Message())
	own.Heard, own.Protected = true, m.Protected()
	own.Loss = a.ownLoss(m)
	other, heardAt, heard := a.board.theirs()
	theirs := r.serverOf(other)
	theirs.Heard, theirs.Loss = heard, r.theirLoss(other, heardAt, heard)
	site := procedure.Site{m.Seat: own, m.Seat.Other(): theirs}
	tested := site[r.target.Other()]
	tested.ProvenTest = r.proven
	site[r.target.Other()] = tested
	target, copied := site[r.target], r.copyOf(r.target)
	target.Receives = m.DB.Streaming || m.Gate && m.Mirror.Streaming
	target.Anew = copied != "" && copied != r.copied
	target.Restored = target.Restored || target.Anew
	site[r.target] = target
	return site
}

// copyOf is the data id of a server's copy, "" while it has none.
func (r *runner) copyOf(seat releve.Seat) releve.DataID {
	m := r.agent.Machine()
	if seat == m.Seat {
		return m.DataID
	}
	other, _, _ := r.agent.board.theirs()
	return other.Status.DataID
}

// serverOf is a server by its own word.
func (r *runner) serverOf(said Message) procedure.Server {
	s := said.Status
	owns := s.Known && s.Owner == s.Seat
	mute := r.agent.Site.Level == releve.Mirroring && s.Seat == releve.Secondary
	return procedure.Server{
		Serving: s.Serving && owns && s.Phase == takeover.Serving, Copyable: s.Phase == takeover.Deposed || s.Phase == takeover.Stuck,
		Copying: s.Phase == takeover.Rejoining || s.Phase == takeover.Waiting, Follows: s.Phase == takeover.Following,
		Mirrors: s.Phase == takeover.Following || s.Phase == takeover.Isolated,
		Vote:    s.Vote || s.Holds(), Reception: s.Reception, Standby: slices.Contains(said.Server.Registered, r.agent.Site.StandbyUser),
		PBX: s.PBXAgo >= 0 && s.PBXAgo < 2*time.Second, Spooled: s.Spooled, Term: s.Term,

		Mute: mute, Owner: owns, OnDuty: owns && onDuty(s.Phase), Released: owns && s.Released, Halted: s.Phase == takeover.Stuck,
		Gate: s.Gate, Down: said.Server.Data.State == releve.TierDown, Lone: s.Lone, Holds: owns && s.Vote, Whole: s.DataID != "",
		Restoring: s.Phase == takeover.Restoring, Restored: s.Restored && s.Phase == takeover.Promoting,
		Arbiter: cmp.Or(s.Arbiter, releve.Pair), Witness: said.Server.Witness,
	}
}

func onDuty(p takeover.Phase) bool {
	return p == takeover.Serving || p == takeover.Promoting || p == takeover.Unconfirmed || p == takeover.Restoring
}
