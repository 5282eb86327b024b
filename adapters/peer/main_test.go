package peer_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"releve"
	"releve/adapters/peer"
	"releve/doors/identity"
)

// otherProcess makes this test binary run one peer until it is killed: the other
// server as a process of its own, which a test can freeze.
const otherProcess = "RELEVE_TEST_PEER"

func TestMain(m *testing.M) {
	if given := os.Getenv(otherProcess); given != "" {
		serveUntilKilled(given)
	}
	goleak.VerifyTestMain(m)
}

func serveUntilKilled(given string) {
	var o peer.Options
	if err := json.Unmarshal([]byte(given), &o); err != nil {
		fail(err)
	}
	o.Log = slog.Default()
	p, err := peer.New(o)
	if err != nil {
		fail(err)
	}
	p.Serve(echo())
	fmt.Println("ready")
	select {}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// word is what two servers tell each other here: the link carries any.
type word struct {
	Life string `json:"life"`
}

// handler is a Handler whose methods a test fills in.
type handler struct {
	exchange    func(ctx context.Context, heard word) word
	check       func(ctx context.Context, question releve.CheckQuestion) releve.CheckAnswer
	command     func(ctx context.Context, name string, args json.RawMessage, emit func(json.RawMessage) error) error
	spoolRead   func(ctx context.Context, after uint64, max int) (releve.SpoolPage, error)
	spoolStored func(ctx context.Context, incarnation string, upTo uint64) error
}

func (h handler) Exchange(ctx context.Context, heard json.RawMessage) (any, error) {
	var w word
	if err := json.Unmarshal(heard, &w); err != nil {
		return nil, err
	}
	return h.exchange(ctx, w), nil
}

func (h handler) Check(ctx context.Context, question releve.CheckQuestion) releve.CheckAnswer {
	return h.check(ctx, question)
}

func (h handler) Command(ctx context.Context, name string, args json.RawMessage, emit func(json.RawMessage) error) error {
	return h.command(ctx, name, args, emit)
}

func (h handler) SpoolRead(ctx context.Context, after uint64, max int) (releve.SpoolPage, error) {
	return h.spoolRead(ctx, after, max)
}

func (h handler) SpoolStored(ctx context.Context, incarnation string, upTo uint64) error {
	return h.spoolStored(ctx, incarnation, upTo)
}

// echo gives every word back.
func echo() handler {
	return handler{exchange: func(_ context.Context, heard word) word { return heard }}
}

// end is one end of a link, with who answers there.
type end struct {
	peer.Options
	Handler peer.Handler
}

// pair is a site of two servers on loopback, with files of its own.
type pair struct {
	t         *testing.T
	dir       string
	authority *identity.Authority
	main      end
	secondary end
}

const siteID = "SITE"

func newPair(t *testing.T) *pair {
	t.Helper()
	p := &pair{t: t, dir: t.TempDir(), authority: newAuthority(t, siteID)}
	p.write("ca.pem", p.authority.Certificate())
	at := map[releve.Seat]netip.AddrPort{releve.Main: freeAddress(t, 21), releve.Secondary: freeAddress(t, 22)}
	for seat, o := range map[releve.Seat]*end{releve.Main: &p.main, releve.Secondary: &p.secondary} {
		p.issue(identity.Identity{Site: siteID, Seat: seat}, string(seat), lasting())
		*o = end{peer.Options{
			Listen: at[seat], Other: at[seat.Other()], Seat: seat, SiteID: siteID,
			CA: p.path("ca.pem"), Cert: p.path(string(seat) + ".pem"), Key: p.path(string(seat) + ".key"),
			OtherCert: p.path(string(seat.Other()) + ".pem"),
			Log:       slog.New(slog.DiscardHandler),
		}, echo()}
	}
	return p
}

// start runs one server and closes it at the end of the test.
func (p *pair) start(o end) *peer.Peer {
	p.t.Helper()
	started, err := peer.New(o.Options)
	if err != nil {
		p.t.Fatal(err)
	}
	started.Serve(o.Handler)
	p.t.Cleanup(func() { _ = started.Close() })
	return started
}

// issue writes name.pem and name.key.
func (p *pair) issue(id identity.Identity, name string, valid identity.Validity) {
	p.t.Helper()
	certificate, key, err := p.authority.Issue(id, valid)
	if err != nil {
		p.t.Fatal(err)
	}
	p.write(name+".pem", certificate)
	p.write(name+".key", key)
}

// copyTo gives another pair one of these files.
func (p *pair) copyTo(other *pair, name string) {
	p.t.Helper()
	text, err := os.ReadFile(p.path(name))
	if err != nil {
		p.t.Fatal(err)
	}
	other.write(name, text)
}

func (p *pair) path(name string) string { return filepath.Join(p.dir, name) }

func (p *pair) write(name string, text []byte) {
	p.t.Helper()
	if err := os.WriteFile(p.path(name), text, 0o600); err != nil {
		p.t.Fatal(err)
	}
}

func newAuthority(t *testing.T, site string) *identity.Authority {
	t.Helper()
	a, err := identity.NewAuthority(site, lasting())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func lasting() identity.Validity {
	return identity.Validity{From: time.Now().Add(-time.Hour), Until: time.Now().Add(time.Hour)}
}

func expired() identity.Validity {
	return identity.Validity{From: time.Now().Add(-48 * time.Hour), Until: time.Now().Add(-24 * time.Hour)}
}

// freeAddress is a port that is free, on a loopback address of this process's
// own, so that tests of other packages do not take it meanwhile.
func freeAddress(t *testing.T, last byte) netip.AddrPort {
	t.Helper()
	pid := os.Getpid()
	host := netip.AddrFrom4([4]byte{127, byte(100 + pid>>8&63), byte(pid), last})
	l, err := net.Listen("tcp", netip.AddrPortFrom(host, 0).String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).AddrPort()
}

// within is a context for what must not take long, on the slowest machine.
func within(t *testing.T, limit time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}
