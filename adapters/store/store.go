// Package store is what the site knows and records: typed queries and
// migrations on the database of the server that is on duty. It is handed a pool
// for one term and loses it at a fence.
//
// Its care is what "acknowledged" means (RULES R1, R7, R8): a Write that returns nil
// is on the mirror, or was committed while this server held the vote. Everything
// else is an error, and a commit whose answer is not known is an [InDoubt].
package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"releve"
)

// ErrFenced says that the store has lost its database: the term is over.
var ErrFenced = releve.Known("store is fenced: this server no longer writes; its facts wait in the spool", "cause-store-fenced")

// InDoubt says that a COMMIT was sent and its answer is not known, or was not
// backed by the mirror or the vote. Seeing the row proves nothing (R7): it is settled by its
// identifier, after a later row was acknowledged.
type InDoubt struct{ Cause error }

func (d *InDoubt) Error() string {
	return fmt.Sprintf("commit in doubt, to be settled by its identifier after a later commit: %v", d.Cause)
}

func (d *InDoubt) Unwrap() error { return d.Cause }

// Options are the term that a store is opened for.
type Options struct {
	Term      releve.Term
	Seat      releve.Seat
	Lone      bool               // this server holds the vote
	Promotion releve.PromotionID // the first commit of the term writes it (R10)
	OwnUser   string             // of the site at the PBX: his name is shown whole
	// OnStored is called after the acknowledged commit of facts, and only then, by the
	// goroutine that drains. It must not wait.
	OnStored func([]releve.Fact)
	// OnDoubt is told of the commits in doubt whenever they change. It must not wait.
	OnDoubt func([]releve.Sentence)
	// KeptSince is since when records are kept (SPEC C8), zero or nil: all are. What is older is
	// neither missed nor brought back by a salvage.
	KeptSince func() time.Time
	Log       *slog.Logger
}

// Store writes and reads for one term. Its methods may be called from any
// goroutine, but not from within a Write.
type Store struct {
	pool *pgxpool.Pool
	opt  Options
	gate *gate

	fence   context.Context // ends at Release, with ErrFenced
	release context.CancelCauseFunc
}

// Open migrates the database and writes the term's promotion. The pool's configuration
// must have gone through Configure; who made the pool closes it, after Release.
// Without the vote and without a mirror it waits, like every commit, until ctx
// ends; the error then is an InDoubt, and Open may be called again.
func Open(ctx context.Context, pool *pgxpool.Pool, opt Options) (*Store, error) {
	if opt.OnStored == nil {
		opt.OnStored = func([]releve.Fact) {}
	}
	if opt.OnDoubt == nil {
		opt.OnDoubt = func([]releve.Sentence) {}
	}
	if opt.KeptSince == nil {
		opt.KeptSince = func() time.Time { return time.Time{} }
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	s := &Store{pool: pool, opt: opt, gate: newGate()}
	s.fence, s.release = context.WithCancelCause(context.Background())
	stop := context.AfterFunc(ctx, s.Release)
	err := s.start(ctx)
	if !stop() {
		err = errors.Join(err, context.Cause(ctx))
	}
	if err != nil {
		s.Release()
		return nil, fmt.Errorf("store: open for term %d: %w", opt.Term, err)
	}
	return s, nil
}

// start makes the promotion the first commit wherever there is a table for it,
// so that even a failed migration leaves the term's mark in the log.
func (s *Store) start(ctx context.Context) error {
	if s.opt.Lone {
		if err := s.SetLone(ctx, true); err != nil {
			return err
		}
	}
	var migrated bool
	err := s.pool.QueryRow(ctx, `SELECT to_regclass('promotion') IS NOT NULL`).Scan(&migrated)
	if err != nil {
		return err
	}
	if migrated {
		err = s.promote(ctx)
	}
	if err == nil {
		err = s.migrate(ctx)
	}
	if err == nil && !migrated {
		err = s.promote(ctx)
	}
	return err
}

// promote writes the promotion's row. Written again it is a new version of the same
// row, because a commit that writes nothing settles nothing.
func (s *Store) promote(ctx context.Context) error {
	return s.write(ctx, releve.Say("doubt-promotion"), func(tx pgx.Tx) error {
		if err := s.checkTerm(ctx, tx); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `INSERT INTO promotion (id, term, seat) VALUES ($1, $2, $3)
			ON CONFLICT (id) DO UPDATE SET at = promotion.at`, s.opt.Promotion, int64(s.opt.Term), s.opt.Seat)
		return err
	})
}

// checkTerm refuses a database that has seen a term we cannot come after.
func (s *Store) checkTerm(ctx context.Context, tx pgx.Tx) error {
	var term int64
	var seat releve.Seat
	err := tx.QueryRow(ctx, `SELECT term, seat FROM promotion
		WHERE term > $1 OR term = $1 AND seat <> $2 ORDER BY term DESC LIMIT 1`,
		int64(s.opt.Term), s.opt.Seat).Scan(&term, &seat)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	return fmt.Errorf("the database was written in term %d by %s, "+
		"so %s may not write it in term %d: compare the journals of both servers",
		term, seat, s.opt.Seat, s.opt.Term)
}

// Release is the fence: it severs every session and waits for nothing (R9).
// Whoever waits gets ErrFenced, a COMMIT that was sent is in doubt.
func (s *Store) Release() {
	s.gate.fence()
	s.release(ErrFenced)
}

// Write runs do in a transaction and commits it. ctx bounds everything but the
// COMMIT, which nothing ends but its answer, the vote, or a fence (R7). An error
// is a rollback unless it is an InDoubt.
func (s *Store) Write(ctx context.Context, do func(tx pgx.Tx) error) error {
	return s.write(ctx, releve.Say("doubt-change"), do)
}

// write names what is in doubt when the answer to its COMMIT is lost.
func (s *Store) write(ctx context.Context, what releve.Sentence, do func(tx pgx.Tx) error) error {
	lone, err := s.gate.enter(ctx)
	if err != nil {
		return err
	}
	defer s.gate.leave()
	bounded, cancel := s.untilFence(ctx)
	defer cancel()
	conn, err := s.pool.Acquire(bounded)
	if err != nil {
		return s.explain(err)
	}
	defer conn.Release()
	session, err := sessionOf(conn.Conn())
	if err != nil {
		return err
	}
	if err := s.gate.begin(session); err != nil {
		return err
	}
	defer func() { s.gate.end(session, conn.Conn().IsClosed()) }()
	tx, err := conn.BeginTx(bounded, pgx.TxOptions{BeginQuery: beginQuery(lone)})
	if err != nil {
		return s.explain(err)
	}
	if err := do(tx); err != nil {
		s.rollback(ctx, tx)
		return s.explain(err)
	}
	return s.commit(ctx, tx, session, what)
}

// beginQuery puts the choice of durability before everything else, in the same
// message as BEGIN (R8).
func beginQuery(lone bool) string {
	if lone {
		return "BEGIN; SET LOCAL synchronous_commit = local"
	}
	return "BEGIN"
}

// rollbackLimit bounds the wait for a database that no longer answers; the
// session is closed then, which rolls back as well.
const rollbackLimit = 5 * time.Second

func (s *Store) rollback(ctx context.Context, tx pgx.Tx) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackLimit)
	defer cancel()
	if err := tx.Rollback(ctx); err != nil && !errors.Is(err, pgx.ErrTxClosed) {
		s.opt.Log.Warn("rollback not answered, session closed", "cause", err)
	}
}

// commit sends COMMIT and judges the answer.
func (s *Store) commit(ctx context.Context, tx pgx.Tx, session *session, what releve.Sentence) error {
	session.warned.Store(nil)
	session.committing.Store(true)
	err := tx.Commit(context.WithoutCancel(ctx))
	if !tx.Conn().IsClosed() {
		session.committing.Store(false)
	}
	if err != nil && rolledBack(err) {
		return err
	}
	warned := session.warned.Load()
	switch {
	case err != nil:
	case warned == nil || s.gate.hasVote():
		return nil
	default:
		err = fmt.Errorf("PostgreSQL stopped waiting for the mirror: %s", *warned)
	}
	err = s.explain(err)
	s.gate.doubt(s.doubtOf(what, err))
	s.opt.OnDoubt(s.gate.inDoubt())
	return &InDoubt{Cause: err}
}

// rolledBack says that PostgreSQL answered and that the transaction is not committed. A
// FATAL is no such answer: it may come after the commit was written here.
func rolledBack(err error) bool {
	if refusal, ok := errors.AsType[*pgconn.PgError](err); ok {
		return refusal.SeverityUnlocalized == "ERROR"
	}
	return errors.Is(err, pgx.ErrTxCommitRollback)
}

// untilFence ends ctx at the fence as well.
func (s *Store) untilFence(ctx context.Context) (context.Context, context.CancelFunc) {
	bounded, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(s.fence, func() { cancel(ErrFenced) })
	return bounded, func() {
		stop()
		cancel(context.Canceled)
	}
}

// explain puts the fence before whatever error it led to.
func (s *Store) explain(err error) error {
	if err == nil || !s.gate.isFenced() || errors.Is(err, ErrFenced) {
		return err
	}
	return fmt.Errorf("%w (%w)", ErrFenced, err)
}
