package salvage_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"releve"
	"releve/config"
	"releve/config/site"
	"releve/postgres"
	"releve/salvage"
	"releve/store"
	"releve/view"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// limit ends a test that hangs; nothing is measured by it.
const limit = 60 * time.Second

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	t.Cleanup(cancel)
	return ctx
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline, tick := time.After(limit), time.NewTicker(5*time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("never happened: %s", what)
		}
	}
}

// server is one of the two, with as much of it as salvage needs.
type server struct {
	t       *testing.T
	seat    releve.Seat
	cluster *postgres.Cluster
	listen  netip.AddrPort
	store   *store.Store
}

// newPair lays a site out and makes its main the owner and its secondary the mirror.
func newPair(t *testing.T) (main, secondary *server) {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "slv-") // short: it will hold PostgreSQL's sockets
	must(t, err)
	t.Cleanup(func() { must(t, os.RemoveAll(dir)) })
	must(t, os.Chmod(dir, 0o755)) // PostgreSQL runs under another account
	o := site.Defaults()
	o.Dir, o.Name, o.PBX, o.Domain = dir, "Hôpital", netip.MustParseAddrPort("127.0.0.1:5060"), "ipbx.test"
	o.Main.Host, o.Secondary.Host = netip.MustParseAddr("127.89.0.21"), netip.MustParseAddr("127.89.0.22")
	o.ReceptionNumber, o.ReceptionPassword, o.StandbyPassword = "9", "reception-secret", "standby-secret"
	written, err := site.Init(o)
	must(t, err)
	addresses := map[releve.Seat]netip.AddrPort{releve.Main: freeAddress(t, 21), releve.Secondary: freeAddress(t, 22)}
	main = newServer(t, written.Main, dir, addresses)
	secondary = newServer(t, written.Secondary, dir, addresses)
	return main, secondary
}

func freeAddress(t *testing.T, house byte) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", fmt.Sprintf("127.89.%d.%d:0", os.Getpid()%250, house))
	must(t, err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).AddrPort()
}

func newServer(t *testing.T, file, dir string, addresses map[releve.Seat]netip.AddrPort) *server {
	t.Helper()
	c, mistakes := config.Load(file)
	for _, m := range mistakes {
		t.Fatal(m)
	}
	found, err := postgres.Find(c.Database.Binaries)
	must(t, err)
	seat := c.Site.Seat
	cluster, err := postgres.New(postgres.Options{
		Installation: found, Dir: filepath.Join(dir, string(seat)[:1]), Listen: addresses[seat], Upstream: addresses[seat.Other()],
		Seat: seat, SiteID: c.Site.ID, CA: c.Peer.CA, Cert: c.Peer.Certificate, Key: c.Peer.Key, Account: c.Database.Account,
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)).With("seat", seat),
	})
	must(t, err)
	t.Cleanup(func() {
		cluster.Fence()
		<-cluster.Exited()
	})
	return &server{t: t, seat: seat, cluster: cluster, listen: addresses[seat]}
}

// open hands the database to a store for a term.
func (s *server) open(term releve.Term) {
	s.t.Helper()
	pool, err := s.cluster.Pool(within(s.t), 4)
	must(s.t, err)
	config := pool.Config()
	pool.Close()
	store.Configure(config)
	pool, err = pgxpool.NewWithConfig(within(s.t), config)
	must(s.t, err)
	s.t.Cleanup(pool.Close)
	must(s.t, s.cluster.EnsureSalvageSlot(within(s.t)))
	s.store, err = store.Open(within(s.t), pool, store.Options{Term: term, Seat: s.seat, Lone: true, Promotion: releve.NewPromotionID()})
	must(s.t, err)
	s.t.Cleanup(s.store.Release)
}

func (s *server) direct(extensions ...store.Extension) {
	s.t.Helper()
	must(s.t, s.store.ReplaceDirectory(within(s.t), extensions))
}

// record stores facts as they come from a spool, in a spool of their own.
func (s *server) record(spool string, facts ...releve.Fact) {
	s.t.Helper()
	var records []store.Record
	for i, f := range facts {
		records = append(records, store.Record{Sequence: uint64(i + 1), Fact: f})
	}
	_, err := s.store.Drain(within(s.t), releve.Main, spool, records)
	must(s.t, err)
}

func call(t *testing.T, id string) releve.Fact {
	t.Helper()
	f, err := releve.NewFact(releve.CallOffered, releve.CallID(id), releve.Main, 1, time.Date(2026, 11, 24, 3, 0, 0, 0, time.UTC), releve.CallBody{From: "0612"})
	must(t, err)
	f.ID = releve.FactID("fact-" + id)
	return f
}

// Pending, Extract and Salvaged are the server's disk, as the application joins it.
func (s *server) Pending(context.Context) ([]string, error) { return s.cluster.Unsalvaged() }

func (s *server) Extract(ctx context.Context, directory string) (view.Salvage, error) {
	aside, err := s.cluster.OpenAside(ctx, directory)
	if err != nil {
		return view.Salvage{}, err
	}
	defer aside.Close()
	return salvage.Extract(ctx, s.seat, directory, aside)
}

func (s *server) Salvaged(_ context.Context, directory string) error {
	return s.cluster.MarkSalvaged(directory)
}

// OnDuty and the rest are the server's database.
func (s *server) OnDuty() bool { return s.store != nil }

func (s *server) Keep(ctx context.Context, found view.Salvage) (view.Salvage, error) {
	return s.store.KeepSalvage(ctx, found)
}

func (s *server) Apply(ctx context.Context, id int64, dryRun, replace bool) (view.Salvage, error) {
	return s.store.ApplySalvage(ctx, id, store.SalvageChoice{DryRun: dryRun, Replace: replace})
}

func (s *server) Discard(ctx context.Context, id int64) (view.Salvage, error) {
	return s.store.DiscardSalvage(ctx, id)
}

func (s *server) Follow(ctx context.Context) error { return s.cluster.AdvanceSalvageSlot(ctx) }

// board is what operators are told.
type board struct {
	mu   sync.Mutex
	told []view.Sentence
}

func (b *board) tell(_ string, what view.Sentence) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.told = append(b.told, what)
}

func (b *board) codes() (codes []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.told {
		codes = append(codes, s.Code)
	}
	return codes
}

// salvager of a server that has the other's disk at hand instead of over a link.
func (s *server) salvager(other *server, b *board) *salvage.Salvager {
	return salvage.New(salvage.Options{
		Own: s, Other: other, Book: s, Tell: b.tell, Log: slog.New(slog.NewTextHandler(s.t.Output(), nil)),
		Forward: func(context.Context, salvage.Order) ([]view.Salvage, error) { return nil, errForwarded },
	})
}

var errForwarded = errors.New("forwarded")
