package agent

import (
	"context"
	"errors"
	"slices"
	"time"

	"releve"

	"releve/rules/takeover"
)

// saveLimit is how long the journal's disk may take before it counts as wedged.
const saveLimit = 2 * time.Second

// carry does one action. Slow work is begun here and ends as an event.
func (a *Agent) carry(ctx context.Context, act takeover.Action) error {
	switch act.Kind {
	case takeover.Save:
		// What was decided is remembered even while the server is being stopped.
		limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveLimit)
		defer cancel()
		err := a.parts.Journal.Save(limit, act.Durable)
		if err == nil {
			a.written = act.Durable
			a.machine.Saved(act.Durable)
		}
		return err
	case takeover.Tell:
		a.news = true // told once it is published: what is told is read from there
	case takeover.Fence:
		a.fence()
	case takeover.Drop:
		a.parts.Voice.Cede("the duty was lost")
	case takeover.Begin:
		a.begin(ctx, act)
	case takeover.Check:
		m := a.machine
		a.work.Go(func() { a.check(ctx, m) })
	case takeover.PutClaim:
		a.ask(ctx, act)
	case takeover.Probe:
		a.work.Go(func() { a.probe(ctx) })
	case takeover.Answer:
		a.publish() // who is answered reads the stance and the term by which he is
		a.decide("", releve.Decision{Answer: true, WithoutDuty: act.WithoutDuty, Took: act.Took})
	case takeover.Refuse:
		a.decide(act.Call, releve.Decision{Code: a.Refusal})
	}
	return nil
}

// failed: a journal that cannot be written ends every decision. This server
// fences itself and says so; it is not the place to go on from memory. What was to follow
// is not done.
func (a *Agent) failed(ctx context.Context, act takeover.Action, err error, rest []takeover.Action) {
	a.Log.Error("a decision could not be carried out", "action", act.Kind, "rule", act.Rule, "err", err)
	before := a.machine
	unsaved := takeover.Unsaved{Cause: releve.Reason(releve.Because(err, "the journal could not be written", "cause-journal")), Written: a.written}
	if i := slices.IndexFunc(rest, func(act takeover.Action) bool { return act.Kind == takeover.PutClaim }); i >= 0 {
		unsaved.Unasked = rest[i].Turn
	}
	e := takeover.Event{Now: a.Now(), Unsaved: &unsaved}
	actions := a.machine.Step(e)
	a.note(before, e, actions)
	for _, next := range actions {
		_ = a.carry(ctx, next) // a fence and a word to the other: neither can fail
	}
	if a.machine.Waiters == 0 {
		a.askAgain()
	}
}

// askAgain: the machine takes those who wait for answered, and they were not. They
// wait for the next verdict, by which this server may answer without the duty (R13).
func (a *Agent) askAgain() {
	waiting := a.waiting
	a.waiting = nil
	for _, o := range waiting {
		select {
		case a.offers <- o:
		default:
			o.reply <- releve.Decision{Code: a.Refusal}
		}
	}
}

// tell has the other told at once what this step decided, if it is to be.
func (a *Agent) tell() {
	if !a.news {
		return
	}
	a.news = false
	select {
	case a.kick <- struct{}{}:
	default: // already about to
	}
}

// fence waits for nothing: the store first, so that no commit begins, then the
// postmaster (R9). Whatever job was under way has lost its purpose.
func (a *Agent) fence() {
	if a.job != nil {
		a.job.cancel()
		a.job = nil
	}
	a.parts.Store.Close()
	a.parts.Database.Fence()
}

// job is what was begun last, unless a fence has ended it.
type job struct {
	name   takeover.Job
	cancel context.CancelFunc
	ended  chan struct{}
}

// supersede ends a job that is begun anew while it is under way, because what it was to do
// has changed, and returns it; nil: there is none such.
func (a *Agent) supersede(name takeover.Job) *job {
	if a.job == nil || a.job.name != name {
		return nil
	}
	a.job.cancel()
	return a.job
}

func (a *Agent) begin(ctx context.Context, act takeover.Action) {
	ctx, cancel := context.WithCancel(ctx)
	former, ended := a.supersede(act.Job), make(chan struct{})
	a.job = &job{name: act.Job, cancel: cancel, ended: ended}
	m := a.machine
	a.work.Go(func() {
		defer close(ended)
		defer cancel()
		if former != nil {
			<-former.ended // what it holds must be let go first
		}
		done, err := a.perform(ctx, act, m)
		done.Job, done.Turn = act.Job, act.Turn
		if ctx.Err() == nil { // else it was given up: a fence came, and nothing was in vain
			a.ended(act.Job, err)
		}
		if err != nil {
			done.Failed, done.Unsafe = releve.Reason(err), errors.Is(err, releve.ErrUnsafe)
			a.Log.Warn("a job failed", "job", act.Job, "err", err)
		}
		a.send(ctx, takeover.Event{Done: &done})
	})
}

func (a *Agent) perform(ctx context.Context, act takeover.Action, m takeover.Machine) (done takeover.Done, err error) {
	switch act.Job {
	case takeover.JobCreate:
		done.DataID, err = a.parts.Database.Create(ctx)
	case takeover.JobStart:
		return a.start(ctx, act.Writable)
	case takeover.JobOpen:
		sure := func() error { return a.stillSure(m) }
		if err = a.parts.Store.Open(ctx, m.Term, m.Lone, m.Promotion.ID, sure); err == nil {
			a.work.Go(a.checkpoint)
		}
	case takeover.JobBarrier:
		err = a.parts.Store.SetLone(ctx, false)
	case takeover.JobLone:
		err = a.parts.Store.SetLone(ctx, true)
	case takeover.JobPromote:
		done.Promotion, err = a.parts.Database.Promote(ctx, m.Promotion.ID, m.Candidate)
	case takeover.JobRetire:
		a.parts.Store.Close()
		err = a.parts.Database.Stop(ctx)
	case takeover.JobFollow:
		err = a.parts.Database.Follow(ctx)
	case takeover.JobRejoin:
		done.DataID, err = a.parts.Database.Rejoin(ctx, m.Other.Promotion, a.progress)
		if err == nil {
			done.Database, err = a.look(ctx)
		}
	case takeover.JobCopy:
		if done.DataID, err = a.parts.Database.Renew(ctx, a.progress); err == nil {
			var restless error
			if done.Database, restless = a.rest(ctx); restless != nil { // the copy is there, and is started again
				a.Log.Warn("the newer copy was not put to rest", "err", restless)
			}
		}
	case takeover.JobRest:
		done.Database, err = a.rest(ctx)
	case takeover.JobRestore:
		done.DataID, err = a.parts.Ward.Restore(ctx, a.progress)
		if err == nil {
			done.Database, err = a.look(ctx)
		}
	}
	return done, err
}

// rest puts the copy to rest.
func (a *Agent) rest(ctx context.Context) (*takeover.Database, error) {
	at, err := a.parts.Database.Rest(ctx)
	if err != nil {
		return nil, err
	}
	a.board.keepCopied(at)
	return a.look(ctx)
}

var errSlept = releve.Known("this process was stopped in the middle: whether the duty is still here must be heard first", "cause-slept")

// stillSure: without the vote the other may have taken the duty while this process was
// stopped. What was decided before is decided anew, as a call's stance is (H10, R19).
func (a *Agent) stillSure(decided takeover.Machine) error {
	if now := a.snapshot.Load(); !decided.Vote && (now.Suspended || a.Now()-now.Now > asleep) {
		return errSlept
	}
	return nil
}

// checkpoint brings the control file to the term's timeline soon, though nobody
// waits for it: a copy asks for its own (R11).
func (a *Agent) checkpoint() {
	if err := a.parts.Database.Checkpoint(a.life); err != nil {
		a.Log.Debug("no checkpoint after the gate was opened", "err", err)
	}
}

func (a *Agent) start(ctx context.Context, writable bool) (done takeover.Done, err error) {
	a.board.advance(nil)
	defer a.board.advance(nil)
	if writable {
		err = a.parts.Database.StartPrimary(ctx)
	} else {
		err = a.parts.Database.StartCopy(ctx)
	}
	if err == nil {
		err = a.healed(ctx)
	}
	if err == nil {
		done.Database, err = a.look(ctx)
	}
	return done, err
}

func (a *Agent) look(ctx context.Context) (*takeover.Database, error) {
	db, _, err := a.parts.Database.Look(ctx)
	return &db, err
}

// progress keeps what a long job says of itself, for those who look. What has no
// figure is news.
func (a *Agent) progress(what releve.Sentence, p *releve.Progress) {
	if p == nil {
		a.Explain(what)
	}
	a.board.advance(p)
	a.changed.announce()
}
