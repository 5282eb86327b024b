// Package sim plays stories of a site in virtual time, each from one seed: two
// whole agents with their calls and their outboxes, all the product's own, in a
// simulated world of disks, PostgreSQLs, a link and a PBX.
//
// The seed decides what goes wrong and when: servers are killed at any action, frozen,
// cut off in one direction, their databases die, statuses come late, twice or never,
// an operator acts at the worst moment. Then everything is mended, and the site
// must become protected again. All along, what RULES.md promises is checked.
//
// What is simulated, and how honestly:
//
//   - Disks. A save that was cut short left the old or the new, never half. A spool's
//     batch that was cut short left its first records, promised to nobody.
//   - PostgreSQL is a log of commits, in order, with timelines and forks. A mirror
//     receives it prefix by prefix. A commit without the vote is acknowledged when the
//     mirror's disk has it and the owner has heard so. Like the real one it trusts
//     timeline numbers, and follows a log that only looks like its own (R10).
//   - The PBX has one binding a user, a timer for silence, and gives a refused call
//     back. A caller is patient, but not for ever.
//
// Not simulated: SIP, SQL and files as such (those rooms have tests of their own), wall clocks that
// jump (no decision reads one, R19, and a Go time keeps its monotonic part), disks that
// lie, what an operator forces.
package sim

import (
	"context"
	"fmt"
	"sync"
	"time"

	"releve"
	"releve/view"
)

// Outcome is what came of a seed.
type Outcome struct {
	Seed    uint64
	Broken  string // the promise that was broken, "" when all were kept
	Figures Figures

	without Without
	minutes []minute
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
	Returns   int // times the operator was needed at the end
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
	f.Returns += g.Returns
}

// String is one line for people.
func (f Figures) String() string {
	return fmt.Sprintf("%s of virtual time, %d faults, %d crashes, %d takeovers, %d rows acknowledged, %d facts promised, %d calls offered, %d answered, %d unacknowledged rows set aside, %d returns at the end",
		f.Lasted.Round(time.Second), f.Faults, f.Crashes, f.Takeovers, f.Rows, f.Facts, f.Offered, f.Answered, f.Salvage, f.Returns)
}

// site is the whole world of a story.
type site struct {
	seed    uint64
	without Without
	dice    *dice
	began   time.Time

	ownCalls bool // a standby may call the reception itself (H8)

	ctx  context.Context // of the story
	end  context.CancelFunc
	work sync.WaitGroup // all goroutines of the world itself

	shift    context.Context // of the operator who acts while things go wrong
	endShift context.CancelFunc

	mu      sync.Mutex // guards all that follows, and every server's outside
	servers [2]*server
	network network
	pbx     pbx
	ledger  ledger
	minutes []minute
	figures Figures
	stirred time.Duration // when the world last changed for the worse or the better
	mended  bool
}

// Play plays the story of a seed. It must be called in a bubble of testing/synctest, whose
// clock it uses, and leaves nothing behind in it.
func Play(seed uint64, without Without) Outcome {
	s := newSite(seed, without)
	s.story()
	s.figures.Lasted = s.elapsed()
	s.end()
	for _, v := range s.servers {
		v.off()
	}
	s.work.Wait()
	return Outcome{Seed: seed, Broken: s.ledger.broken, Figures: s.figures, without: without, minutes: s.minutes}
}

func newSite(seed uint64, without Without) *site {
	s := &site{seed: seed, without: without, dice: newDice(seed), began: time.Now()}
	s.ctx, s.end = context.WithCancel(context.Background())
	s.shift, s.endShift = context.WithCancel(s.ctx)
	s.servers = [2]*server{newServer(s, releve.Main), newServer(s, releve.Secondary)}
	s.network = network{die: s.dice.of("", ofLink)}
	s.pbx = newPBX(s)
	s.ownCalls = !s.dice.of("", ofFate).one(3)
	s.ledger = newLedger(s)
	return s
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

// sleep waits in virtual time, and says whether to go on.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// later does something in the world after a while, unless the story has ended.
func (s *site) later(d time.Duration, f func()) {
	s.work.Go(func() {
		if sleep(s.ctx, d) {
			f()
		}
	})
}

// protected says that the site is whole again: by the word on the screens of both
// servers, and by the bindings that the PBX has, which may have forgotten them.
func (s *site) protected() bool {
	for _, v := range s.servers {
		p := v.process()
		if p == nil {
			return false
		}
		if m := p.agent.Machine(); !m.Protected() || p.agent.View().Word != view.Protected {
			return false
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	reception, standby := s.pbx.contact(receptionUser), s.pbx.contact(standbyUser)
	return reception != nil && reception.serves() && standby == reception.other()
}
