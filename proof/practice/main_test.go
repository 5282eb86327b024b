package practice

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// soon is a deadline for what happens at once on a machine that is not busy.
const soon = 20 * time.Second

// site is a practice PBX on loopback addresses that no other test has.
type site struct {
	t    *testing.T
	net  [2]byte
	pbx  *PBX
	tape *tape
}

const (
	pbxHost     = 10
	mainHost    = 21
	standbyHost = 22
	phoneHost   = 31
	otherHost   = 41
	callerHost  = 90
)

func newSite(t *testing.T, change func(*PBXOptions)) *site {
	t.Helper()
	s := &site{t: t, net: [2]byte{byte(1 + rand.IntN(254)), byte(rand.IntN(256))}, tape: newTape()}
	o := PBXOptions{
		Listen: s.at(pbxHost), Realm: "pbx.test", Number: "9",
		ReceptionPassword: "recep-pw", StandbyPassword: "stand-pw", PhonePassword: "phone-pw",
		NoReply: 3 * time.Second, BackDelay: 50 * time.Millisecond,
		Log: quietLog(), OnEvent: s.tape.record,
	}
	if change != nil {
		change(&o)
	}
	pbx, err := NewPBX(o)
	if err != nil {
		t.Fatal(err)
	}
	s.pbx = pbx
	t.Cleanup(func() { closing(t, pbx.Close) })
	return s
}

func closing(t *testing.T, f func() error) {
	if err := f(); err != nil {
		t.Error(err)
	}
}

func quietLog() *slog.Logger { return slog.New(slog.DiscardHandler) }

func (s *site) at(host byte) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, s.net[0], s.net[1], host}), 5060)
}

// bind registers a user's contact as his own server would, by SIPp.
func (s *site) bind(user, password string, host byte) {
	s.t.Helper()
	s.sipp("register", otherHost, s.as(user, password, contactFor(user, s.at(host), 60)...)...).succeeds()
}

// contactFor are SIPp's arguments for the contact of a registration.
func contactFor(user string, at netip.AddrPort, seconds int) []string {
	return []string{"-key", "contact", fmt.Sprintf("sip:%s@%s", user, at), "-key", "expires", fmt.Sprint(seconds)}
}

// echo makes SIPp send back what it hears: the sound of a voice that answers.
const echo = "-rtp_echo"

// as are SIPp's arguments for speaking as a user of the PBX.
func (s *site) as(user, password string, more ...string) []string {
	return append([]string{
		s.at(pbxHost).String(), "-key", "user", user, "-key", "from", user, "-au", user, "-ap", password,
	}, more...)
}

func (s *site) phone(o PhoneOptions) *Phone {
	s.t.Helper()
	o.Listen, o.PBX, o.Domain, o.Password, o.Log = s.at(phoneHost), s.at(pbxHost), "pbx.test", "phone-pw", quietLog()
	o.User = orElse(o.User, "1001")
	p, err := NewPhone(s.t.Context(), o)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { closing(s.t, p.Close) })
	return p
}

func (s *site) caller() *Caller {
	s.t.Helper()
	c, err := NewCaller(CallerOptions{
		Listen: s.at(callerHost), PBX: s.at(pbxHost), Domain: "pbx.test", User: "1010", Password: "phone-pw", Log: quietLog(),
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { closing(s.t, c.Close) })
	return c
}

// tape keeps the events of a PBX, for tests to wait on.
type tape struct {
	mu     sync.Mutex
	events []Event
	more   chan struct{}
}

func newTape() *tape { return &tape{more: make(chan struct{})} }

func (t *tape) record(e Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.events = append(t.events, e)
	close(t.more)
	t.more = make(chan struct{})
}

// kinds are the events of calls, in their order.
func (t *tape) kinds() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var kinds []string
	for _, e := range t.events {
		if e.Call != "" {
			kinds = append(kinds, string(e.Kind))
		}
	}
	return strings.Join(kinds, " ")
}

// wait gives the first event of a kind.
func (t *tape) wait(test *testing.T, kind Kind) Event {
	test.Helper()
	deadline := time.After(soon)
	for {
		t.mu.Lock()
		events, more := t.events, t.more
		t.mu.Unlock()
		for _, e := range events {
			if e.Kind == kind {
				return e
			}
		}
		select {
		case <-more:
		case <-deadline:
			test.Fatalf("no event %q among %v", kind, events)
		}
	}
}

// third is a SIPp process: what it says of us does not come from us.
type third struct {
	t    *testing.T
	name string
	dir  string
	done chan struct{}
	err  error
}

// sipp runs one of testdata's scenarios on an address of the site. A called party
// listens when it returns.
func (s *site) sipp(scenario string, host byte, args ...string) *third {
	s.t.Helper()
	path, err := exec.LookPath("sipp")
	if err != nil {
		s.t.Fatal("SIPp is missing, and it is the other side of these tests: install Debian's sip-tester")
	}
	file, err := filepath.Abs(filepath.Join("testdata", scenario+".xml"))
	if err != nil {
		s.t.Fatal(err)
	}
	p := &third{t: s.t, name: scenario, dir: s.t.TempDir(), done: make(chan struct{})}
	ip := s.at(host).Addr().String()
	args = append([]string{
		"-sf", file, "-nostdin", "-max_recv_loops", "1", "-m", "1", "-i", ip, "-p", "5060", "-bind_local", "-mi", ip,
		"-key", "realm", "pbx.test", "-timeout", "30", "-timeout_error", "-recv_timeout", "15000",
		"-trace_err", "-error_file", "errors", "-trace_msg", "-message_file", "messages", "-deadcall_wait", "0",
	}, args...)
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir = p.dir
	if err := cmd.Start(); err != nil {
		cancel()
		s.t.Fatal(err)
	}
	go func() { p.err = cmd.Wait(); close(p.done) }()
	s.t.Cleanup(func() { cancel(); <-p.done })
	p.listens(s.at(host))
	return p
}

// listens waits until the process has its socket, or has ended.
func (p *third) listens(at netip.AddrPort) {
	p.t.Helper()
	a := at.Addr().As4()
	socket := fmt.Sprintf("%02X%02X%02X%02X:%04X", a[3], a[2], a[1], a[0], at.Port())
	for deadline := time.Now().Add(soon); time.Now().Before(deadline); {
		table, err := os.ReadFile("/proc/net/udp")
		if err != nil {
			p.t.Fatal(err)
		}
		if strings.Contains(string(table), socket) {
			return
		}
		select {
		case <-p.done:
			return
		case <-time.After(5 * time.Millisecond):
		}
	}
	p.t.Fatalf("SIPp %s does not listen on %s", p.name, at)
}

// succeeds waits until SIPp has seen its scenario through.
func (p *third) succeeds() {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(2 * soon):
		p.t.Fatalf("SIPp %s does not end", p.name)
	}
	if p.err != nil {
		messages, _ := os.ReadFile(filepath.Join(p.dir, "messages"))
		errors, _ := os.ReadFile(filepath.Join(p.dir, "errors"))
		p.t.Fatalf("SIPp %s: %v\n%s\n%s", p.name, p.err, errors, messages)
	}
}
