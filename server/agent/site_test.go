package agent_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"releve"
	"releve/rules/takeover"
	"releve/screen/view"
	"releve/server/agent"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site is two servers with whole agents, their disks, a PBX and a link, all in
// memory and in virtual time. What is faked behaves as the real thing would where
// an agent can tell the difference: a dead server refuses, a frozen one is silent.
type site struct {
	t       *testing.T
	began   time.Time
	servers map[releve.Seat]*server

	mu        sync.Mutex // guards what follows, and every server's outside
	cut       bool       // the link between the servers
	pbxDown   bool
	lost      bool        // what the PBX sends to the reception reaches nobody
	protects  bool        // the PBX lets nobody bind the reception user in another's place
	voicemail bool        // the PBX itself answers what calls the reception
	reception releve.Seat // who is bound under the reception user
	acked     releve.LSN  // the last row that anybody acknowledged
	witness   *witness    // nil: the site has none
	level     releve.Level
	forced    bool // an operator forces what the vote does not allow
}

// server is one machine: its disks outlive its process.
type server struct {
	*site
	seat  releve.Seat
	agent *agent.Agent
	found bool // its operator asked to found the site alone

	cancel context.CancelFunc
	ended  chan struct{}
	thaw   chan struct{} // closed while the process runs

	alive, standby, mute bool // mute: its SIP reaches nobody
	wanted               takeover.Users
	postgres             postgres
	store                store
	journal              journal
	diary                diary
	voice                voice
	spooled              int
	forgotten            bool // the PBX has forgotten its standby user, and takes it no more
	testCall             error
}

// play runs a story of a site in virtual time. Both servers are new and off.
func play(t *testing.T, story func(*testing.T, *site)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &site{t: t, began: time.Now(), servers: map[releve.Seat]*server{}, level: releve.HighAvailability}
		for _, seat := range []releve.Seat{releve.Main, releve.Secondary} {
			s.servers[seat] = newServer(s, seat)
		}
		defer func() {
			for _, srv := range s.servers {
				srv.kill()
			}
		}()
		story(t, s)
	})
}

// playProtected runs a story that begins on a protected site.
func playProtected(t *testing.T, story func(*testing.T, *site)) {
	t.Helper()
	play(t, func(t *testing.T, s *site) {
		s.main().start()
		s.secondary().start()
		s.until("a new site is protected", 10*time.Second, s.protected)
		time.Sleep(time.Millisecond) // a round that ended at this very instant would count for a call of this instant
		story(t, s)
	})
}

func newServer(s *site, seat releve.Seat) *server {
	srv := &server{site: s, seat: seat, thaw: make(chan struct{})}
	close(srv.thaw)
	srv.postgres = postgres{server: srv, kind: takeover.DiskEmpty, exited: make(chan struct{})}
	close(srv.postgres.exited)
	srv.store, srv.journal = store{server: srv}, journal{server: srv}
	srv.voice = voice{server: srv, load: agent.Load{Channels: 30}}
	return srv
}

func (s *site) main() *server      { return s.servers[releve.Main] }
func (s *site) secondary() *server { return s.servers[releve.Secondary] }

// change changes the world.
func (s *site) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *server) other() *server { return s.servers[s.seat.Other()] }

func (s *server) start() {
	if s.agent != nil && s.alive {
		s.t.Fatalf("the %s runs already", s.seat)
	}
	ctx, cancel := context.WithCancel(s.t.Context())
	s.cancel, s.ended = cancel, make(chan struct{})
	settings := takeover.Settings{
		Seat: s.seat, Rounds: 3, Limit: 300 * time.Millisecond, Pause: 100 * time.Millisecond, Watch: 500 * time.Millisecond, OwnCalls: true,
		Level: s.level, Site: "clinique",
	}
	var arbiter agent.Arbiter
	if s.witness != nil {
		arbiter, settings.Arbiter = way{s}, s.witness.founding
	}
	built := agent.New(agent.Options{
		Site: agent.SiteWords{
			Name: "Clinique", Level: s.level, Arbiter: releve.Pair, PBX: "pbx", Reception: "8000",
			Reached: "reception", StandbyUser: "standby",
		},
		Settings: settings, Arbiter: arbiter, Ward: &s.postgres,
		Found: s.found, Refusal: 486, Journal: &s.journal, Database: &s.postgres, Store: &s.store, Link: link{s},
		Telephone: telephone{s}, Voice: &s.voice, Diary: &s.diary, Spool: spool{s}, Log: slog.New(slog.DiscardHandler), Now: s.now,
	})
	s.change(func() { s.agent, s.alive = built, true })
	var rooms sync.WaitGroup
	rooms.Go(func() {
		if err := built.Run(ctx); err != nil {
			s.t.Errorf("the agent of the %s: %v", s.seat, err)
		}
	})
	rooms.Go(func() { s.register(ctx) })
	go func() { rooms.Wait(); close(s.ended) }()
}

// kill ends the server and all that it ran, without a word to anybody.
func (s *server) kill() {
	if s.cancel == nil {
		return
	}
	s.change(func() {
		s.alive, s.wanted, s.store.open = false, takeover.Users{}, false
		s.postgres.exit("killed")
	})
	s.wake()
	s.cancel()
	<-s.ended
	s.cancel = nil
	time.Sleep(time.Millisecond) // a round of this very instant has found it well, and would count for a call of this instant
}

// freeze stops the process as SIGSTOP does: its clock no longer returns.
func (s *server) freeze() {
	s.change(func() { s.thaw = make(chan struct{}) })
	time.Sleep(time.Millisecond) // as in kill
}

func (s *server) wake() {
	s.change(func() {
		if s.frozen() {
			close(s.thaw)
		}
	})
}

func (s *server) frozen() bool {
	select {
	case <-s.thaw:
		return false
	default:
		return true
	}
}

// now is CLOCK_BOOTTIME, which begins long before any server does.
func (s *server) now() time.Duration {
	s.mu.Lock()
	thaw := s.thaw
	s.mu.Unlock()
	<-thaw
	return time.Since(s.began) + time.Hour
}

// register keeps this server's users bound at the PBX, as the product's own loop
// does: it asks the agent before each refresh.
func (s *server) register(ctx context.Context) {
	refresh := time.NewTicker(100 * time.Millisecond)
	defer refresh.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-refresh.C:
		}
		s.mu.Lock()
		own, anyone, reachable, ours := s.reception == s.seat, s.reception != "", !s.mute && !s.pbxDown, s.standby
		s.mu.Unlock()
		reception, standby := s.agent.MayRegister(own, anyone), s.agent.MayStandBy(ours, ours)
		if !reachable {
			continue
		}
		s.change(func() { s.bind(reception, standby) })
	}
}

// abdicate breaks this server's PostgreSQL for good.
func (s *server) abdicate() {
	s.change(func() { s.postgres.broken = true; s.postgres.exit("disk full") })
}

// bind: the newest contact takes the place of the older one, and a server that is
// no longer on duty un-registers only what is its own (DESIGN §4).
func (s *server) bind(reception, standby bool) {
	if !s.alive {
		return
	}
	s.standby = s.wanted.Standby && standby && !s.forgotten
	if s.wanted.Reception && reception && !(s.protects && s.reception == s.seat.Other()) {
		s.reception = s.seat
	}
	if !s.wanted.Reception && s.reception == s.seat {
		s.reception = ""
	}
}

// commit writes a row here, and says whether it was acknowledged. That two
// servers acknowledge, or that a row is acknowledged which the owner's successor
// lacks, is what the product exists to prevent.
func (s *server) commit() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.store.open || s.postgres.runs != primary {
		return false
	}
	s.postgres.flush++
	s.other().postgres.receive()
	mirrored := s.other().postgres.streams() && s.other().postgres.flush == s.postgres.flush
	if !mirrored && !s.store.lone {
		return false
	}
	if s.postgres.flush <= s.acked {
		s.t.Errorf("the %s acknowledges row %d after %d was acknowledged elsewhere", s.seat, s.postgres.flush, s.acked)
	}
	s.acked = s.postgres.flush
	return true
}

// overflow offers a call that the PBX sent on from the other server, and returns
// what becomes of it as calls would see it.
func (s *server) overflow(ctx context.Context, call releve.CallID, reason releve.OverflowReason) <-chan releve.Decision {
	decided := make(chan releve.Decision, 1)
	go func() { decided <- s.agent.Verify(ctx, call, reason, false) }()
	return decided
}

// decided waits for what becomes of a call.
func (s *site) decided(c <-chan releve.Decision) releve.Decision {
	s.t.Helper()
	select {
	case d := <-c:
		return d
	case <-time.After(40 * time.Second):
		s.t.Fatalf("the call has no verdict after the PBX's own timer\n%s", s.minutes())
		return releve.Decision{}
	}
}

// until waits in virtual time, and fails with the minutes of both diaries.
func (s *site) until(what string, limit time.Duration, ok func() bool) {
	s.t.Helper()
	deadline := time.After(limit)
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for !ok() {
		select {
		case <-look.C:
		case <-deadline:
			s.t.Fatalf("%s: not within %s\nmain %s, secondary %s\n%s", what, limit, s.phase(s.main()), s.phase(s.secondary()), s.minutes())
		}
	}
}

// stays says that something holds all the time.
func (s *site) stays(what string, d time.Duration, ok func() bool) {
	s.t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if !ok() {
			s.t.Fatalf("%s no longer\n%s", what, s.minutes())
		}
	}
}

func (s *site) phase(srv *server) takeover.Phase {
	if srv.agent == nil {
		return "off"
	}
	return srv.agent.Machine().Phase
}

func (s *site) minutes() string {
	var all strings.Builder
	for _, srv := range []*server{s.main(), s.secondary()} {
		for _, e := range srv.diary.all() {
			fmt.Fprintf(&all, "%8s %-9s %s %v %s\n", e.At.Sub(s.began).Round(time.Millisecond), e.Seat, e.What.Code, e.What.Args, e.Call)
		}
	}
	return all.String()
}

// word is the word on the screen of both servers, "" while they do not agree.
func (s *site) word() view.Word {
	a, b := s.main().agent.View().Word, s.secondary().agent.View().Word
	if a != b {
		return ""
	}
	return a
}

func (s *site) protected() bool { return s.word() == view.Protected }

func (s *server) serves() bool {
	m := s.agent.Machine()
	return m.Phase == takeover.Serving && m.Gate
}

// reach is the way over the link to the other server.
func (s *server) reach(ctx context.Context) (*agent.Agent, error) {
	s.mu.Lock()
	o := s.other()
	cut, alive, frozen, there := s.cut, o.alive && s.alive, o.frozen(), o.agent
	s.mu.Unlock()
	switch {
	case cut, !alive:
		return nil, errors.New("connection refused")
	case frozen:
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return there, nil
}

// link is the peer link: what it carries goes through JSON, as on the wire.
type link struct{ *server }

func (l link) Exchange(ctx context.Context, m agent.Message) (agent.Message, error) {
	o, err := l.reach(ctx)
	if err != nil {
		return agent.Message{}, err
	}
	var sent, answer agent.Message
	if err := wire(m, &sent); err != nil {
		return answer, err
	}
	return answer, wire(o.Heard(ctx, sent), &answer)
}

func wire(from agent.Message, to *agent.Message) error {
	raw, err := json.Marshal(from)
	return errors.Join(err, json.Unmarshal(raw, to))
}

func (l link) Check(ctx context.Context, q agent.CheckQuestion) (takeover.Reply, error) {
	o, err := l.reach(ctx)
	if err != nil {
		return takeover.Reply{}, err
	}
	return o.CheckMe(ctx, q), nil
}

func (l link) Command(ctx context.Context, name string, _ map[string]string, emit func(view.Procedure)) error {
	o, err := l.reach(ctx)
	if err != nil {
		return err
	}
	if name != "test-call" {
		return o.Order(ctx, name)
	}
	found, err := o.TestCall(ctx)
	if err == nil {
		emit(view.Procedure{Name: name, Steps: []view.ProcedureStep{{State: "done", Found: &found}}})
	}
	return err
}
