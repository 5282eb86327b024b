package sim

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"releve"
	"releve/rules/takeover"
	"releve/screen/view"
	"releve/server/agent"
)

// Site is the world of a story without its fate: a test of another room starts its servers,
// breaks what it wants to see broken, and looks at what comes of it. What RULES.md promises
// is checked all along, as in a story. What can be broken stands in break.go.
type Site struct {
	*site
	t       *testing.T
	servers [2]*Server
}

// Server is one machine of a site. Its disks outlive its processes.
type Server struct {
	*server
	on       *Site
	client   client
	recorded int // facts of [Server.Record]
}

// Config is what a site is founded as.
type Config struct {
	Level   releve.Level   // high availability, unless said
	Arbiter releve.Arbiter // by which it is founded: the pair, unless said
	Witness bool           // there is a third machine
}

// handSeed is that of every site that a test plays: what it draws is how long things take.
const handSeed = 1

// Play plays a story in virtual time. Both servers are new, and off. A test that fails shows
// what happened.
func Play(t *testing.T, c Config, story func(*testing.T, *Site)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := newHandSite(t, c)
		defer s.over()
		story(t, s)
	})
}

// PlayProtected plays a story that begins on a site that has just become protected.
func PlayProtected(t *testing.T, c Config, story func(*testing.T, *Site)) {
	t.Helper()
	Play(t, c, func(t *testing.T, s *Site) {
		s.Main().Start()
		s.Secondary().Start()
		s.Until("a new site is protected", 10*time.Second, func() bool { return s.Protected() && (!c.Witness || s.Lodged()) })
		s.settle()
		story(t, s)
	})
}

func newHandSite(t *testing.T, c Config) *Site {
	w := newSite(handSeed, Without{})
	w.byHand, w.ownCalls, w.stranger.there, w.pbx.refuses = true, true, false, false
	w.witnessed, w.founding = c.Witness, releve.Pair
	if c.Level != "" {
		w.level = c.Level
	}
	if c.Arbiter != "" {
		w.founding = c.Arbiter
	}
	s := &Site{site: w, t: t}
	for i, v := range w.servers {
		v.clocks = clocks{ahead: time.Hour}
		s.servers[i] = &Server{server: v, on: s}
	}
	return s
}

// over ends all that runs, and says which promise was broken.
func (s *Site) over() {
	s.change(func() {
		for _, v := range s.site.servers {
			v.journal.mended()
			v.unlocks()
		}
	})
	if o := s.leave(); o.Broken != "" {
		s.t.Errorf("%s\n%s", o.Broken, o.Trace())
	}
}

// whole is longer than anything takes that is under way at a moment: a round that has just
// found a server well would count for a call of this very moment.
const whole = 10 * time.Millisecond

// settle lets what is under way end.
func (s *Site) settle() { time.Sleep(whole) }

// Main and Secondary are the two servers, At is the one in a seat.
func (s *Site) Main() *Server      { return s.servers[0] }
func (s *Site) Secondary() *Server { return s.servers[1] }

func (s *Site) At(seat releve.Seat) *Server { return s.servers[side(seat)] }

// Both are the main and the secondary.
func (s *Site) Both() []*Server { return s.servers[:] }

// Until waits in virtual time, and ends the test where it waits in vain.
func (s *Site) Until(what string, limit time.Duration, ok func() bool) {
	s.t.Helper()
	for end := s.elapsed() + limit; !ok(); time.Sleep(whole) {
		if s.elapsed() >= end || s.ctx.Err() != nil {
			s.t.Fatalf("%s: not within %s\nmain %s, secondary %s\n%s",
				what, limit, s.Main().Phase(), s.Secondary().Phase(), s.Trace())
		}
	}
}

// Stays says that something holds all the time.
func (s *Site) Stays(what string, d time.Duration, ok func() bool) {
	s.t.Helper()
	for end := s.elapsed() + d; s.elapsed() < end; time.Sleep(whole) {
		if !ok() || s.ctx.Err() != nil {
			s.t.Fatalf("%s no longer\n%s", what, s.Trace())
		}
	}
}

// Trace is what has happened so far, to be read aloud.
func (s *Site) Trace() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Outcome{Seed: s.seed, trace: slices.Clone(s.trace), Broken: s.ledger.broken}.Trace()
}

// Protected says that both servers run, and that each says so on its screen.
func (s *Site) Protected() bool {
	return s.both(func(p *process) bool { return p.agent.View().Word == view.Protected })
}

// Lodged says that the vote lies with the witness, and that both servers know it.
func (s *Site) Lodged() bool {
	r := s.Register()
	return r.Incarnation > 0 && !r.Alone && s.both(func(p *process) bool {
		m := p.agent.Machine()
		return m.Witnessed() && m.Register == r
	})
}

// Register is what the witness has on its disk.
func (s *Site) Register() takeover.Register {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.witness.kept
}

// Reception and Standby are who is bound under these users, "" when nobody is.
func (s *Site) Reception() releve.Seat { return s.boundTo(receptionUser) }
func (s *Site) Standby() releve.Seat   { return s.boundTo(standbyUser) }

func (s *Site) boundTo(user string) releve.Seat {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v := s.pbx.contact(user); v != nil {
		return v.seat
	}
	return ""
}

// Call has somebody call the reception.
func (s *Site) Call(id releve.CallID) {
	c := s.newCaller(id)
	s.work.Go(func() { c.calls(s.ctx) })
}

// Decided waits for what becomes of a call that overflowed.
func (s *Site) Decided(c <-chan releve.Decision) releve.Decision {
	s.t.Helper()
	select {
	case d := <-c:
		return d
	case <-time.After(patience):
		s.t.Fatalf("the call has no verdict, and its caller has hung up\n%s", s.Trace())
		return releve.Decision{}
	}
}

// Seat is where it stands.
func (v *Server) Seat() releve.Seat { return v.seat }

// Start starts its program.
func (v *Server) Start() {
	if v.process() != nil {
		v.on.t.Fatalf("the %s runs already", v.seat)
	}
	v.start()
}

// Exit ends its program in order, as far as that goes without the other: what was begun is
// carried to its end.
func (v *Server) Exit() {
	p := v.process()
	p.cancel()
	p.rooms.Wait()
	v.change(func() { p.ends("has ended") })
}

// Agent is that of its process, or of its last one.
func (v *Server) Agent() *agent.Agent {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.last == nil {
		return nil
	}
	return v.last.agent
}

// Phase is its machine's.
func (v *Server) Phase() takeover.Phase {
	if a := v.Agent(); a != nil {
		return a.Machine().Phase
	}
	return "off"
}

// Serves says that it is on duty, with its gate open.
func (v *Server) Serves() bool {
	m := v.Agent().Machine()
	return m.Phase == takeover.Serving && m.Gate
}

// Now is its CLOCK_BOOTTIME.
func (v *Server) Now() time.Duration { return v.last.now() }

// Overflow offers it a call that the PBX sent on from the other, and returns what becomes of
// that as its calls would see it.
func (v *Server) Overflow(ctx context.Context, call releve.CallID, reason releve.OverflowReason) <-chan releve.Decision {
	decided := make(chan releve.Decision, 1)
	go func() { decided <- v.Agent().Verify(ctx, call, reason, false) }()
	return decided
}

// client writes rows, one after the other.
type client struct {
	of   *process
	wait chan error
}

// acknowledged is how long a row takes at most where nothing is wrong.
const acknowledged = 50 * time.Millisecond

// Commit has a client write a row here, unless it still waits for its last one, and says
// whether that is acknowledged.
func (v *Server) Commit() bool {
	p := v.process()
	if p == nil {
		return false
	}
	c := &v.client
	if c.of != p || c.wait == nil {
		wait := make(chan error, 1)
		*c = client{p, wait}
		p.work.Go(func() {
			_, _, err := sink{p.store}.stores(p.ctx, releve.SpoolPage{})
			wait <- err
		})
	}
	select {
	case err := <-c.wait:
		c.wait = nil
		return err == nil
	case <-time.After(acknowledged):
		return false
	}
}

// Record has so many facts written to its spool: they are on its disk when it returns.
func (v *Server) Record(facts int) {
	var all []releve.Fact
	for range facts {
		v.recorded++
		all = append(all, releve.Fact{ID: releve.FactID(fmt.Sprintf("%s-%d", v.seat, v.recorded)), Call: "recorded@pbx"})
	}
	if err := v.process().records.Append(v.ctx, all...); err != nil {
		v.on.t.Fatal(err)
	}
}

// Diary is what it has decided and written down, and Said what of that says this.
func (v *Server) Diary() []releve.Entry {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.diary)
}

func (v *Server) Said(code string) []releve.Entry {
	return slices.DeleteFunc(v.Diary(), func(e releve.Entry) bool { return e.What.Code != code })
}

// Journal is what its disk remembers, and Saving that a save has not returned.
func (v *Server) Journal() takeover.Durable {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.journal.kept
}

func (v *Server) Saving() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.journal.saving > 0
}

// Outside is what can be seen of a server by who stands before it.
type Outside struct {
	Runs      string // how its PostgreSQL runs: "primary", "copy", or not
	Data      releve.DataID
	Starts    int           // of PostgreSQL
	Fenced    int           // times that it was fenced …
	HungUp    int           // … and that all calls were dropped
	Abandoned int           // promotions that lost their purpose under way
	Opened    []releve.Term // in which its gate was opened, in order
	Exchanged int           // times that it asked for an exchange of words alone
	Looked    int           // times that it looked at its database
	Lone      bool          // it acknowledges without its mirror
}

// Outside looks at it.
func (v *Server) Outside() Outside {
	v.mu.Lock()
	defer v.mu.Unlock()
	c := &v.database
	o := Outside{string(c.runs), c.id, c.starts, v.fenced, v.hungUp,
		c.abandoned, slices.Clone(v.opened), v.exchanged, v.looked, false}
	if v.running != nil {
		o.Lone = v.running.store.lone
	}
	return o
}
