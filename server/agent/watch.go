package agent

import (
	"context"
	"errors"
	"releve"
	"time"

	"releve/rules/takeover"
)

// How often the world is looked at. Together they cost an idle server well under
// one hundredth of a core.
const (
	exchangePeriod = 400 * time.Millisecond
	exchangeLimit  = 500 * time.Millisecond
	broughtLasts   = 650 * time.Millisecond // a word that came without a question: two more may fail before the other counts as silent
	databasePeriod = 250 * time.Millisecond
	calmPeriod     = 500 * time.Millisecond // of the database, where nobody waits for anything
	databaseLimit  = time.Second
	patience       = 2 // looks that may fail in a row
	healthPeriod   = 750 * time.Millisecond
	healthLimit    = 2 * time.Second // a proof has a shorter limit of its own
	slowPatience   = 4 * time.Second // a busy disk answers late; callers are answered meanwhile
	pbxPeriod      = 500 * time.Millisecond
	pbxKnown       = 700 * time.Millisecond // an answer this young to a question for the other spares one
	pbxLimit       = 400 * time.Millisecond
	voicePeriod    = 500 * time.Millisecond
)

// watch starts those who turn the world into events. Each ends with ctx.
func (a *Agent) watch(ctx context.Context) {
	for _, watcher := range []func(context.Context){a.watchOther, a.watchDatabase, a.watchHealth, a.watchArbiter, a.watchPBX, a.watchVoice} {
		a.work.Go(func() { watcher(ctx) })
	}
}

// pause waits, and says whether to go on. Nothing to wait for is no timer: one that is
// over when it is made crashes the race detector in virtual time.
func pause(ctx context.Context, d time.Duration, early <-chan struct{}) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
	case <-early:
	}
	return true
}

// The order of those who look on one beat. Each is a moment after the one before, which makes
// no wake-up of its own, and in virtual time the same story twice.
const (
	loopLooks = time.Duration(iota) * 20 * time.Microsecond
	databaseLooks
	healthLooks
	pbxLooks
	voiceLooks
)

// place is how long after the beat this server's turn comes.
func (a *Agent) place(order time.Duration) time.Duration {
	if a.Settings.Seat == releve.Secondary {
		return order + 10*time.Microsecond
	}
	return order
}

// beat is how long to wait to look again at what is looked at each so often.
func (a *Agent) beat(order, period time.Duration) time.Duration {
	return releve.UntilBeat(time.Now(), period) + a.place(order)
}

// watchOther tells the other our status and hears its own, at a steady pace and
// at once after a change. Where rounds bring both words, in either direction, it has nothing
// to ask.
func (a *Agent) watchOther(ctx context.Context) {
	for ok := true; ok; ok = a.untilExchange(ctx) {
		asked := a.Now()
		limit, cancel := context.WithTimeout(ctx, exchangeLimit)
		m, err := a.parts.Link.Exchange(limit, a.Message())
		cancel()
		if err == nil {
			a.hear(ctx, m, asked)
		}
	}
}

// untilExchange waits until the next exchange is due, or there is news to tell, and says
// whether to go on.
func (a *Agent) untilExchange(ctx context.Context) bool {
	for wait := exchangePeriod; wait > 0; wait = a.broughtFor() {
		a.unheard.Reset(wait)
		select {
		case <-ctx.Done():
			return false
		case <-a.kick:
			return true
		case <-a.unheard.C:
		}
	}
	return true
}

// broughtFor is how long no exchange is needed yet, 0 where one is. None is while rounds bring
// both words.
func (a *Agent) broughtFor() time.Duration {
	if urgent(a.Machine()) {
		return 0
	}
	return time.Duration(a.brought.Load()) - a.Now()
}

// urgent: the other's word may soon decide something. Its age matters, and no answer is younger
// than that to a question of ours.
func urgent(m takeover.Machine) bool { return m.Suspended || m.Owns() && !m.PBX.Heard }

// bring takes in that a word came without an exchange: until when the next may be awaited so.
func (a *Agent) bring(until time.Duration) {
	a.brought.Store(int64(until))
	if wait := a.broughtFor(); wait > 0 {
		a.unheard.Reset(wait)
	}
}

// Heard takes in what the other told by itself, and answers with our own. What it had heard
// of us by then is a question that it answers.
func (a *Agent) Heard(ctx context.Context, m Message) Message {
	var asked time.Duration
	if m.Upon.Life == a.lifeID {
		asked = m.Upon.Said
		a.bring(min(a.Now()+broughtLasts, asked+2*broughtLasts))
	}
	a.hear(ctx, m, asked)
	return a.Message()
}

func (a *Agent) hear(ctx context.Context, m Message, asked time.Duration) {
	a.board.hear(m)
	a.compare(m.Server.Version)
	a.report(ctx, report{Event: takeover.Event{Peer: &m.Status, Unasked: asked == 0}, asked: asked, life: m.Life, told: m.Told})
}

// heard is up to where the other was heard.
type heard struct {
	life string
	told time.Duration
}

// overtaken says that the other has told something later already, and else takes it in: what
// it was before is no news of it.
func (h *heard) overtaken(life string, told time.Duration) bool {
	if life == h.life && told < h.told {
		return true
	}
	h.life, h.told = life, told
	return false
}

// watchDatabase sees a postmaster that dies at once, and the positions as they move.
// It compares with what the decision goes by, not with its own last look: a database
// may have been started, and have died again of the same cause, between two looks.
func (a *Agent) watchDatabase(ctx context.Context) {
	failures := 0
	for ok := true; ok; {
		exited := a.parts.Database.Exited()
		now, mirror, err := a.lookAt(ctx, exited)
		if ill := a.ill.Load(); ill != nil && now.Up && ill.start == exited {
			now = takeover.Database{Why: ill.why}
		}
		a.data.replay(now)
		known := a.Machine().DB
		if err == nil {
			failures = 0
		} else if failures++; failures < patience && known.Up {
			now = known
		}
		if now != known {
			a.send(ctx, takeover.Event{Database: &now})
		}
		if mirror != nil && now.Up && !now.InRecovery {
			a.board.mirror(*mirror)
			a.send(ctx, takeover.Event{Mirror: mirror})
		}
		early := exited
		if !now.Up {
			early = nil
		}
		period := databasePeriod
		if a.calm() {
			period = calmPeriod
		}
		ok = pause(ctx, a.beat(databaseLooks, period), early)
	}
}

// calm: the site is protected, nobody calls, and nothing waits to be recorded. A mirror that is
// lost now makes nobody wait.
func (a *Agent) calm() bool {
	m := a.Machine()
	return m.Protected() && m.Job == takeover.NoJob && a.parts.Spool.Waiting() == 0 && a.parts.Voice.Load().Busy == 0
}

// illness is what a proof by doing found, and of which start of PostgreSQL.
type illness struct {
	start <-chan struct{}
	why   string
}

// watchHealth proves by doing that the database's disk takes a write and that its
// files are there (R12). What it finds is said at once, and shown until it is seen well
// again. It then holds for that start of PostgreSQL, which is started again, or relieved, and
// proves itself anew; what may only be slow has some time to pass, and as long as it takes
// where nobody could do better.
func (a *Agent) watchHealth(ctx context.Context) {
	if a.parts.Ward == nil {
		return
	}
	var since time.Duration // when the illness that was said began, 0: there is none
	for pause(ctx, a.beat(healthLooks, healthPeriod), nil) {
		start := a.parts.Database.Exited()
		if m := a.Machine(); !m.DB.Up || changesDatabase(m.Job) {
			continue
		}
		began := a.Now()
		limit, cancel := context.WithTimeout(ctx, healthLimit)
		err := a.parts.Ward.Health(limit)
		cancel()
		switch {
		case ctx.Err() != nil || start != a.parts.Database.Exited():
			continue
		case err == nil && since > 0:
			a.data.sicken(releve.Sentence{})
			a.Explain(releve.Say("event-database-well", "seat", string(a.Settings.Seat)))
			since = 0
			continue
		case err == nil:
			continue
		}
		why := a.illnessOf(err)
		a.data.sicken(why)
		if since == 0 {
			a.Explain(why)
			since = began
		}
		m := a.Machine()
		if m.Job == takeover.NoJob && (!errors.Is(err, releve.ErrSlow) || a.Now()-since > slowPatience && m.Relievable()) {
			a.ill.Store(&illness{start, releve.Reason(err)})
		}
	}
}

// changesDatabase: a job under which PostgreSQL may be away, or not itself yet. The others
// may wait for ever for what a look at it finds.
func changesDatabase(job takeover.Job) bool {
	switch job {
	case takeover.NoJob, takeover.JobOpen, takeover.JobBarrier, takeover.JobLone, takeover.JobFollow:
		return false
	}
	return true
}

// illnessOf is what an operator reads of it: the sentence of who found it, if it has one.
func (a *Agent) illnessOf(err error) releve.Sentence {
	if fault, ok := errors.AsType[*releve.Fault](err); ok {
		return fault.Why
	}
	return releve.Say("event-database-ill", "seat", string(a.Settings.Seat), "why", releve.Reason(err))
}

// healed: a database that was ill counts as started again only once it has proven itself.
// Without that it would seem well until the next proof fails, over and over.
func (a *Agent) healed(ctx context.Context) error {
	if a.parts.Ward == nil || a.ill.Load() == nil {
		return nil
	}
	limit, cancel := context.WithTimeout(ctx, healthLimit)
	defer cancel()
	if err := a.parts.Ward.Health(limit); err != nil {
		a.parts.Database.Fence()
		if fault, ok := errors.AsType[*releve.Fault](err); ok { // its sentence is said already
			return fault.Cause
		}
		return err
	}
	a.ill.Store(nil)
	return nil
}

// lookAt is the database's state. One that does not answer is down too, but only
// after some patience: a busy machine answers late.
func (a *Agent) lookAt(ctx context.Context, exited <-chan struct{}) (takeover.Database, *takeover.Mirror, error) {
	select {
	case <-exited:
		return takeover.Database{Why: a.parts.Database.Why()}, nil, nil
	default:
	}
	limit, cancel := context.WithTimeout(ctx, databaseLimit)
	defer cancel()
	db, mirror, err := a.parts.Database.Look(limit)
	if err != nil {
		return takeover.Database{Why: releve.Reason(err)}, nil, err
	}
	return db, mirror, nil
}

// watchPBX asks the PBX whether it is there, unless the other's questions just made this
// server ask: a PBX counts questions too.
func (a *Agent) watchPBX(ctx context.Context) {
	last := a.Now() // a PBX that was never heard has been silent since we started
	var next time.Time
	for ok := true; ok; ok = pause(ctx, time.Until(next), nil) {
		// From the question on: one that waited in vain delays the next no further, or a PBX that
		// restarts would be heard so late that its silence passed for one of this server's alone.
		next = time.Now().Add(a.beat(pbxLooks, pbxPeriod))
		if heard := time.Duration(a.pbxHeard.Load()); heard > last && a.Now()-heard < pbxKnown {
			last = heard
			a.send(ctx, takeover.Event{PBX: &takeover.PBX{Heard: true, Ago: a.Now() - last}})
			continue
		}
		limit, cancel := context.WithTimeout(ctx, pbxLimit)
		err := a.parts.Telephone.Options(limit)
		cancel()
		if err == nil {
			last = a.Now()
		}
		a.send(ctx, takeover.Event{PBX: &takeover.PBX{Heard: err == nil, Ago: a.Now() - last}})
	}
}

// watchVoice looks at the calls and at our bindings.
func (a *Agent) watchVoice(ctx context.Context) {
	well, bound := true, false
	for ok := true; ok; ok = pause(ctx, a.beat(voiceLooks, voicePeriod), nil) {
		if now := a.parts.Voice.Well() == nil; now != well {
			well = now
			a.send(ctx, takeover.Event{Calls: &well})
		}
		if now := a.parts.Telephone.Bound().Reception; now != bound {
			bound = now
			there := now
			a.send(ctx, takeover.Event{Reception: &there})
		}
		if now := a.parts.Telephone.State(); now != a.Machine().Line {
			a.send(ctx, takeover.Event{Line: &now})
		}
		a.board.spooled(a.parts.Spool.Waiting())
		a.afterSleep(ctx)
		a.changed.announce()
	}
}

// afterSleep: a server that woke up and hears nobody asks the PBX whether its
// binding still stands, before it takes a call (H10).
func (a *Agent) afterSleep(ctx context.Context) {
	m := a.Machine()
	if !m.Suspended {
		return
	}
	limit, cancel := context.WithTimeout(ctx, pbxLimit)
	defer cancel()
	there, shown, err := a.parts.Telephone.BindingThere(limit)
	if err != nil {
		return
	}
	a.send(ctx, takeover.Event{Reception: &there})
	if m.RunsAt() == releve.Backup {
		a.send(ctx, takeover.Event{Shown: &shown})
	}
}
