// Package sitetest makes the two real PostgreSQLs of a site, for the tests of the rooms
// that need a pair of them.
package sitetest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"releve/adapters/postgres"
	"releve/config"
	"releve/config/site"
	"releve/doors/identity"
)

// Limit ends a test that hangs; nothing is measured by it.
type Limit time.Duration

// Within is the time that a step of a test may take.
func (l Limit) Within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(l))
	t.Cleanup(cancel)
	return ctx
}

// Must ends the test at an error.
func Must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Until waits for something to hold.
func (l Limit) Until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline, tick := time.After(time.Duration(l)), time.NewTicker(5*time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited %s in vain: %s", time.Duration(l), what)
		}
	}
}

// Server is a server's PostgreSQL, which has no data yet. It ends with the test.
type Server struct {
	*postgres.Cluster
	Options postgres.Options
}

// New lays a site out on addresses that nobody uses. change, unless nil, may alter what
// each PostgreSQL is made of.
func New(t testing.TB, change func(*postgres.Options)) (main, secondary Server) {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "rlv-") // short: it will hold PostgreSQL's sockets
	Must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	Must(t, os.Chmod(dir, 0o755)) // PostgreSQL runs under another account
	o := site.Defaults()
	o.Dir, o.Name, o.PBX, o.Domain = dir, "Hôpital", freeAddress(t, 3), "ipbx.test"
	first, second := freeAddress(t, 1), freeAddress(t, 2)
	o.Main.Host, o.Main.DatabasePort = first.Addr(), first.Port()
	o.Secondary.Host, o.Secondary.DatabasePort = second.Addr(), second.Port()
	o.Main.Data, o.Secondary.Data = "m", "s"
	o.ReceptionNumber, o.ReceptionPassword, o.StandbyPassword = "9", "reception-secret", "standby-secret"
	written, err := site.Init(o)
	Must(t, err)
	return newServer(t, written.Main, change), newServer(t, written.Secondary, change)
}

// freeAddress is an address of 127.0.0.0/8 and a port that nobody uses.
func freeAddress(t testing.TB, house int) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", fmt.Sprintf("127.89.%d.%d:0", os.Getpid()%250, house))
	Must(t, err)
	defer l.Close() //nolint:errcheck // it was never used
	return l.Addr().(*net.TCPAddr).AddrPort()
}

func newServer(t testing.TB, file string, change func(*postgres.Options)) Server {
	t.Helper()
	c, mistakes := config.Load(file)
	if len(mistakes) > 0 {
		t.Fatal(mistakes)
	}
	found, err := postgres.Find(os.Getenv("RELEVE_TEST_POSTGRESQL"))
	if err != nil && !errors.Is(err, postgres.ErrOldMinor) {
		t.Fatal(err)
	}
	held, err := identity.Load(c.Peer.Files())
	Must(t, err)
	certificates, err := held.ForPostgres(c.Site.ID, c.Site.Seat, "")
	Must(t, err)
	s := Server{Options: postgres.Options{
		Installation: found, Dir: filepath.Join(c.Site.Data, "postgres"),
		Listen: netip.MustParseAddrPort(c.Database.Listen), Upstream: netip.MustParseAddrPort(c.Database.Other),
		Seat: c.Site.Seat, SiteID: c.Site.ID, TLS: postgres.Certificates(certificates), Account: c.Database.Account,
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)).With("seat", c.Site.Seat),
	}}
	if change != nil {
		change(&s.Options)
	}
	Must(t, os.MkdirAll(c.Site.Data, 0o755))
	s.Cluster, err = postgres.New(s.Options)
	Must(t, err)
	t.Cleanup(func() {
		s.Fence()
		<-s.Exited()
	})
	return s
}
