package store

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"releve"
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

// Records is the store of the term, while there is one.
type Records struct {
	database Database
	seat     releve.Seat
	ownUser  string
	log      *slog.Logger
	onStored func([]releve.Fact)
	explain  func(what releve.Sentence)
	notice   func(about string, what releve.Sentence)
	doubts   doubts
	found    chan struct{} // a record was set aside, or is missing

	keptSince func() time.Time // nil: all are kept

	readers chan struct{} // those that read calls now
	counts  chan struct{} // who counts them now

	mu    sync.Mutex
	store *Store
	pool  *pgxpool.Pool
	open  chan struct{} // closed while there is a store
}

// Database is the local PostgreSQL.
type Database interface {
	Pool(ctx context.Context, sessions int) (*pgxpool.Pool, error)
	EnsureSalvageSlot(context.Context) error
	AdvanceSalvageSlot(context.Context) error
}

// NewRecords is without a store. ownUser is the site's own at the PBX; onStored is told of each
// fact that the database has.
func NewRecords(
	database Database, seat releve.Seat, ownUser string,
	onStored func([]releve.Fact),
	explain func(what releve.Sentence),
	notice func(about string, what releve.Sentence),
	log *slog.Logger,
) *Records {
	return &Records{
		notice: notice, doubts: doubts{explain: explain, notice: notice, open: map[int][]releve.Sentence{}},
		found:    make(chan struct{}, 1),
		database: database, seat: seat, ownUser: ownUser, log: log,
		onStored: onStored, explain: explain, open: make(chan struct{}),
		readers: make(chan struct{}, callReaders), counts: make(chan struct{}, 1),
	}
}

// Open hands PostgreSQL to a new store. A former one has lost it.
func (r *Records) Open(ctx context.Context, term releve.Term, lone bool, promotion releve.PromotionID, sure func() error) error {
	r.Close()
	pool, err := r.database.Pool(ctx, sessions)
	if err != nil {
		return err
	}
	config := pool.Config()
	pool.Close()
	Configure(config)
	if pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return err
	}
	if err := r.database.EnsureSalvageSlot(ctx); err != nil { // no reason not to serve (R11)
		r.log.Warn("if this server were set aside, its rows would have to be compared", "err", err)
	}
	s, err := Open(ctx, pool, Options{
		Term: term, Seat: r.seat, Lone: lone, Promotion: promotion, OwnUser: r.ownUser,
		OnStored: r.onStored, OnDoubt: r.doubts.ofNext(), KeptSince: r.keptSince, Log: r.log,
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
	r.doubts.settled(false) // the term's first commit was acknowledged after all of them (R7)
	close(r.open)
	r.looksAside()
	return nil
}

// SetLone is the barrier of the vote.
func (r *Records) SetLone(ctx context.Context, lone bool) error {
	s := r.current()
	if s == nil {
		return ErrFenced
	}
	return s.SetLone(ctx, lone)
}

// Close takes the database away from the store, at once.
func (r *Records) Close() {
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
	r.looksAside()
}

// looksAside has [Records.Watch] look now.
func (r *Records) looksAside() {
	select {
	case r.found <- struct{}{}:
	default:
	}
}

func (r *Records) current() *Store {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.store
}

// calls reads what the local PostgreSQL has, also as a mirror, a page at a time. Few read
// at the same time: the sessions are there for what is to be stored.
func (r *Records) calls(ctx context.Context, q releve.CallQuery, after releve.CallMark, limit int) (releve.CallPage, error) {
	ctx, cancel := context.WithTimeout(ctx, callsLimit)
	defer cancel()
	select {
	case r.readers <- struct{}{}:
		defer func() { <-r.readers }()
	case <-ctx.Done():
		return releve.CallPage{}, context.Cause(ctx)
	}
	if s := r.current(); s != nil {
		return s.Calls(ctx, q, after, limit)
	}
	pool, err := r.database.Pool(ctx, 1)
	if err != nil {
		return releve.CallPage{}, err
	}
	defer pool.Close()
	return ReadCalls(ctx, pool, r.ownUser, q, after, limit)
}

const sinceQuery = `SELECT count(DISTINCT call) FROM call WHERE at >= $1`

// CallsSince counts the calls that came since then, of those that the store of the term has. Without
// one it fails: what another database has, nobody knows here.
func (r *Records) CallsSince(ctx context.Context, at time.Time) (calls int, err error) {
	s := r.current()
	if s == nil {
		return 0, ErrFenced
	}
	ctx, cancel := context.WithTimeout(ctx, callsLimit)
	defer cancel()
	return read(s, ctx, func(ctx context.Context) (n int, err error) {
		return n, s.pool.QueryRow(ctx, sinceQuery, at).Scan(&n)
	})
}

// Ready is closed while facts can be stored, and renewed at a fence.
func (r *Records) Ready() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.open
}

// Drain stores a page of a spool once and returns the acknowledged position. ahead says that
// the database has counted beyond the spool.
func (r *Records) Drain(ctx context.Context, seat releve.Seat, page releve.SpoolPage) (upTo uint64, ahead bool, err error) {
	current := r.current()
	if current == nil {
		return 0, false, ErrFenced
	}
	d, err := current.Drain(ctx, seat, page.Incarnation, page.Records)
	if err == nil && d.Refused > 0 {
		r.explain(releve.Say("event-records-refused", "count", strconv.Itoa(d.Refused), "seat", string(seat)))
	}
	if err == nil && d.Missing > 0 {
		r.explain(releve.Say("event-records-missing", "count", strconv.Itoa(d.Missing), "seat", string(seat)))
	}
	if err == nil && d.Refused+d.Missing > 0 {
		r.looksAside()
	}
	var beyond *PositionAhead
	return d.UpTo, errors.As(err, &beyond), err
}
