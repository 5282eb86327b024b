package salvage_test

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"releve"
	"releve/adapters/postgres"
	"releve/adapters/store"
	"releve/proof/sitetest"
	"releve/server/salvage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const limit = sitetest.Limit(60 * time.Second)

var within, must, eventually = limit.Within, sitetest.Must, limit.Until

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
	first, second := sitetest.New(t, nil)
	return newServer(t, first), newServer(t, second)
}

func newServer(t *testing.T, made sitetest.Server) *server {
	return &server{t: t, seat: made.Options.Seat, cluster: made.Cluster, listen: made.Options.Listen}
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
	s.store, err = store.Open(within(s.t), pool,
		store.Options{Term: term, Seat: s.seat, Lone: true, Promotion: releve.PromotionID(rand.Text())})
	must(s.t, err)
	s.t.Cleanup(s.store.Release)
}

// extension is a number of the site, and whose it is.
type extension struct{ number, name string }

// direct makes these the site's extensions.
func (s *server) direct(extensions ...extension) {
	s.t.Helper()
	must(s.t, s.store.Write(within(s.t), func(tx pgx.Tx) error {
		_, err := tx.Exec(within(s.t), "DELETE FROM extension")
		for _, e := range extensions {
			_, inserted := tx.Exec(within(s.t), "INSERT INTO extension (number, name) VALUES ($1, $2)", e.number, e.name)
			err = errors.Join(err, inserted)
		}
		return err
	}))
}

// calls are how many the site has on record.
func (s *server) calls() (n int) {
	s.t.Helper()
	must(s.t, s.store.Write(within(s.t), func(tx pgx.Tx) error {
		return tx.QueryRow(within(s.t), "SELECT count(*) FROM call").Scan(&n)
	}))
	return n
}

// record stores facts as they come from a spool, in a spool of their own.
func (s *server) record(spool string, facts ...releve.Fact) {
	s.t.Helper()
	var records []releve.SpoolRecord
	for i, f := range facts {
		records = append(records, releve.SpoolRecord{Sequence: uint64(i + 1), Fact: f})
	}
	_, err := s.store.Drain(within(s.t), releve.Main, spool, records)
	must(s.t, err)
}

func call(t *testing.T, id string) releve.Fact {
	t.Helper()
	f, err := releve.NewFact(releve.CallOffered, releve.CallID(id), releve.Main, 1,
		time.Date(2026, 11, 24, 3, 0, 0, 0, time.UTC), releve.CallBody{From: "0612"})
	must(t, err)
	f.ID = releve.FactID("fact-" + id)
	return f
}

// OnDuty and the rest are the server's database.
func (s *server) OnDuty() bool { return s.store != nil }

func (s *server) Keep(ctx context.Context, found releve.Salvage) (releve.Salvage, error) {
	return s.store.KeepSalvage(ctx, found)
}

func (s *server) Apply(ctx context.Context, id int64, dryRun, replace bool) (releve.Salvage, error) {
	return s.store.ApplySalvage(ctx, id, store.SalvageChoice{DryRun: dryRun, Replace: replace})
}

func (s *server) Discard(ctx context.Context, id int64) (releve.Salvage, error) {
	return s.store.DiscardSalvage(ctx, id)
}

func (s *server) All(ctx context.Context) ([]releve.Salvage, error) {
	return store.ReadSalvages(ctx, s.reader(ctx))
}

func (s *server) One(ctx context.Context, id int64, limit int) (releve.Salvage, error) {
	return store.ReadSalvage(ctx, s.reader(ctx), id, limit)
}

func (s *server) reader(ctx context.Context) store.Querier {
	pool, err := s.cluster.Pool(ctx, 1)
	must(s.t, err)
	s.t.Cleanup(pool.Close)
	return pool
}

func (s *server) Follow(ctx context.Context) error { return s.cluster.AdvanceSalvageSlot(ctx) }

// board is what operators are told.
type board struct {
	mu   sync.Mutex
	told []releve.Sentence
}

func (b *board) tell(what releve.Sentence) {
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

func (s *server) disk() salvage.OwnDisk { return salvage.NewOwnDisk(s.cluster, s.seat) }

// salvager of a server that has the other's disk at hand instead of over a link.
func (s *server) salvager(other salvage.Disk, b *board) *salvage.Salvager {
	return salvage.New(salvage.Options{
		Own: s.disk(), Other: other, Book: s, Tell: b.tell, Log: slog.New(slog.NewTextHandler(s.t.Output(), nil)),
		Forward: func(context.Context, salvage.Order) ([]releve.Salvage, error) { return nil, errForwarded },
	})
}

var errForwarded = errors.New("forwarded")
