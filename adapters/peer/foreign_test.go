package peer_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"releve"
	"releve/adapters/peer"
	"releve/doors/identity"
	"releve/doors/identity/identitytest"
)

// Each case gives main a certificate that the secondary must not accept, whoever
// of the two asks.
func TestAServerThatIsNotTheOtherOfThisSiteIsRefused(t *testing.T) {
	for story, c := range map[string]struct {
		id    identity.Identity
		valid identity.Validity
		code  string
	}{
		"of another site":  {identity.Identity{Site: "ELSEWHERE", Seat: releve.Main}, lasting(), identity.OtherSite},
		"of our own seat":  {identity.Identity{Site: siteID, Seat: releve.Secondary}, lasting(), identity.WrongSeat},
		"expired":          {identity.Identity{Site: siteID, Seat: releve.Main}, expired(), identity.Expired},
		"of the future":    {identity.Identity{Site: siteID, Seat: releve.Main}, future(), identity.NotYetValid},
		"without identity": {identity.Identity{Site: "", Seat: ""}, lasting(), identity.Nameless},
	} {
		t.Run(story, func(t *testing.T) {
			p := newPair(t)
			p.issue(c.id, "main", c.valid)
			main, secondary := p.start(p.main), p.start(p.secondary)
			err := secondary.Exchange(within(t, plenty), word{}, new(word))
			wantForeign(t, err, c.code)
			err = main.Exchange(within(t, plenty), word{}, new(word))
			wantForeign(t, err, c.code)
		})
	}
}

// The link was up: a certificate is looked at with each request, not once.
func TestACertificateThatExpiresEndsALinkThatWasUp(t *testing.T) {
	p := newPair(t)
	until := time.Now().Add(3 * time.Second)
	p.issue(identity.Identity{Site: siteID, Seat: releve.Main}, "main", identity.Validity{From: time.Now().Add(-time.Hour), Until: until})
	p.secondary.Handler = echo()
	main, _ := p.start(p.main), p.start(p.secondary)
	if err := main.Exchange(within(t, plenty), word{}, new(word)); err != nil {
		t.Fatalf("while it is valid: %v", err)
	}
	refused := func() error {
		err := main.Exchange(within(t, plenty), word{}, new(word))
		return err
	}
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	err := refused()
	for ; err == nil && time.Now().Before(until.Add(plenty)); err = refused() {
		<-look.C
	}
	wantForeign(t, err, identity.Expired)
}

// A site of the same name and seats, made by another `releve init`.
func TestAServerOfAnotherAuthorityIsRefused(t *testing.T) {
	p, stranger := newPair(t), newPair(t)
	stranger.main.Listen, stranger.main.Other = p.main.Listen, p.main.Other
	p.start(p.secondary)
	err := stranger.start(stranger.main).Exchange(within(t, plenty), word{}, new(word))
	wantForeign(t, err, identity.ForeignAuthority)
}

// One that does not look at whom it talks to gets nothing all the same.
func TestAStrangerWhoAsksAnywayIsToldWhyNot(t *testing.T) {
	p, stranger := newPair(t), newPair(t)
	p.secondary.Handler = handler{} // would panic
	warnings := &counter{Handler: slog.DiscardHandler}
	p.secondary.Log = slog.New(warnings)
	p.start(p.secondary)
	shown := identitytest.Shown(t, stranger.main.Cert, stranger.main.Key)[identity.Link]
	careless := http.Client{Timeout: plenty, Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   identitytest.Careless(shown),
	}}
	for _, path := range []string{"/exchange", "/check", "/command/return", "/spool/read", "/spool/stored", "/"} {
		answer, err := careless.Post("https://"+p.secondary.Listen.String()+path, "application/json", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if err != nil || answer.StatusCode != http.StatusForbidden || !bytes.Contains(text, []byte("authority")) {
			t.Errorf("%s: %s %s %v", path, answer.Status, text, err)
		}
	}
	if n := warnings.seen.Load(); n != 1 {
		t.Errorf("the log has the same refusal %d times, want once", n)
	}
}

// counter counts what would be logged.
type counter struct {
	slog.Handler
	seen atomic.Int32
}

func (c *counter) Enabled(context.Context, slog.Level) bool { return true }

func (c *counter) Handle(_ context.Context, r slog.Record) error {
	if r.Level >= slog.LevelWarn {
		c.seen.Add(1)
	}
	return nil
}

func TestWithoutACertificateNobodyComesIn(t *testing.T) {
	p := newPair(t)
	p.start(p.main)
	conn := dialTLS(t, p, &tls.Config{InsecureSkipVerify: true})
	if _, err := conn.Write([]byte("POST /exchange HTTP/1.1\r\n\r\n")); err == nil {
		_, err = conn.Read(make([]byte, 1))
		if err == nil {
			t.Error("a client without a certificate was answered")
		}
	}
}

func TestAnOlderTLSIsRefused(t *testing.T) {
	p := newPair(t)
	p.start(p.main)
	conn, err := net.Dial("tcp", p.main.Listen.String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	old := tls.Client(conn, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12})
	if err := old.HandshakeContext(within(t, plenty)); err == nil {
		t.Error("TLS 1.2 was accepted")
	}
}

func TestAnotherServiceBehindTheAddressIsForeign(t *testing.T) {
	p := newPair(t)
	l, err := net.Listen("tcp", p.main.Other.String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	go func() {
		if conn, err := l.Accept(); err == nil {
			_, _ = io.WriteString(conn, "SSH-2.0-OpenSSH_9.2\r\n")
			_ = conn.Close()
		}
	}()
	err = p.start(p.main).Exchange(within(t, plenty), word{}, new(word))
	wantKind(t, err, peer.Foreign)
}

func wantForeign(t *testing.T, err error, code string) {
	t.Helper()
	wantKind(t, err, peer.Foreign)
	var e *peer.Error
	if errors.As(err, &e) && (e.Why.Code != code || !strings.Contains(e.Error(), code)) {
		t.Errorf("got %s (%v), want %s, in the log too", e.Why.Code, e, code)
	}
	if fault, ok := errors.AsType[*releve.Fault](err); !ok || fault.Why.Code != code {
		t.Errorf("%v holds no fault that a log can say", err)
	}
}

func future() identity.Validity {
	return identity.Validity{From: time.Now().Add(24 * time.Hour), Until: time.Now().Add(48 * time.Hour)}
}

// dialTLS connects to main, closed at the end of the test.
func dialTLS(t *testing.T, p *pair, c *tls.Config) *tls.Conn {
	t.Helper()
	conn, err := tls.Dial("tcp", p.main.Listen.String(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(plenty)); err != nil {
		t.Fatal(err)
	}
	return conn
}
