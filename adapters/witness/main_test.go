package witness_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"releve"
	"releve/adapters/journal"
	"releve/adapters/witness"
	"releve/doors/identity"
	"releve/rules/takeover"
)

// witnessProcess makes this test binary run one witness until it is killed: a
// process of its own, which a test can freeze and kill.
const witnessProcess = "RELEVE_TEST_WITNESS"

func TestMain(m *testing.M) {
	if given := os.Getenv(witnessProcess); given != "" {
		witnessUntilKilled(given)
	}
	goleak.VerifyTestMain(m)
}

// process is what the other process is told.
type process struct {
	Options witness.ServerOptions // without Record and Log
	Data    string
}

func witnessUntilKilled(given string) {
	var p process
	err := json.Unmarshal([]byte(given), &p)
	if err == nil {
		p.Options.Log = slog.New(slog.DiscardHandler)
		p.Options.Record, err = journal.Open(p.Data, p.Options.Site, identity.Witness)
	}
	var s *witness.Server
	if err == nil {
		s, err = witness.NewServer(p.Options)
	}
	if err == nil {
		fmt.Println("ready")
		err = s.Run(context.Background())
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

const siteID = "SITE"

// plenty is a limit for what must not take long, on the slowest machine.
const plenty = 20 * time.Second

// site is the files of one site and the address of its witness.
type site struct {
	t         testing.TB
	dir       string
	authority *identity.Authority
	at        netip.AddrPort
}

func newSite(t testing.TB) *site {
	t.Helper()
	a, err := identity.NewAuthority(siteID, lasting())
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, dir: t.TempDir(), authority: a, at: freeAddress(t)}
	s.write("ca.pem", a.Certificate())
	for _, name := range []releve.Seat{releve.Main, releve.Secondary, identity.Witness} {
		s.issue(identity.Identity{Site: siteID, Seat: name}, string(name), lasting())
	}
	return s
}

// issue writes name.pem and name.key.
func (s *site) issue(id identity.Identity, name string, valid identity.Validity) {
	s.t.Helper()
	certificate, key, err := s.authority.Issue(id, valid)
	if err != nil {
		s.t.Fatal(err)
	}
	s.write(name+".pem", certificate)
	s.write(name+".key", key)
}

func (s *site) path(name string) string { return filepath.Join(s.dir, name) }

func (s *site) write(name string, text []byte) {
	s.t.Helper()
	if err := os.WriteFile(s.path(name), text, 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func lasting() identity.Validity {
	return identity.Validity{From: time.Now().Add(-time.Hour), Until: time.Now().Add(time.Hour)}
}

// freeAddress is a port that is free, on a loopback address of this process's
// own, so that tests of other packages do not take it meanwhile.
func freeAddress(t testing.TB) netip.AddrPort {
	t.Helper()
	pid := os.Getpid()
	l, err := net.Listen("tcp", fmt.Sprintf("127.%d.%d.30:0", 100+pid>>8&63, byte(pid)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).AddrPort()
}

// client is a server of this site that asks at an address.
func (s *site) client(seat releve.Seat, at netip.AddrPort) *witness.Client {
	s.t.Helper()
	c, err := witness.NewClient(witness.Options{
		Address: at, Site: siteID,
		CA: s.path("ca.pem"), Cert: s.path(string(seat) + ".pem"), Key: s.path(string(seat) + ".key"),
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(c.Close)
	return c
}

func (s *site) options(record witness.Record) witness.ServerOptions {
	return witness.ServerOptions{
		Listen: s.at, Site: siteID, Record: record, Log: slog.New(slog.DiscardHandler),
		CA: s.path("ca.pem"), Cert: s.path("witness.pem"), Key: s.path("witness.key"),
	}
}

// running is a witness within this process.
type running struct {
	t     testing.TB
	stop  context.CancelFunc
	ended chan error
}

// start runs a witness, which ends with the test.
func (s *site) start(o witness.ServerOptions) *running {
	s.t.Helper()
	server, err := witness.NewServer(o)
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	r := &running{t: s.t, stop: stop, ended: make(chan error, 1)}
	go func() { r.ended <- server.Run(ctx); close(r.ended) }()
	s.t.Cleanup(func() { r.end() })
	return r
}

// end stops it and gives what Run said; nil when it had ended before.
func (r *running) end() error {
	r.t.Helper()
	r.stop()
	select {
	case err := <-r.ended:
		return err
	case <-time.After(plenty):
		r.t.Fatal("the witness does not stop")
		return nil
	}
}

// disk is a Record in memory whose saves go as a test wants.
type disk struct {
	mu     sync.Mutex
	saved  json.RawMessage
	unsure error
	saves  int
	// next is how the next save ends; nil: well.
	next func(ctx context.Context, save func()) error
}

var errUnsure = errors.New("the disk did not answer in time")

func (d *disk) Load() (json.RawMessage, bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.saved, d.saved != nil && d.unsure == nil, d.unsure
}

func (d *disk) SaveWithin(ctx context.Context, payload any) error {
	line, err := json.Marshal(payload)
	if err != nil {
		return err
	}
	d.mu.Lock()
	d.saves++
	next := d.next
	d.mu.Unlock()
	save := func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.saved = line
	}
	if next == nil {
		save()
		return nil
	}
	err = next(ctx, save)
	if errors.Is(err, errUnsure) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.unsure = err
	}
	return err
}

// fails sets how saves end from now on.
func (d *disk) fails(next func(ctx context.Context, save func()) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.next = next
}

// reread is what a witness that was started again finds.
func (d *disk) reread() *disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	return &disk{saved: d.saved}
}

// seed is the first claim on an empty register: the main decides alone.
func seed() takeover.Claim {
	return takeover.Claim{Want: takeover.Register{Site: siteID, Incarnation: 1, Term: 1, Owner: releve.Main, Alone: true}}
}

// after makes a claim on what was read.
func after(was takeover.Register, change func(*takeover.Register)) takeover.Claim {
	c := takeover.Claim{Was: was.Version, Inc: was.Incarnation, Want: was}
	change(&c.Want)
	return c
}

func handOver(r *takeover.Register) {
	r.Alone, r.Number = false, r.Number+1
	r.Candidate = takeover.Candidate{DataID: "COPY", Timeline: 1, Position: 42}
}

func goAlone(r *takeover.Register) { r.Alone, r.Candidate = true, takeover.Candidate{} }

func takeOver(r *takeover.Register) {
	r.Term, r.Owner, r.Alone, r.Candidate = r.Term+1, r.Owner.Other(), true, takeover.Candidate{}
}

// must claims what has to be granted.
func must(t testing.TB, c *witness.Client, claim takeover.Claim) takeover.Register {
	t.Helper()
	r, err := c.Claim(within(t, plenty), claim)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func read(t testing.TB, c *witness.Client) takeover.Register {
	t.Helper()
	r, err := c.Read(within(t, plenty))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func within(t testing.TB, limit time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

// killable is a witness in a process of its own.
type killable struct {
	t   testing.TB
	cmd *exec.Cmd
}

// spawn runs a witness on the disk below data and waits until it listens.
func (s *site) spawn(data string) *killable {
	s.t.Helper()
	o := s.options(nil)
	o.Log = nil
	given, err := json.Marshal(process{o, data})
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), witnessProcess+"="+string(given))
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	k := &killable{s.t, cmd}
	s.t.Cleanup(k.kill)
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		k.kill()
		s.t.Fatalf("the witness does not start: %q, %v: %s", line, err, complaint.String())
	}
	return k
}

// kill is SIGKILL, and waits until nothing of it is left.
func (k *killable) kill() {
	_ = k.cmd.Process.Kill()
	_ = k.cmd.Wait()
}

func (k *killable) signal(sig os.Signal) {
	k.t.Helper()
	if err := k.cmd.Process.Signal(sig); err != nil {
		k.t.Fatal(err)
	}
}
