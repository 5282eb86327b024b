package takeover

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"releve"
)

// pair is a site in virtual time: two machines with the product's table, disks
// that survive a crash, a PostgreSQL of one number each, a link and a PBX. It is
// the plainest world in which a story of the takeover can be told. The simulated sites
// of proof/sim cannot stand in for it: there an agent's loop owns the machine, and here a
// test puts single events before it (the end of a job that a fence cut off, a look from before
// a barrier) and has the answer at once.
type pair struct {
	t       *testing.T
	now     time.Duration
	servers [2]*simulated
	link    bool
	busy    bool // there is always something to write
	trace   []string
}

type simulated struct {
	Machine
	seat    releve.Seat
	up      bool
	paused  bool
	sip     bool // its SIP reaches the PBX and the other
	disk    Durable
	known   bool
	kind    DiskKind
	dataID  releve.DataID
	pg      string // "", primary, copy
	broken  bool   // PostgreSQL cannot run
	vain    Job    // what fails here
	copies  int    // begun here
	rows    int    // flushed position
	tl      releve.Timeline
	joined  bool // its PostgreSQL is set to follow
	follows bool
	lone    bool
	jobs    []pending
	last    Database
	calls   []string
	answers []string
}

type pending struct {
	at time.Duration
	do func()
}

const step = 10 * time.Millisecond

func newPair(t *testing.T) *pair {
	p := &pair{t: t, link: true, busy: true}
	for i, seat := range []releve.Seat{releve.Main, releve.Secondary} {
		p.servers[i] = &simulated{seat: seat, sip: true, kind: DiskEmpty}
	}
	return p
}

func (p *pair) main() *simulated      { return p.servers[0] }
func (p *pair) secondary() *simulated { return p.servers[1] }

func (p *pair) other(s *simulated) *simulated {
	if s == p.servers[0] {
		return p.servers[1]
	}
	return p.servers[0]
}

func (p *pair) boot(s *simulated) {
	s.up, s.paused, s.jobs, s.pg, s.follows, s.last = true, false, nil, "", false, Database{}
	s.Machine = New(Settings{
		Seat: s.seat, Rounds: 3, OwnCalls: true,
		Limit: 300 * time.Millisecond, Pause: 100 * time.Millisecond, Watch: 500 * time.Millisecond,
	})
	p.event(s, Event{Boot: &Boot{Known: s.known, Durable: s.disk, Disk: s.kind, DataID: s.dataID}})
}

func (p *pair) crash(s *simulated) {
	s.up, s.jobs, s.pg, s.follows = false, nil, "", false
	p.say(s, "crashes")
}

func (p *pair) say(s *simulated, what string) {
	p.trace = append(p.trace, fmt.Sprintf("%7s %-9s %s", p.now, s.seat, what))
}

func (p *pair) event(s *simulated, e Event) {
	if !s.up || s.paused {
		return
	}
	e.Now = p.now
	for _, a := range s.Step(e) {
		if a.Kind != Check && a.Kind != Say && a.Kind != Tell {
			p.say(s, fmt.Sprintf("%s: %s %s", a.Rule, a.Kind, a.Job))
		} else if a.Kind == Say {
			p.say(s, a.Rule)
		}
		p.carry(s, a)
	}
}

func (p *pair) later(s *simulated, after time.Duration, do func()) {
	s.jobs = append(s.jobs, pending{p.now + after, do})
}

func (p *pair) carry(s *simulated, a Action) {
	switch a.Kind {
	case Save:
		s.disk, s.known = a.Durable, true
	case Tell:
		p.later(s, step, func() { p.exchange(s) })
	case Fence:
		s.pg, s.follows = "", false
	case Begin:
		p.later(s, 100*time.Millisecond, func() { p.job(s, a) })
	case Check:
		began := p.now
		lasts := 2 * step
		if p.other(s).paused {
			lasts = s.Settings.Limit // nobody says no: only the limit ends it
		}
		p.later(s, lasts, func() { p.round(s, began) })
	case Probe:
		p.later(s, time.Second, func() { // the PBX's own timer
			if o := p.other(s); !o.up || o.paused || !o.isServing() || !o.sip {
				p.overflow(s)
			}
		})
	case Answer:
		s.answers = append(s.answers, "answered")
		if a.WithoutDuty {
			s.answers[len(s.answers)-1] = "answered without the duty"
		}
		s.calls = nil
	case Refuse:
		s.answers = append(s.answers, "refused")
		s.calls = nil
	}
}

func (p *pair) job(s *simulated, a Action) {
	done := Done{Job: a.Job, Turn: a.Turn}
	o := p.other(s)
	if a.Job == JobRejoin {
		s.copies++
	}
	if a.Job == s.vain {
		done.Failed = "it came to nothing"
		p.event(s, Event{Done: &done})
		return
	}
	switch a.Job {
	case JobCreate:
		if s.broken {
			done.Failed = "the disk is full"
			break
		}
		s.kind, s.dataID, s.tl = DiskOurs, releve.NewDataID(), 1
		done.DataID = s.dataID
	case JobStart:
		if s.broken {
			done.Failed = "PostgreSQL does not start"
			break
		}
		s.pg, s.joined, s.follows = "copy", false, false
		if a.Writable {
			s.pg = "primary"
		}
		done.Database = s.look()
	case JobPromote:
		s.pg, s.tl, s.follows = "primary", s.tl+1, false
		done.Promotion = Promotion{Timeline: s.tl, Fork: releve.LSN(s.rows)}
	case JobRetire:
		s.pg = ""
	case JobLone, JobOpen, JobBarrier:
		s.lone = a.Job == JobLone || a.Job == JobOpen && s.Lone
	case JobRejoin:
		s.kind, s.dataID, s.pg, s.rows, s.tl = DiskOurs, releve.NewDataID(), "copy", o.rows, o.tl
		s.joined = false
		done.DataID, done.Database = s.dataID, s.look()
	case JobFollow:
		s.joined, s.follows = true, true
	case JobCopy:
		if !p.link || o.pg != "primary" {
			done.Failed = "there is nothing to copy from"
			break
		}
		s.dataID, s.rows, s.tl = releve.NewDataID(), o.rows, o.tl
		s.pg, s.joined, s.follows = "copy", false, false
		done.DataID, done.Database = s.dataID, s.look()
	case JobRest:
		s.pg, s.joined, s.follows = "copy", false, false
		done.Database = s.look()
	}
	p.event(s, Event{Done: &done})
}

func (s *simulated) look() *Database {
	return &Database{Up: s.pg != "", InRecovery: s.pg == "copy", Streaming: s.follows, Flush: releve.LSN(s.rows), Timeline: s.tl}
}

func (p *pair) exchange(s *simulated) {
	o := p.other(s)
	if !p.link || !s.up || !o.up || s.paused || o.paused {
		return
	}
	mine, theirs := s.Status(), o.Status()
	p.event(o, Event{Peer: &mine})
	p.event(s, Event{Peer: &theirs})
}

func (p *pair) round(s *simulated, began time.Duration) {
	o := p.other(s)
	r := Round{Term: s.Term, Began: began, Ended: p.now, Limit: s.Settings.Limit, Control: s.sip}
	well := o.up && !o.paused && o.isServing() && o.sip
	for _, path := range []string{"peer", "sip"} {
		heard := o.up && !o.paused && (path == "sip" && o.sip && s.sip || path == "peer" && p.link)
		r.Replies = append(r.Replies, Reply{Path: path, Heard: heard, Well: heard && well, Registered: true})
	}
	p.event(s, Event{Round: &r})
}

// tickAll moves time by one step.
func (p *pair) tickAll() {
	p.now += step
	for _, s := range p.servers {
		if !s.up || s.paused {
			continue
		}
		jobs := s.jobs
		s.jobs = nil
		for _, j := range jobs {
			if j.at <= p.now {
				j.do()
			} else {
				s.jobs = append(s.jobs, j)
			}
		}
		p.observe(s)
		p.event(s, Event{})
	}
}

func (p *pair) observe(s *simulated) {
	o := p.other(s)
	if s.broken && s.pg != "" {
		s.pg, s.follows = "", false
	}
	if s.follows && (o.pg != "primary" || o.paused || !o.up || s.pg == "") {
		s.follows = false
	}
	if s.pg == "copy" && o.pg == "primary" && s.joined && p.link && !o.paused && o.up {
		s.follows = true
		s.rows = o.rows
	}
	if s.pg == "primary" && s.Gate && s.Phase == Serving {
		if p.busy {
			s.rows++
		}
	}
	if db := *s.look(); db != s.last && p.now%(5*step) == 0 {
		if !db.Up && s.last.Up {
			db.Why = "it is gone"
		}
		s.last = db
		p.event(s, Event{Database: &db})
	}
	if s.pg == "primary" && p.now%(5*step) == 0 {
		seen := Mirror{Streaming: o.follows && o.up && !o.paused, Flush: releve.LSN(o.rows), Own: releve.LSN(s.rows)}
		if seen.Streaming && s.Phase != Serving {
			seen.Flush = seen.Own
		}
		p.event(s, Event{Mirror: &seen})
	}
	if p.now%(20*step) == 0 {
		p.exchange(s)
	}
	if p.now%(50*step) == 0 {
		reception := s.isServing()
		p.event(s, Event{PBX: &PBX{Heard: s.sip}})
		p.event(s, Event{Reception: &reception})
	}
}

// until runs the site until something holds, and fails the test with the trace
// when it does not within a limit.
func (p *pair) until(what string, limit time.Duration, ok func() bool) {
	p.t.Helper()
	for end := p.now + limit; !ok(); p.tickAll() {
		if p.now > end {
			p.t.Fatalf("%s: not within %s\nmain %s, secondary %s\n%s",
				what, limit, p.main().Phase, p.secondary().Phase, strings.Join(p.trace, "\n"))
		}
		p.invariants()
	}
	p.trace = append(p.trace, "        --- "+what)
}

func (p *pair) pass(d time.Duration) {
	for end := p.now + d; p.now < end; p.tickAll() {
		p.invariants()
	}
}

func (p *pair) invariants() {
	a, b := p.main(), p.secondary()
	if a.known && b.known && a.disk.Term == b.disk.Term && a.disk.Vote && b.disk.Vote {
		p.t.Fatalf("two votes in one term\n%s", strings.Join(p.trace, "\n"))
	}
	commits := func(s *simulated) bool { return s.up && s.Gate && s.Owns() && s.Vote }
	if commits(a) && commits(b) {
		p.t.Fatalf("two that commit alone\n%s", strings.Join(p.trace, "\n"))
	}
}

func (p *pair) overflow(s *simulated) {
	call := fmt.Sprintf("call-%d", p.now)
	s.calls = append(s.calls, call)
	p.event(s, Event{Overflow: &Overflow{Call: releve.CallID(call)}})
}

func (p *pair) inSync() bool {
	return p.main().Protected() && p.secondary().Protected() ||
		p.secondary().Phase == Serving && p.secondary().Protected() && p.main().Vote
}

func started(t *testing.T) *pair {
	p := newPair(t)
	p.boot(p.main())
	p.boot(p.secondary())
	p.until("a new site is protected", 10*time.Second, p.inSync)
	return p
}

func TestANewSiteFoundsItselfAndIsProtected(t *testing.T) { started(t) }

func TestTheMainDiesAndTheNextCallIsAnsweredByTheSecondary(t *testing.T) {
	p := started(t)
	p.crash(p.main())
	p.pass(200 * time.Millisecond)
	p.overflow(p.secondary())
	p.until("the call is answered", 2*time.Second, func() bool { return len(p.secondary().answers) == 1 })
	if got := p.secondary().answers[0]; got != "answered" {
		t.Fatalf("the call was %s", got)
	}
	p.until("the secondary serves", 2*time.Second, func() bool { return p.secondary().Phase == Serving && p.secondary().Gate })

	p.boot(p.main())
	p.until("the old main stands aside", 5*time.Second, func() bool { return p.main().Phase == Deposed })
	p.pass(3 * time.Second)
	if p.main().Phase != Deposed {
		t.Fatalf("the old main came back by itself: %s", p.main().Phase)
	}
	p.event(p.main(), Event{Command: Rejoin})
	p.until("the old main is a mirror with the vote", 10*time.Second, p.inSync)
	p.event(p.secondary(), Event{Command: HandOver})
	p.until("the main is on duty and protected", 10*time.Second, func() bool { return p.main().Phase == Serving && p.inSync() })
	if p.main().Term != 3 || p.secondary().Term != 3 {
		t.Fatalf("terms %d and %d, want 3", p.main().Term, p.secondary().Term)
	}
}

func TestAFrozenMainWakesUpAndHasLostTheDuty(t *testing.T) {
	p := started(t)
	p.main().paused = true
	p.overflow(p.secondary())
	p.until("the call is answered", 3*time.Second, func() bool { return len(p.secondary().answers) == 1 })
	p.until("the secondary serves", 2*time.Second, func() bool { return p.secondary().Gate })
	p.main().paused = false
	p.event(p.main(), Event{Woke: 3 * time.Second})
	if s := p.main().Stance(); s == OnDuty {
		t.Fatalf("the main woke up and takes calls before it knows: %s", s)
	}
	p.until("the main has lost the duty", time.Second, func() bool { return p.main().Phase == Deposed && p.main().pg == "" })
}

func TestAQuietSiteStaysAsItIs(t *testing.T) {
	p := started(t)
	p.busy = false
	p.pass(time.Second)
	before := len(p.trace)
	p.pass(10 * time.Second)
	if len(p.trace) != before || !p.inSync() {
		t.Fatalf("something happened on a quiet site:\n%s", strings.Join(p.trace, "\n"))
	}
}

func TestAServerThatDiesAtNightIsRelievedBeforeTheFirstCaller(t *testing.T) {
	p := started(t)
	p.crash(p.main())
	p.until("the secondary serves", 3500*time.Millisecond,
		func() bool { return p.secondary().Phase == Serving && p.secondary().Gate })
}

func TestASuspicionThatThePBXDoesNotShareMovesNothing(t *testing.T) {
	p := started(t)
	p.link = false
	p.main().sip = true
	p.pass(20 * time.Second)
	if p.secondary().Term != 1 {
		t.Fatalf("a takeover without a call, and without a proof\n%s", strings.Join(p.trace, "\n"))
	}
}

func TestCallsThatKeepComingDoNotPutTheVerdictOff(t *testing.T) {
	p := started(t)
	p.main().paused = true
	for range 20 {
		if len(p.secondary().answers) > 0 {
			break
		}
		p.overflow(p.secondary())
		p.pass(100 * time.Millisecond)
	}
	p.until("the calls are answered", 2*time.Second, func() bool { return len(p.secondary().answers) > 0 })
	if p.secondary().Term != 2 {
		t.Fatalf("no takeover\n%s", strings.Join(p.trace, "\n"))
	}
}

func TestACallWhileTheMainIsWellIsRefused(t *testing.T) {
	p := started(t)
	p.overflow(p.secondary())
	p.until("refused", time.Second, func() bool { return len(p.secondary().answers) == 1 })
	if p.secondary().answers[0] != "refused" || p.secondary().Term != 1 {
		t.Fatalf("%s in term %d", p.secondary().answers[0], p.secondary().Term)
	}
}

func TestTheLinkAloneIsCutAndNobodyTakesOver(t *testing.T) {
	p := started(t)
	p.link = false
	p.pass(5 * time.Second)
	p.overflow(p.secondary())
	p.until("refused", time.Second,
		func() bool { return len(p.secondary().answers) == 1 && p.secondary().answers[0] == "refused" })
	p.link = true
	p.until("protected again", 10*time.Second, p.inSync)
}

func TestTheMirrorsDatabaseDiesAndTheOwnerIsAloneWithinTwoSeconds(t *testing.T) {
	p := started(t)
	p.secondary().broken = true
	p.until("the owner is alone", 2*time.Second, func() bool { return p.main().Alone() && p.main().Lone && p.main().lone })
	p.pass(time.Second)
	p.crash(p.main())
	p.overflow(p.secondary())
	p.until("answered without the duty", 3*time.Second, func() bool { return len(p.secondary().answers) == 1 })
	if p.secondary().answers[0] != "answered without the duty" || p.secondary().Owns() {
		t.Fatalf("%v, owner %v", p.secondary().answers, p.secondary().Owner)
	}
	p.boot(p.main())
	p.until("the main serves again", 5*time.Second, func() bool { return p.main().Phase == Serving && p.main().Gate })
	p.until("the secondary no longer answers", 2*time.Second, func() bool { return !p.secondary().WithoutDuty })
	p.secondary().broken = false
	p.until("protected again", 10*time.Second, p.inSync)
}

func TestTheMainsDatabaseDiesAndTheDutyIsHandedOver(t *testing.T) {
	p := started(t)
	p.main().broken = true
	p.until("the secondary serves", 3*time.Second, func() bool { return p.secondary().Phase == Serving && p.secondary().Gate })
	if len(p.secondary().answers) > 0 && p.secondary().answers[0] != "answered" {
		t.Fatal(p.secondary().answers)
	}
}

func TestTheNewActiveIsKilledBetweenTheAnswerAndThePromotion(t *testing.T) {
	for after := time.Duration(0); after < 400*time.Millisecond; after += 2 * step {
		p := started(t)
		p.crash(p.main())
		p.overflow(p.secondary())
		p.until("answered", 2*time.Second, func() bool { return len(p.secondary().answers) == 1 })
		p.pass(after)
		p.crash(p.secondary())
		p.boot(p.secondary())
		p.until("the secondary serves", 5*time.Second,
			func() bool { return p.secondary().Phase == Serving && p.secondary().Gate })
		p.boot(p.main())
		p.until("the old main stands aside", 5*time.Second, func() bool { return p.main().Phase == Deposed })
	}
}

// A database that answers nobody while it is promoted looks dead. Once it is promoted
// it is started as what it is, for as a copy it would take no writes for ever.
func TestADatabaseThatWasSilentDuringItsPromotionIsNoCopyAgain(t *testing.T) {
	p := started(t)
	p.crash(p.main())
	p.until("the secondary promotes", 5*time.Second, func() bool {
		if len(p.secondary().calls) == 0 && p.secondary().Waiters == 0 {
			p.overflow(p.secondary())
		}
		return p.secondary().Job == JobPromote
	})
	p.event(p.secondary(), Event{Database: &Database{Why: "it does not answer"}})
	p.until("the secondary serves", 5*time.Second, func() bool { return p.secondary().Gate })
}

func TestBothRestartInEitherOrder(t *testing.T) {
	for _, first := range []int{0, 1} {
		p := started(t)
		p.crash(p.main())
		p.crash(p.secondary())
		p.boot(p.servers[first])
		p.pass(2 * time.Second)
		p.boot(p.servers[1-first])
		p.until("protected again", 10*time.Second, p.inSync)
	}
}

func TestALookMeasuredBeforeTheBarrierDoesNotTellWhatTheMirrorMustHave(t *testing.T) {
	p := started(t)
	p.secondary().broken = true
	p.until("the main is alone", 2*time.Second, func() bool { return p.main().lone })
	p.secondary().broken = false
	p.until("the barrier rises", 10*time.Second, func() bool { return p.main().Job == JobBarrier })
	early := Mirror{Streaming: true, Flush: releve.LSN(p.main().rows), Own: releve.LSN(p.main().rows)}
	p.main().rows++ // acknowledged alone: the barrier does not stand yet
	alone := releve.LSN(p.main().rows)
	p.event(p.main(), Event{Done: &Done{Job: JobBarrier}})
	p.event(p.main(), Event{Mirror: &early})
	p.until("the vote is issued", 2*time.Second, func() bool { return p.main().Issued })
	if got := p.main().Candidate.Position; got < alone {
		t.Fatalf("the mirror may take over with what is up to %d, and %d was acknowledged", got, alone)
	}
}

func TestAnOwnerWhoseDatabaseRestartsAloneKeepsItsGateShut(t *testing.T) {
	p := started(t)
	p.link = false
	p.pass(2 * time.Second)
	p.main().broken = true
	p.pass(200 * time.Millisecond)
	p.main().broken = false
	p.until("its database runs", 3*time.Second, func() bool { return p.main().DB.Up })
	p.pass(3 * time.Second)
	if p.main().Gate {
		t.Fatal("the gate is open, and the mirror that holds the vote has not been seen since the restart")
	}
	p.link = true
	p.until("protected again", 10*time.Second, p.inSync)
}

func TestAMirrorIsRebuiltByTheOperatorsWord(t *testing.T) {
	p := started(t)
	copied := p.secondary().dataID
	p.event(p.secondary(), Event{Command: Rebuild})
	if p.secondary().Vote || p.secondary().disk.DataID != "" || p.secondary().pg != "" {
		t.Fatalf("the copy is not struck out: %+v, PostgreSQL %q", p.secondary().disk, p.secondary().pg)
	}
	p.until("the main records alone", 2*time.Second, func() bool { return p.main().lone })
	p.until("protected again", 10*time.Second, p.inSync)
	if p.secondary().dataID == copied || p.main().Term != 1 {
		t.Fatalf("copy %s, as before; term %d", copied, p.main().Term)
	}
}

// Each copy takes disk and line from the server that answers calls, whichever step it
// comes to nothing at.
func TestCopiesThatComeToNothingAreMadeEverMoreSeldom(t *testing.T) {
	for story, spoil := range map[string]func(p *pair, s *simulated){
		"the copy fails": func(_ *pair, s *simulated) { s.vain = JobRejoin },
		"the log that it needs is gone each time": func(p *pair, s *simulated) {
			if s.Phase == Following && s.Job == NoJob && !s.Holds() {
				s.follows, s.Other.Lost = false, true
				p.event(s, Event{Database: s.look()})
			}
		},
	} {
		t.Run(story, func(t *testing.T) {
			p := started(t)
			s := p.secondary()
			spoil(p, s)
			p.event(s, Event{Command: Rebuild})
			for end := p.now + 10*time.Minute; p.now < end; p.tickAll() {
				spoil(p, s)
				p.invariants()
			}
			if s.copies < 2 || s.copies > 8 {
				t.Errorf("%d copies begun in ten minutes", s.copies)
			}
			if s.vain == JobRejoin {
				s.vain = NoJob
				p.until("protected again", copyAgain<<copyDoubled+10*time.Second, p.inSync)
			}
		})
	}
}

func TestADatabaseThatDoesNotStartIsStartedEverMoreSeldom(t *testing.T) {
	p := started(t)
	s, starts := p.secondary(), 0
	s.broken, s.pg = true, ""
	p.event(s, Event{Database: &Database{}})
	for end, last := p.now+time.Minute, NoJob; p.now < end; p.tickAll() {
		if s.Job == JobStart && last != JobStart {
			starts++
		}
		last = s.Job
	}
	if starts < 3 || starts > 11 { // 1, 2, 4 s, then every 8
		t.Errorf("started %d times in a minute", starts)
	}
	s.broken = false
	p.until("protected again", retry<<retryDoubled+10*time.Second, p.inSync)
}

func TestAMirrorIsNotGivenUpWhileNobodyCouldBeCopiedFrom(t *testing.T) {
	p := started(t)
	p.crash(p.main())
	p.pass(2 * time.Second)
	p.event(p.secondary(), Event{Command: Rebuild})
	p.pass(time.Second)
	if !p.secondary().Vote {
		t.Fatal("the only whole database was given up, and nobody serves")
	}
	p.overflow(p.secondary())
	p.until("the secondary serves", 5*time.Second, func() bool { return p.secondary().Phase == Serving && p.secondary().Gate })
}

func TestAServerThatIsBeingStoppedIsNotGivenTheVoteAgain(t *testing.T) {
	p := started(t)
	p.event(p.secondary(), Event{Command: Stop})
	p.until("the main is alone", 2*time.Second, func() bool { return p.main().lone })
	for end := p.now + 5*time.Second; p.now < end; p.tickAll() {
		if p.secondary().Vote || p.main().Number > 1 {
			t.Fatal("the vote was on its way to a server that is being stopped")
		}
	}
	p.crash(p.secondary())
	p.boot(p.secondary())
	p.until("protected again", 10*time.Second, p.inSync)
}

func TestTheEndOfAJobThatAFenceCutOffIsNotTakenForTheNextOnes(t *testing.T) {
	p := started(t)
	p.secondary().broken = true
	p.until("the database of the secondary starts again", 2*time.Second, func() bool { return p.secondary().Job == JobStart })
	running := p.secondary().Turn
	p.event(p.secondary(), Event{Done: &Done{Job: JobStart, Turn: running - 1, Failed: "cut off"}})
	if p.secondary().Job != JobStart || p.secondary().Turn != running {
		t.Fatalf("job %q, turn %d: another one was begun beside it", p.secondary().Job, p.secondary().Turn)
	}
}

func TestASiteThatCouldNotBeFoundedIsFoundedLater(t *testing.T) {
	p := newPair(t)
	p.main().broken = true
	p.boot(p.main())
	p.boot(p.secondary())
	p.until("founding failed", 2*time.Second, func() bool { return p.main().Failed == JobCreate })
	p.main().broken = false
	p.until("a new site is protected", 10*time.Second, p.inSync)
}

// Rows that follow one another may have one sentence, where what is to be done depends on the
// phase.
func TestEachRowOfTheTableHasAName(t *testing.T) {
	seen, before := map[string]bool{}, ""
	for _, row := range Table() {
		if row.Rule == "" || seen[row.Rule] && row.Rule != before {
			t.Errorf("row %q has no name of its own", row.Rule)
		}
		seen[row.Rule], before = true, row.Rule
	}
}
