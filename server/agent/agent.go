package agent

import (
	"context"
	"crypto/rand"
	"sync"
	"sync/atomic"
	"time"

	"releve"
	"releve/rules/takeover"
	"releve/screen/view"
	"releve/server/guide"
)

// Options is what an agent is made of.
type Options struct {
	Site      SiteWords
	Found     bool // found the site without hearing the other first
	Journal   Journal
	Database  Database
	Ward      Ward
	Store     Store
	Link      Link
	Arbiter   Arbiter // nil: the site has no witness
	Telephone Telephone
	Voice     Voice
	Spool     Spool

	// Vouch keeps an operator's word, by his name, for a level that no study comes before.
	Vouch func(level releve.Level, name string) error
	// Inherit is told that the duty was taken from the other server, which did not hand it over: the calls that
	// were in progress there are this server's. It returns at once; nil: nobody is told.
	Inherit func()
	// Past is the file in which it is kept how long procedures took, "" for none.
	Past string
}

// SiteWords are what the view repeats of the configuration.
type SiteWords struct {
	Name        string
	Levels      []releve.LevelFit // what the configuration has for each
	PBX         string
	Reception   string
	Reached     string // SIP user of the reception
	StandbyUser string
	Version     func() releve.Version // that runs here; nil: not told
}

// eventQueue is for a handful of watchers; full, it makes its producer wait.
const eventQueue = 256

// How often time alone is looked at: often while a call or a failing server waits
// for the next round, seldom on a quiet site.
const (
	tick  = 10 * time.Millisecond
	quiet = 250 * time.Millisecond
)

// asleep is how long this process must not have run to count as having slept.
const asleep = time.Second

// Agent owns one server's machine.
type Agent struct {
	*Front
	parts  Options
	events chan report
	claims chan claim

	machine takeover.Machine // owned by Run
	written takeover.Durable // what the journal last took, owned by Run
	waiting []*offer         // in the order of their coming, owned by Run
	job     *job
	rounds  []takeover.Round // the latest, for evidence
	kept    takeover.Users   // what the telephone was last told
	news    bool             // the other is to be told of this step
	heard   heard            // of the other, owned by Run
	lifeID  string           // of this process

	pbxHeard atomic.Int64  // when a question was sent for the other that the PBX answered (Now)
	brought  atomic.Int64  // until when the next word of the other is awaited without a question (Now)
	kick     chan struct{} // tell the other now
	unheard  *time.Timer   // until the other is to be asked for its word
	ill      atomic.Pointer[illness]
	data     data
	guide    *guide.Guide
	remarks  remarks

	work sync.WaitGroup
	life context.Context // of Run: what is begun beside a job ends with it
}

// report is an event on its way to the loop.
type report struct {
	takeover.Event
	asked time.Duration // of Peer: when we asked for it, 0 when the other spoke by itself
	life  string        // of Peer: the process that told it …
	told  time.Duration // … and when it was so
}

// New makes the agent behind a front. Nothing happens before Run.
func New(f *Front, o Options) *Agent {
	a := &Agent{
		Front:   f,
		parts:   o,
		events:  make(chan report, eventQueue),
		claims:  make(chan claim, 1), // the machine has one out at a time
		machine: f.Machine(),
		kick:    make(chan struct{}, 1),
		unheard: time.NewTimer(exchangePeriod),
		lifeID:  rand.Text(),
	}
	a.guide = guide.New(guided{a}, guide.OpenPast(o.Past))
	return a
}

// Run decides until ctx ends. It returns after the jobs and watchers it began.
func (a *Agent) Run(ctx context.Context) error {
	boot, err := a.boot()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer a.work.Wait()
	defer cancel()
	a.life = ctx
	a.step(ctx, takeover.Event{Boot: &boot})
	defer a.unheard.Stop()
	a.watch(ctx)
	a.loop(ctx)
	return nil
}

func (a *Agent) boot() (takeover.Boot, error) {
	d, known, err := a.parts.Journal.Load()
	if err != nil {
		return takeover.Boot{}, err
	}
	a.written = d
	disk, id, err := a.parts.Database.Disk()
	return takeover.Boot{Known: known, Durable: d, Disk: disk, DataID: id, Found: a.parts.Found}, err
}

func (a *Agent) loop(ctx context.Context) {
	timer := time.NewTimer(quiet)
	defer timer.Stop()
	last := a.Now()
	for ctx.Err() == nil {
		timer.Reset(a.nextLook())
		var e report
		select {
		case <-ctx.Done():
			return
		case e = <-a.events:
		case o := <-a.offers:
			e.Event = a.admit(o)
		case o := <-a.gone:
			if !a.leave(o) {
				continue
			}
			e.Gone = o.call
		case <-timer.C:
		}
		now := a.Now()
		if away := now - last; away > asleep {
			a.step(ctx, takeover.Event{Woke: away})
			a.news = a.machine.Suspended
			a.tell() // and the answer tells whether we are still on duty
		}
		last = now // not after the step: the process may be stopped in the middle of it
		switch {
		case e.Peer == nil:
		case a.predates(e) || a.heard.overtaken(e.life, e.told):
			e.Peer = nil
		default:
			e.Peer = a.aged(e)
		}
		a.step(ctx, e.Event)
	}
}

// predates: a word of the other from before this process slept proves nothing
// about the time since, wherever it waited meanwhile. Only an answer to a question
// put afterwards, or a later term, ends the doubt (H10).
func (a *Agent) predates(e report) bool {
	return a.machine.Suspended && e.asked < a.machine.WokeAt && e.Peer.Term <= a.machine.Term
}

// aged is a word of the other with what it says of the PBX as old as that can be: it may have
// waited in a process that slept. An answer is no older than our question; of what comes by
// itself nobody knows, and what was known before ages.
func (a *Agent) aged(e report) *takeover.Status {
	word, known := *e.Peer, a.machine.Other.PBXAgo
	switch {
	case e.asked > 0 && word.PBXAgo >= 0:
		word.PBXAgo += a.Now() - e.asked
	case e.asked > 0:
	case a.machine.OtherAt == 0 || known < 0:
		word.PBXAgo = -1
	default:
		word.PBXAgo = known + a.Now() - a.machine.OtherAt
	}
	return &word
}

func (a *Agent) nextLook() time.Duration {
	if a.machine.Waiters > 0 {
		return tick
	}
	period := quiet
	if a.calm() && a.hearsAll() {
		period = calmPeriod
	}
	look := releve.UntilNextBeat(time.Now(), period) + a.place(loopLooks)
	return max(min(look, a.untilRound()), time.Millisecond)
}

// hearsAll: the PBX answers, and the other's last word is as young as one is where each round of
// the watch brings one. Nothing is near the time at which silence tells something.
func (a *Agent) hearsAll() bool {
	m := &a.machine
	return m.PBX.Heard && a.Now()-m.OtherAt < calmPeriod+calmPeriod/4
}

// untilRound is how long to wait for the next round of the watch: until a beat, where one lies
// between the first moment at which it may begin and the last.
func (a *Agent) untilRound() time.Duration {
	from, by := a.machine.RoundDue()
	wait, now := a.Now(), time.Now()
	beat := now.Add(by-wait).Truncate(calmPeriod).Sub(now) + a.place(loopLooks)
	return max(beat, from-wait)
}

// step lets the machine take in one event and carries out what it says. A list
// ends at its first failure.
func (a *Agent) step(ctx context.Context, e takeover.Event) {
	e.Now = a.Now()
	before := a.machine
	a.keepRound(e.Round)
	actions := a.machine.Step(e)
	a.note(before, e, actions)
	for i, act := range actions {
		if err := a.carry(ctx, act); err != nil {
			a.failed(ctx, act, err, actions[i+1:])
			break
		}
	}
	a.publish()
	if inherits(before, a.machine) && a.parts.Inherit != nil {
		a.parts.Inherit() // after whoever waited for the verdict was answered
	}
	a.news = a.news || urgent(a.machine) && !urgent(before) // and the answer is the young word that is needed
	a.tell()
	a.keep(e.Boot != nil)
	if shown(before) != shown(a.machine) {
		a.changed.announce()
	}
}

// inherits says that a step took the duty from an owner who had not released it. One who had lives, and talks
// with his own callers to the end (R17).
func inherits(before, after takeover.Machine) bool {
	released := after.Other.Released && after.Other.Term == before.Term // it may be this very step that heard it
	return before.Owner == before.Seat.Other() && after.Owner == after.Seat && !released
}

// keep tells which SIP users are to be bound. In doubt after a sleep the bindings
// stand: [Agent.MayRegister] refreshes none, and giving back the reception would
// leave its callers with nobody if it is still ours (H10).
func (a *Agent) keep(anyway bool) {
	users := a.machine.Users()
	if a.machine.Suspended || users == a.kept && !anyway {
		return
	}
	a.kept = users
	a.parts.Telephone.Keep(users)
}

// shown is the status without what changes with time alone.
func shown(m takeover.Machine) takeover.Status {
	s := m.Status()
	s.PBXAgo, s.PBXFor = 0, 0
	return s
}

func (a *Agent) publish() { a.Front.publish(a.machine) }

// send brings an event to the loop, or gives up when the agent has ended.
func (a *Agent) send(ctx context.Context, e takeover.Event) { a.report(ctx, report{Event: e}) }

func (a *Agent) report(ctx context.Context, r report) {
	if ctx.Err() != nil {
		return
	}
	select {
	case a.events <- r:
	case <-ctx.Done():
	}
}

// Turned is how long ago the loop took its last step. It takes one several times a
// second; a longer time says that it hangs, or that the process was stopped.
func (a *Agent) Turned() time.Duration { return a.Now() - a.snapshot.Load().Now }

// Stop gives the vote back before this server is stopped, and waits until the
// other has it or ctx ends (R3). A server without the vote waits for a word of the
// other from after it knew: a vote on its way to us must not go down with us.
func (a *Agent) Stop(ctx context.Context) {
	before, asked := a.Machine(), a.Now()
	if before.Owns() {
		return
	}
	a.send(ctx, takeover.Event{Command: takeover.Stop})
	a.until(ctx, func(m takeover.Machine) bool {
		_, _, heard := a.board.theirs()
		silent := !before.Holds() && !heard
		news := before.Holds() || m.OtherAt-asked > 2*exchangePeriod
		lacks := m.Other.Owner == m.Seat.Other() && !m.Other.Vote
		return m.Order == takeover.Stop && !m.Holds() && (silent || news && !lacks)
	})
}

// until waits for a state of the machine.
func (a *Agent) until(ctx context.Context, ok func(takeover.Machine) bool) bool {
	look := time.NewTicker(tick)
	defer look.Stop()
	for !ok(a.Machine()) {
		select {
		case <-ctx.Done():
			return false
		case <-look.C:
		}
	}
	return true
}

// Watch sends the site after each change, the latest only, and once at first.
func (a *Agent) Watch(ctx context.Context) <-chan view.Site {
	out := make(chan view.Site, 1)
	changed := a.Changed(ctx)
	go func() {
		defer close(out)
		for {
			select {
			case out <- a.View():
			case <-ctx.Done():
				return
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}
