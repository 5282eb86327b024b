package app

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"releve"
	"releve/adapters/peer"
	"releve/adapters/postgres"
	"releve/adapters/spool"
	"releve/adapters/store"
	"releve/server/outbox"
)

// sessions are those of the store: one that drains each spool, the operator's
// reads, and some to spare.
const sessions = 6

// Bounds of reading the list of calls: so many pages at the same time, and so long for one,
// its turn included.
const (
	callReaders = 2
	callsLimit  = 2 * time.Second
)

// records is the store of the term, while there is one.
type records struct {
	cluster  *postgres.Cluster
	seat     releve.Seat
	log      *slog.Logger
	onStored func([]releve.Fact)

	readers chan struct{} // those that read calls now

	mu    sync.Mutex
	store *store.Store
	pool  *pgxpool.Pool
	open  chan struct{} // closed while there is a store
}

func newRecords(cluster *postgres.Cluster, seat releve.Seat, onStored func([]releve.Fact), log *slog.Logger) *records {
	return &records{cluster: cluster, seat: seat, log: log, onStored: onStored, open: make(chan struct{}), readers: make(chan struct{}, callReaders)}
}

// Open hands PostgreSQL to a new store. A former one has lost it.
func (r *records) Open(ctx context.Context, term releve.Term, lone bool, promotion releve.PromotionID, sure func() error) error {
	r.Close()
	pool, err := r.cluster.Pool(ctx, sessions)
	if err != nil {
		return err
	}
	config := pool.Config()
	pool.Close()
	store.Configure(config)
	if pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return err
	}
	if err := r.cluster.EnsureSalvageSlot(ctx); err != nil { // no reason not to serve (R11)
		r.log.Warn("if this server were set aside, its rows would have to be compared", "err", err)
	}
	s, err := store.Open(ctx, pool, store.Options{
		Term: term, Seat: r.seat, Lone: lone, Promotion: promotion, OnStored: r.onStored, Log: r.log,
	})
	if err != nil {
		go pool.Close() // it waits for sessions that may hang until PostgreSQL is stopped
		return err
	}
	if err := sure(); err != nil {
		s.Release()
		go pool.Close()
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.store, r.pool = s, pool
	close(r.open)
	return nil
}

// SetLone is the barrier of the vote.
func (r *records) SetLone(ctx context.Context, lone bool) error {
	s := r.current()
	if s == nil {
		return store.ErrFenced
	}
	return s.SetLone(ctx, lone)
}

// Close takes the database away from the store, at once.
func (r *records) Close() {
	r.mu.Lock()
	s, pool := r.store, r.pool
	r.store, r.pool = nil, nil
	if s != nil {
		r.open = make(chan struct{})
	}
	r.mu.Unlock()
	if s != nil {
		s.Release()
		go pool.Close()
	}
}

func (r *records) current() *store.Store {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.store
}

// calls reads what the local PostgreSQL has, also as a mirror, a page at a time. Few read
// at the same time: the sessions are there for what is to be stored.
func (r *records) calls(ctx context.Context, after store.CallMark, limit int) (store.CallPage, error) {
	ctx, cancel := context.WithTimeout(ctx, callsLimit)
	defer cancel()
	select {
	case r.readers <- struct{}{}:
		defer func() { <-r.readers }()
	case <-ctx.Done():
		return store.CallPage{}, context.Cause(ctx)
	}
	if s := r.current(); s != nil {
		return s.Calls(ctx, after, limit)
	}
	pool, err := r.cluster.Pool(ctx, 1)
	if err != nil {
		return store.CallPage{}, err
	}
	defer pool.Close()
	return store.ReadCalls(ctx, pool, after, limit)
}

// sink is the store as the outbox needs it.
type sink struct {
	*records
	explain func(severity string, what releve.Sentence)
}

func (s sink) Open() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open
}

func (s sink) Drain(ctx context.Context, seat releve.Seat, page outbox.Page) (upTo uint64, ahead bool, err error) {
	current := s.current()
	if current == nil {
		return 0, false, store.ErrFenced
	}
	rows := make([]store.Record, len(page.Records))
	for i, r := range page.Records {
		rows[i] = store.Record(r)
	}
	d, err := current.Drain(ctx, seat, page.Incarnation, rows)
	if err == nil && d.Refused > 0 {
		s.explain("major", releve.Say("event-records-refused", "count", strconv.Itoa(d.Refused), "seat", string(seat)))
	}
	var beyond *store.PositionAhead
	return d.UpTo, errors.As(err, &beyond), err
}

// ownSpool is this server's spool as a source.
type ownSpool struct {
	spool *spool.Spool
	seat  releve.Seat
}

func (o ownSpool) Seat() releve.Seat { return o.seat }

func (o ownSpool) Waiting(_ context.Context, limit int) (outbox.Page, error) {
	page := outbox.Page{Incarnation: o.spool.Incarnation()}
	found, err := o.spool.Read(o.spool.Acknowledged(), limit)
	for _, r := range found {
		page.Records = append(page.Records, outbox.Record{Sequence: r.Sequence, Fact: r.Fact})
	}
	if page.Incarnation != o.spool.Incarnation() {
		return outbox.Page{}, releve.Known("the spool was renewed meanwhile", "cause-renewed")
	}
	return page, err
}

func (o ownSpool) Stored(_ context.Context, incarnation string, upTo uint64) error {
	o.spool.Stored(incarnation, upTo)
	return nil
}

func (o ownSpool) Ahead(ctx context.Context) error { return o.spool.Renew(ctx) }
func (o ownSpool) More() <-chan struct{}           { return o.spool.Changed() }

// otherSpool is the other server's spool, over the link.
type otherSpool struct {
	link *peer.Peer
	seat releve.Seat
}

func (o otherSpool) Seat() releve.Seat { return o.seat }

func (o otherSpool) Waiting(ctx context.Context, limit int) (outbox.Page, error) {
	got, err := o.link.SpoolRead(ctx, 0, limit)
	page := outbox.Page{Incarnation: got.Incarnation}
	for _, r := range got.Records {
		page.Records = append(page.Records, outbox.Record(r))
	}
	return page, err
}

func (o otherSpool) Stored(ctx context.Context, incarnation string, upTo uint64) error {
	return o.link.SpoolStored(ctx, incarnation, upTo)
}

// Ahead: the other renews by itself when it is told of a position beyond its end.
func (o otherSpool) Ahead(ctx context.Context) error {
	page, err := o.link.SpoolRead(ctx, 0, 1)
	if err != nil {
		return err
	}
	return o.link.SpoolStored(ctx, page.Incarnation, ^uint64(0))
}

func (o otherSpool) More() <-chan struct{} { return nil }
