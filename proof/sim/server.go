package sim

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"releve"
	"releve/rules/attendant"
	"releve/rules/takeover"
	"releve/server/agent"
	"releve/server/calls"
	"releve/server/outbox"
)

// server is one machine. Its disks outlive its processes.
type server struct {
	*site
	seat     releve.Seat
	journal  journal
	spool    spoolFile
	database cluster

	running             *process      // nil: off
	resumed             chan struct{} // closed while its processes may run
	pausedAt, resumedAt time.Duration // when they were last stopped, and last went on …
	sleptFor            time.Duration // … after so long by their own clock
	clocks              clocks

	last   *process // that runs, or ran
	weak   weak
	diary  []releve.Entry // of all its lives, where a test plays
	opened []releve.Term  // in which its gate was opened, in order
	fenced int            // times that its PostgreSQL was fenced …
	hungUp int            // … and its calls were dropped

	exchanged int // times that it asked the other for an exchange of words alone
	looked    int // times that it looked at its database
}

// weak is what a test alone does to a server: no seed draws it.
type weak struct {
	calls  error         // what is wrong with its calls
	gate   time.Duration // that the opening of its gate takes longer, once its first commit is acknowledged
	locked chan struct{} // somebody's transaction keeps facts from being stored until it is closed, nil: nobody's
	former bool          // it is of the version before, see [Server.Predate]
}

// process is one life of a server's program. One that has died goes on for a while as
// goroutines that can do nothing to the world any more.
type process struct {
	*server
	agent   *agent.Agent
	calls   *calls.Calls
	store   *store
	records *spool
	lines   [2]*line

	ctx         context.Context
	cancel      context.CancelFunc
	rooms       sync.WaitGroup
	dead        bool
	actionsLeft int  // boundaries until it crashes at one, 0: not meant to
	unsure      bool // its journal's disk has not ended a save that was given up
	pace        pace
}

var (
	errDead    = errors.New("the process was killed")
	errRefused = errors.New("connection refused")
	errSilent  = errors.New("no answer")
)

func newServer(s *site, seat releve.Seat) *server {
	v := &server{site: s, seat: seat, resumed: make(chan struct{})}
	close(v.resumed)
	v.spool = newSpoolFile(seat)
	v.database = newCluster()
	v.clocks = newClocks(s.dice.of(seat, ofClock))
	return v
}

func (v *server) other() *server { return v.at(v.seat.Other()) }

// process is the one that runs, nil when the server is off.
func (v *server) process() *process {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.running
}

// serves says that its gate is open. The caller holds the lock.
func (v *server) serves() bool { return v.running != nil && v.running.store.mine }

// Users and numbers of the site.
const (
	receptionUser   = "reception"
	operator        = "9"
	standbyUser     = "standby"
	receptionNumber = "8000"
	refusalCode     = 486
	busyCode        = 486
	channels        = 30
)

var settings = takeover.Settings{
	Rounds: 3, Limit: 300 * time.Millisecond, Pause: 100 * time.Millisecond, Watch: 500 * time.Millisecond,
}

// start starts the program, unless it runs.
func (v *server) start() {
	if v.process() != nil {
		return
	}
	p := &process{server: v}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.records = &spool{process: p}
	p.store = &store{process: p, open: make(chan struct{})}
	p.lines = [2]*line{newLine(p, receptionUser), newLine(p, standbyUser)}
	p.makeCalls()
	p.makeAgent()
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.running != nil || v.ctx.Err() != nil {
		p.cancel()
		return
	}
	v.running, v.last, v.changedAt = p, p, v.elapsed()
	p.records.changed = make(chan struct{})
	v.spool.stored = 0 // what the database has of it is asked again
	v.note(v.seat, "The server starts.")
	p.run()
}

func (p *process) makeCalls() {
	plan, err := attendant.ParsePlan("100-899", operator)
	if err != nil {
		panic("the simulated site has no number plan: " + err.Error())
	}
	c, err := calls.New(calls.Options{
		Seat: p.seat, Channels: channels, Duty: duty{p}, Spool: p.records, Log: quiet,
		Profile: calls.Profile{
			Evidence: releve.EvidenceTo, ReceptionUser: receptionUser, ReceptionNumber: receptionNumber,
			StandbyUser: standbyUser, RefusalCode: refusalCode, BusyCode: busyCode,
		},
		Script: attendant.Script{Language: releve.French, ExtensionDigits: 3, Operator: operator, Plan: plan},
	})
	if err != nil {
		panic("the simulated site is not what the calls expect: " + err.Error())
	}
	p.calls = c
}

// fits: the files of a simulated site have what every level needs.
var fits = []releve.LevelFit{{Level: releve.Base}, {Level: releve.Mirroring}, {Level: releve.HighAvailability}}

var quiet = slog.New(slog.DiscardHandler)

func (p *process) makeAgent() {
	set := settings
	set.Seat, set.Level, set.OwnCalls, set.Site, set.Arbiter = p.seat, p.level, p.ownCalls, siteName, p.founding
	options := agent.Options{
		Site: agent.SiteWords{
			Name: "Clinique", Levels: fits, PBX: "pbx", Reception: receptionNumber,
			Reached: receptionUser, StandbyUser: standbyUser,
		},
		Journal: saver{p}, Database: postgres{p}, Store: p.store, Link: link{p},
		Telephone: telephone{p}, Voice: voice{p}, Spool: p.records,
	}
	if p.witnessed {
		options.Arbiter = arbiter{p}
	}
	if p.byHand {
		options.Ward = ward{p.postgres()}
	}
	front := agent.NewFront(agent.FrontOptions{Settings: set, Refusal: refusalCode, Diary: diaryOf{p}, Log: quiet, Now: p.now})
	p.agent = agent.New(front, options)
}

// run begins what a server's program does. The caller holds the lock.
func (p *process) run() {
	begin := func(f func(context.Context)) { p.rooms.Go(func() { f(p.ctx) }) }
	begin(func(ctx context.Context) { _ = p.agent.Run(ctx) }) // a simulated disk can always be read
	begin(func(ctx context.Context) { _ = p.calls.Run(ctx) }) // what was in memory alone was promised to nobody
	begin(func(ctx context.Context) {
		outbox.Run(ctx, sink{p.store}, quiet, ownSpool{p}, otherSpool{p})
	})
	for _, l := range p.lines {
		begin(l.run)
	}
	p.work.Go(p.rooms.Wait)
}

// now is CLOCK_BOOTTIME of this machine. A paused process does not get to read it.
func (p *process) now() time.Duration {
	p.awake()
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.elapsed()
	if !p.dead && p.pace.tooFast(at) {
		p.breaks("the %s reads its clock %d times within a second: it turns in circles", p.seat, paceMost)
	}
	return p.clocks.boot(at)
}

// pace counts what a process does in each virtual second.
type pace struct {
	second time.Duration
	count  int
}

// paceMost is what no honest server comes near: with a caller waiting it looks a
// hundred times a second, twice each.
const paceMost = 5000

func (c *pace) tooFast(at time.Duration) bool {
	if second := at.Truncate(time.Second); second != c.second {
		c.second, c.count = second, 0
	}
	c.count++
	return c.count == paceMost
}

// awake waits while the process is paused.
func (p *process) awake() {
	p.mu.Lock()
	resumed := p.resumed
	p.mu.Unlock()
	<-resumed
}

// alive waits while the process is paused, and says whether it still lives.
func (p *process) alive() error {
	p.awake()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead {
		return errDead
	}
	return nil
}

// acts is where a process is about to touch the world: where it can be killed.
func (p *process) acts() error {
	p.awake()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.actionsLeft > 0 {
		if p.actionsLeft--; p.actionsLeft == 0 {
			p.ends("crashes between two actions")
		}
	}
	if p.dead {
		return errDead
	}
	return nil
}

// takes is work of a while. It ends early with ctx, and a process that was killed
// or paused meanwhile has not seen its end.
func (p *process) takes(ctx context.Context, d time.Duration) error {
	if !sleep(ctx, d) {
		return errors.Join(p.alive(), context.Cause(ctx))
	}
	return p.alive()
}

// ends is the end of the process and its PostgreSQL at once. The service manager
// starts it again after a while. The caller holds the lock.
func (p *process) ends(how string) {
	if p.dead {
		return
	}
	p.dead, p.running, p.changedAt = true, nil, p.elapsed()
	if p.site.ctx.Err() == nil {
		p.figures.Crashes++
		p.note(p.seat, "The server %s.", how)
	}
	p.database.exit("killed with its server")
	p.resume()
	p.cancel()
	p.review()
	p.startAgain()
}

// startAgain starts the server after the time that a machine may be away, unless a test
// does. The caller holds the lock.
func (v *server) startAgain() {
	if v.byHand {
		return
	}
	d := v.dice.of(v.seat, ofFate)
	away := d.between(50*time.Millisecond, 3*time.Second)
	if d.one(4) {
		away = d.between(3*time.Second, 8*time.Second)
	}
	v.later(away, v.start)
}

// off ends what runs of the server, when its story has ended.
func (v *server) off() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.running != nil {
		v.running.ends("is switched off")
	}
}

// resume lets the server's processes run. The caller holds the lock.
func (v *server) resume() {
	if v.paused() {
		v.resumedAt = v.elapsed()
		v.sleptFor = v.resumedAt - v.pausedAt - v.clocks.run(v.resumedAt)
		close(v.resumed)
	}
}

func (v *server) paused() bool {
	select {
	case <-v.resumed:
		return false
	default:
		return true
	}
}

// pause stops what runs of the server, as SIGSTOP does. The caller holds the lock.
func (v *server) pause(program, database bool) {
	if program && !v.paused() {
		v.resumed, v.pausedAt = make(chan struct{}), v.elapsed()
	}
	if database && v.database.runs != stopped {
		v.database.pause()
	}
}

// asleep is how long the product lets a decision be old before it looks again.
const asleep = time.Second

// leaveLimit is that of the product.
const leaveLimit = 3 * time.Second

// leave stops the server in order, as the service manager does.
func (p *process) leave() {
	ctx, cancel := context.WithTimeout(p.ctx, leaveLimit)
	defer cancel()
	p.agent.Stop(ctx)
	p.calls.Drop("this server is being stopped")
	_ = p.calls.Drained(ctx) // those that are left are cut off
	for _, l := range p.lines {
		l.give(ctx)
	}
	p.store.Close()
	_ = postgres{p}.Stop(ctx) // what does not stop is killed
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ends("is stopped in order")
}

// restart is the operator's.
func (p *process) restart() {
	p.leave()
	p.server.start()
}

// duty is the agent as the calls need it.
type duty struct{ *process }

func (d duty) Stance() (takeover.StanceKind, releve.Term) { return d.agent.Stance() }

func (d duty) Unsure() bool { return d.agent.Unsure() }

func (d duty) Verify(ctx context.Context, o calls.Offer) releve.Decision {
	return d.agent.Verify(ctx, o.Invite.Call, o.Reason, o.Invite.TestID == ownName(d.seat))
}

// voice is the calls as the agent needs them.
type voice struct{ *process }

func (v voice) Cede(why string) {
	if v.acts() == nil {
		v.mu.Lock()
		v.hungUp++
		v.mu.Unlock()
		v.calls.Drop(why)
	}
}

func (v voice) Well() error {
	v.mu.Lock()
	ill := v.weak.calls
	v.mu.Unlock()
	return errors.Join(ill, v.calls.Well())
}

// Load is without what the screens say of calls: these sites show what their agents say.
func (v voice) Load() releve.Load {
	l := v.calls.Load()
	l.Notices = nil
	return l
}
