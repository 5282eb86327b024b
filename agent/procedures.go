package agent

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"releve"
	"releve/procedure"
	"releve/takeover"
	"releve/view"
)

// Errors of Run, by which the command line chooses its exit code.
var (
	ErrRunning     = errors.New("another procedure is running: wait until it ends, `releve status` shows it")
	ErrUnknown     = errors.New("there is no procedure of that name")
	ErrNotAllowed  = errors.New("the procedure may not begin")
	ErrInterrupted = errors.New("the procedure was interrupted: run it again, it goes on from where it was")
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
	p, known := procedure.All[name]
	if !known {
		return fmt.Errorf("%w: %q", ErrUnknown, name)
	}
	if a.otherRuns() || !a.running.take() {
		return ErrRunning
	}
	defer a.running.leave()
	r := runner{agent: a, p: p, emit: emit}
	if dryRun {
		return r.run(ctx, true)
	}
	a.Explain("info", view.Say("event-procedure-began", "procedure", name))
	err := r.run(ctx, false)
	if err != nil {
		a.Explain("warning", view.Say("event-procedure-failed", "procedure", name, "why", err.Error()))
	} else {
		a.Explain("info", view.Say("event-procedure-ended", "procedure", name))
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
	target releve.Seat
	proven bool
	copied releve.DataID // the target's copy when the run began
	emit   func(view.Procedure)
	shown  view.Procedure
}

func (r *runner) run(ctx context.Context, dryRun bool) error {
	site := r.site()
	r.target = r.p.Target(site)
	r.copied = r.copyOf(r.target)
	r.shown = view.Procedure{ID: rand.Text()[:8], Name: r.p.Name, DryRun: dryRun, Started: time.Now().UTC()}
	for _, s := range r.p.Steps {
		r.shown.Steps = append(r.shown.Steps, view.ProcedureStep{What: r.say(s.Code), State: "waiting"})
	}
	if why := r.forbidden(ctx); len(why) > 0 {
		return r.end(&why[0], ErrNotAllowed)
	}
	for i, s := range r.p.Steps {
		if err := r.step(ctx, i, s, dryRun); err != nil {
			return err
		}
	}
	return r.end(nil, nil)
}

// settling is how long what forbids a procedure may take to pass: a server that has
// just started has not heard the PBX yet.
const settling = 3 * time.Second

// forbidden is what forbids the procedure, after it had time to pass.
func (r *runner) forbidden(ctx context.Context) []view.Sentence {
	ctx, cancel := context.WithTimeout(ctx, settling)
	defer cancel()
	for {
		why := r.p.Before(r.site(), r.target)
		if len(why) == 0 || !pause(ctx, 100*time.Millisecond, nil) {
			return why
		}
	}
}

func (r *runner) say(code string) view.Sentence {
	return view.Say(code, "seat", string(r.target), "other", string(r.target.Other()))
}

func (r *runner) end(failed *view.Sentence, err error) error {
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

func (r *runner) step(ctx context.Context, i int, s procedure.Step, dryRun bool) error {
	shown := &r.shown.Steps[i]
	if s.Done(r.site(), r.target) {
		shown.State = "skipped"
		r.show()
		return nil
	}
	if dryRun {
		return nil
	}
	shown.State, shown.Started = "running", time.Now().UTC()
	r.show()
	err := r.carry(ctx, i, s)
	shown.Finished, shown.Progress = time.Now().UTC(), nil
	if err != nil {
		shown.State = "failed"
		why := view.Say("step-failed", "step", s.Code, "why", err.Error())
		return r.end(&why, fmt.Errorf("%s: %w", s.Code, err))
	}
	shown.State = "done"
	r.show()
	return nil
}

// carry gives the step's order and waits until the site shows that it is done.
// An order that a restart swallowed is given again.
func (r *runner) carry(ctx context.Context, i int, s procedure.Step) error {
	ctx, cancel := context.WithTimeoutCause(ctx, s.Limit, fmt.Errorf("not done after %s", s.Limit))
	defer cancel()
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	began := time.Now()
	for ordered := (time.Time{}); !s.Done(r.site(), r.target); {
		if s.Order != procedure.Nothing && time.Since(began) >= s.Patience && time.Since(ordered) > orderAgain && r.wanted(s) {
			ordered = time.Now()
			if err := r.order(ctx, i, s); err != nil {
				return err
			}
		}
		r.follow(i)
		select {
		case <-ctx.Done():
			return errors.Join(ErrInterrupted, context.Cause(ctx))
		case <-look.C:
		}
	}
	return nil
}

// orderAgain is how long an order has to show an effect.
const orderAgain = 3 * time.Second

// wanted: an order to rejoin is for a server that stands aside, and one to rebuild for a
// mirror, not for one that is on its way.
func (r *runner) wanted(s procedure.Step) bool {
	at := r.site()[s.At(nil, r.target)]
	switch s.Order {
	case procedure.Rejoin:
		return at.Copyable
	case procedure.Rebuild:
		return at.Mirrors
	}
	return true
}

func (r *runner) follow(i int) {
	progress := r.agent.View().Mirror.Progress
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
	return fmt.Errorf("%w: %q", ErrUnknown, order)
}

func (a *Agent) testCallAt(ctx context.Context, at releve.Seat) (view.Sentence, error) {
	if at == a.Settings.Seat {
		return a.TestCall(ctx)
	}
	var found view.Sentence
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

// TestCall calls the reception as the standby user and says what it heard.
func (a *Agent) TestCall(ctx context.Context) (view.Sentence, error) {
	ctx, cancel := context.WithTimeout(ctx, testLimit)
	defer cancel()
	call, err := a.Telephone.TestCall(ctx, rand.Text())
	if err != nil {
		return view.Sentence{}, fmt.Errorf("the test call to %s failed: %w", a.Site.Reception, err)
	}
	return view.Say("found-test-call", "answered", call.AnsweredAfter.Round(time.Millisecond).String(),
		"sound", call.SoundAfter.Round(time.Millisecond).String(), "by", call.AnsweredBy), nil
}

// site is what the procedure's conditions look at.
func (r *runner) site() procedure.Site {
	a := r.agent
	m := a.Machine()
	bound := a.Telephone.Bound()
	own := serverOf(m.Status(), bound.Standby, a.Spool.Waiting())
	own.Heard = true
	other, _, heard := a.board.theirs()
	theirs := serverOf(other.Status, slices.Contains(other.Server.Registered, a.Site.StandbyUser), other.Status.Spooled)
	theirs.Heard = heard
	site := procedure.Site{m.Seat: own, m.Seat.Other(): theirs}
	tested := site[r.target.Other()]
	tested.ProvenTest = r.proven
	site[r.target.Other()] = tested
	target, copied := site[r.target], r.copyOf(r.target)
	target.Receives = m.DB.Streaming || m.Gate && m.Seen.Streaming
	target.Anew = copied != "" && copied != r.copied
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

func serverOf(s takeover.Status, standby bool, spooled int) procedure.Server {
	aside := s.Phase == takeover.Deposed || s.Phase == takeover.Stuck
	return procedure.Server{
		Serving: s.Serving && s.Owner == s.Seat && s.Phase == takeover.Serving, Copyable: aside,
		Copying: s.Phase == takeover.Rejoining || s.Phase == takeover.Waiting, Follows: s.Phase == takeover.Following,
		Mirrors: s.Phase == takeover.Following || s.Phase == takeover.Isolated,
		Vote:    s.Vote || s.Holds(), Reception: s.Reception, Standby: standby, PBX: s.PBXAgo >= 0 && s.PBXAgo < 2*time.Second,
		Spooled: spooled, Term: s.Term,
	}
}
