package agent

import (
	"context"
	"crypto/rand"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"releve"
	"releve/takeover"
)

// Options is what an agent is made of.
type Options struct {
	Site      SiteWords
	Settings  takeover.Settings
	Found     bool // found the site without hearing the other first
	Refusal   int  // SIP code of a refusal to the PBX
	Journal   Journal
	Database  Database
	Ward      Ward
	Store     Store
	Link      Link
	Arbiter   Arbiter // nil: the site has no witness
	Telephone Telephone
	Voice     Voice
	Diary     Diary
	Spool     Spool
	Log       *slog.Logger
	Now       func() time.Duration // CLOCK_BOOTTIME when nil (R19)
}

// SiteWords are what the view repeats of the configuration.
type SiteWords struct {
	Name        string
	Level       releve.Level
	Arbiter     releve.Arbiter
	PBX         string
	Reception   string
	Reached     string // SIP user of the reception
	StandbyUser string
}

// Bounds of the queues: events are produced by a handful of watchers, offers by
// at most the PBX's simultaneous calls; a full queue makes its producer wait.
const (
	eventQueue = 256
	offerQueue = 2048
)

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
	Options
	events chan report
	offers chan *offer
	gone   chan *offer
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

	snapshot atomic.Pointer[snapshot]
	pbxHeard atomic.Int64  // when a question was sent for the other that the PBX answered (Now)
	kick     chan struct{} // tell the other now
	changed  *broadcast
	board    board
	ill      atomic.Pointer[illness]
	running  procedureSlot

	work sync.WaitGroup
	life context.Context // of Run: what is begun beside a job ends with it
}

// snapshot is the machine as it was after a step. It says nothing any more once
// that step is longer ago than asleep: the process may have been stopped meanwhile.
type snapshot struct{ takeover.Machine }

// report is an event on its way to the loop.
type report struct {
	takeover.Event
	asked time.Duration // of Peer: when we asked for it, 0 when the other spoke by itself
	life  string        // of Peer: the process that told it …
	told  time.Duration // … and when it was so
}

// New makes an agent. Nothing happens before Run.
func New(o Options) *Agent {
	if o.Now == nil {
		o.Now = boottime
	}
	a := &Agent{
		Options: o,
		events:  make(chan report, eventQueue),
		offers:  make(chan *offer, offerQueue),
		gone:    make(chan *offer, offerQueue),
		claims:  make(chan claim, 1), // the machine has one out at a time
		machine: takeover.New(o.Settings),
		kick:    make(chan struct{}, 1),
		changed: newBroadcast(),
		lifeID:  rand.Text(),
	}
	a.publish()
	return a
}

// boottime goes on while the machine sleeps (R19).
func boottime() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		panic("CLOCK_BOOTTIME cannot be read: " + err.Error()) // Linux has it since 2.6.39
	}
	return time.Duration(ts.Nano())
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
	a.watch(ctx)
	a.loop(ctx)
	return nil
}

func (a *Agent) boot() (takeover.Boot, error) {
	d, known, err := a.Journal.Load()
	if err != nil {
		return takeover.Boot{}, err
	}
	a.written = d
	disk, id, err := a.Database.Disk()
	return takeover.Boot{Known: known, Durable: d, Disk: disk, DataID: id, Found: a.Found}, err
}

func (a *Agent) loop(ctx context.Context) {
	timer := time.NewTimer(quiet)
	defer timer.Stop()
	last := a.Now()
	for {
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
	return max(min(quiet, a.machine.RoundDue()-a.Now()), time.Millisecond)
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
	a.tell()
	a.keep(e.Boot != nil)
	if shown(before) != shown(a.machine) {
		a.changed.announce()
	}
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
	a.Telephone.Keep(users)
}

// shown is the status without what changes with time alone.
func shown(m takeover.Machine) takeover.Status {
	s := m.Status()
	s.PBXAgo, s.PBXFor = 0, 0
	return s
}

func (a *Agent) publish() {
	a.snapshot.Store(&snapshot{a.machine})
}

// send brings an event to the loop, or gives up when the agent ends.
func (a *Agent) send(ctx context.Context, e takeover.Event) { a.report(ctx, report{Event: e}) }

func (a *Agent) report(ctx context.Context, r report) {
	select {
	case a.events <- r:
	case <-ctx.Done():
	}
}

// Machine is the latest snapshot, for those who look and do not decide.
func (a *Agent) Machine() takeover.Machine { return a.snapshot.Load().Machine }

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
		return m.Asked == takeover.Stop && !m.Holds() && (silent || news && !lacks)
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

// Changed tells viewers that there is something new to see.
func (a *Agent) Changed(ctx context.Context) <-chan struct{} { return a.changed.listen(ctx) }
