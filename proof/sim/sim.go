// Package sim plays stories of a site in virtual time, each from one seed: two
// whole agents with their calls and their outboxes, all the product's own, in a
// simulated world of disks, PostgreSQLs, a link, a PBX and, at each second site, a witness.
//
// The seed decides what goes wrong and when: servers crash at any action, are paused,
// partitioned in one direction, their databases crash, statuses and claims come late, twice or
// never, the witness is wiped, an operator acts at the worst moment or has the site go by
// the other arbiter. Then everything is mended, and the site must become protected
// again. All along, what RULES.md promises is checked.
//
// Tests of other rooms play on the same world: [Play] gives them a [Site] to which nothing
// happens but what they do to it (break.go).
//
// What is simulated, and how honestly:
//
//   - Disks. A torn save left the old or the new, never half. A spool's
//     torn batch left its first records, promised to nobody.
//   - PostgreSQL is a log of commits, in order, with timelines and forks. A mirror
//     receives it prefix by prefix. A commit without the vote is acknowledged when the
//     mirror's disk has it and the owner has heard so. Like the real one it trusts
//     timeline numbers, and follows a log that only looks like its own (R10).
//   - The witness goes by the product's own rule, [takeover.Register.Apply], and has
//     its register on its disk before it answers. A claim arrives though its server
//     waits no longer, and may arrive twice.
//   - Clocks. Each machine has its own, that goes too fast or too slow, stands still
//     with its machine, and may be hours off in what it writes to the other (R19).
//   - The PBX has one binding a user, a timer for silence, and gives a refused call
//     back. A caller is patient, but not for ever.
//
// Not simulated: SIP, SQL and files as such (those rooms have tests of their own), a
// time of day that jumps under one process (a Go time keeps its monotonic part), disks
// that lie, what an operator forces.
package sim

import (
	"context"
	"fmt"
	"sync"
	"time"

	"releve"
	"releve/screen/view"
)

// Outcome is what came of a seed.
type Outcome struct {
	Seed    uint64
	Broken  string // the promise that was broken, "" when all were kept
	Figures Figures

	without Without
	trace   []event
}

// Figures count what a story had in it.
type Figures struct {
	Lasted    time.Duration // virtual
	Faults    int
	Crashes   int
	Takeovers int
	Rows      int // acknowledged
	Facts     int // promised by a spool
	Offered   int // calls
	Answered  int
	Salvage   int // rows set aside that only one server had, acknowledged to nobody
	Asked     int // procedures in the middle of it all
	Helped    int // times that an operator was needed at the end
	Witnessed int // sites with a witness
	Granted   int // claims that the witness wrote down
	Wiped     int // times that its disk was replaced
}

// Add sums up.
func (f *Figures) Add(g Figures) {
	f.Lasted += g.Lasted
	f.Faults += g.Faults
	f.Crashes += g.Crashes
	f.Takeovers += g.Takeovers
	f.Rows += g.Rows
	f.Facts += g.Facts
	f.Offered += g.Offered
	f.Answered += g.Answered
	f.Salvage += g.Salvage
	f.Asked += g.Asked
	f.Helped += g.Helped
	f.Witnessed += g.Witnessed
	f.Granted += g.Granted
	f.Wiped += g.Wiped
}

// String is one line for people.
func (f Figures) String() string {
	return fmt.Sprintf(
		"%s of virtual time, %d faults, %d crashes, %d takeovers, "+
			"%d rows acknowledged, %d facts promised, %d calls offered, %d answered, "+
			"%d unacknowledged rows set aside, %d procedures asked for and %d at the end; "+
			"%d sites with a witness, %d claims granted, %d registers wiped",
		f.Lasted.Round(time.Second), f.Faults, f.Crashes, f.Takeovers,
		f.Rows, f.Facts, f.Offered, f.Answered, f.Salvage, f.Asked, f.Helped,
		f.Witnessed, f.Granted, f.Wiped)
}

// site is the whole world of a story.
type site struct {
	seed    uint64
	without Without
	dice    *dice
	began   time.Time

	byHand    bool // a test breaks it, and starts again what it broke: see [Play]
	level     releve.Level
	origin    releve.LSN     // where the logs of both servers begin
	ownCalls  bool           // a standby may call the reception itself (H8)
	witnessed bool           // there is a third machine
	founding  releve.Arbiter // of the configuration

	ctx  context.Context // of the story
	end  context.CancelFunc
	work sync.WaitGroup // all goroutines of the world itself

	shift    context.Context // of the operator who acts while things go wrong
	endShift context.CancelFunc

	calling  context.Context // while it lasts callers call, and talk as long as they like
	endCalls context.CancelFunc

	mu        sync.Mutex // guards all that follows, and every server's outside
	servers   [2]*server
	network   network
	stranger  stranger
	pbx       pbx
	witness   *witness
	ledger    ledger
	trace     []event
	figures   Figures
	changedAt time.Duration // when the world last changed for the worse or the better
	healed    bool
}

func newSite(seed uint64, without Without) *site {
	s := &site{seed: seed, without: without, dice: newDice(seed), began: time.Now(), level: releve.HighAvailability}
	s.ctx, s.end = context.WithCancel(context.Background())
	s.shift, s.endShift = context.WithCancel(s.ctx)
	s.calling, s.endCalls = context.WithCancel(s.ctx)
	s.choosesArbiter()
	s.servers = [2]*server{newServer(s, releve.Main), newServer(s, releve.Secondary)}
	s.pbx = newPBX(s)
	s.stranger = newStranger(seed)
	s.ownCalls = !s.dice.of("", ofFate).one(3)
	s.witness = newWitness(s)
	s.ledger = newLedger(s)
	return s
}

// choosesArbiter: each second site has a witness, and most of those go by it from the
// start.
func (s *site) choosesArbiter() {
	s.founding = releve.Pair
	if s.seed%2 != 0 {
		return
	}
	s.witnessed, s.figures.Witnessed = true, 1
	if !s.dice.of("", ofWitness).one(5) {
		s.founding = releve.Witness
	}
}

func (s *site) at(seat releve.Seat) *server {
	if seat == releve.Main {
		return s.servers[0]
	}
	return s.servers[1]
}

func (s *site) elapsed() time.Duration { return time.Since(s.began) }

// change changes the world and sees to what follows from that.
func (s *site) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	s.review()
}

// moment is a wait that nothing cuts short: that of one packet, or of one write.
const moment = 10 * time.Millisecond

// sleep waits in virtual time, and says whether to go on.
func sleep(ctx context.Context, d time.Duration) bool {
	if d < moment {
		time.Sleep(d)
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// comes waits for what is to be closed, and says that it was before ctx ended. What was closed
// already counts, at the end of ctx too: a select would draw lots.
func comes(ctx context.Context, what <-chan struct{}) bool {
	select {
	case <-what:
		return true
	default:
	}
	select {
	case <-what:
		return true
	case <-ctx.Done():
		return false
	}
}

// later does something in the world after a while, unless the story has ended.
func (s *site) later(d time.Duration, f func()) {
	s.work.Add(1)
	time.AfterFunc(d, func() {
		defer s.work.Done()
		if s.ctx.Err() == nil {
			f()
		}
	})
}

// protected says that the site is whole again: by the bindings that the PBX has, which
// may have forgotten them, and by the word on the screens of both servers.
func (s *site) protected() bool {
	return s.bound() && s.both(func(p *process) bool { m := p.agent.Machine(); return m.Protected() }) &&
		s.both(func(p *process) bool { return p.agent.View().Word == view.Protected })
}

// bound says that a server on duty has the reception, and the other the standby user.
func (s *site) bound() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	reception, standby := s.pbx.contact(receptionUser), s.pbx.contact(standbyUser)
	return reception != nil && reception.serves() && standby == reception.other()
}

// both says that two servers run and ok is true of each.
func (s *site) both(ok func(*process) bool) bool {
	for _, v := range s.servers {
		if p := v.process(); p == nil || !ok(p) {
			return false
		}
	}
	return true
}
