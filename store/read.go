package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"releve/view"
)

// readLimit bounds a read whose caller set no limit: a waiting TRUNCATE hangs
// plain readers, and a call may be behind this one (R8).
const readLimit = 5 * time.Second

// Querier is what reads need: a pool, a connection or a transaction, on the
// owner or, read-only, on the mirror.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// Extension is somebody the attendant can put a caller through to.
type Extension struct {
	Number string
	Name   string
}

// Counts are how many rows the database has, test calls included.
type Counts struct {
	Promotions int64
	Calls      int64
	Steps      int64
	Ends       int64
	Refused    int64 // records refused for their own fault
	Gaps       int64 // ranges of sequences that no record bore
}

// Calls returns the last calls, newest first.
func (s *Store) Calls(ctx context.Context, limit int) ([]view.Call, error) {
	return read(s, ctx, func(ctx context.Context) ([]view.Call, error) { return ReadCalls(ctx, s.pool, limit) })
}

// Directory returns the extensions in the order of their numbers.
func (s *Store) Directory(ctx context.Context) ([]Extension, error) {
	return read(s, ctx, func(ctx context.Context) ([]Extension, error) { return ReadDirectory(ctx, s.pool) })
}

// Counts returns how many rows there are.
func (s *Store) Counts(ctx context.Context) (Counts, error) {
	return read(s, ctx, func(ctx context.Context) (Counts, error) { return ReadCounts(ctx, s.pool) })
}

// read ends a read at the fence.
func read[T any](s *Store, ctx context.Context, query func(context.Context) (T, error)) (T, error) {
	ctx, cancel := s.untilFence(ctx)
	defer cancel()
	v, err := query(ctx)
	return v, s.explain(err)
}

// limited gives a read the limit that its caller did not.
func limited(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, readLimit)
}

// ReadCalls returns the last calls that q has, newest first.
func ReadCalls(ctx context.Context, q Querier, limit int) ([]view.Call, error) {
	return list(ctx, q, func(row pgx.CollectableRow) (view.Call, error) {
		c := view.Call{Stored: true}
		var milliseconds int64
		err := row.Scan(&c.Call, &c.At, &c.Seat, &c.Term, &c.From, &c.Overflowed, &c.WithoutDuty, &c.Test,
			&c.Outcome, &milliseconds, &c.Steps)
		c.Duration = time.Duration(milliseconds) * time.Millisecond
		return c, err
	}, `SELECT call, at, seat, term, caller, overflowed, without_duty, test,
		coalesce(outcome, ''), coalesce(duration_ms, 0), steps
		FROM call_record ORDER BY at DESC LIMIT $1`, limit)
}

// ReadDirectory returns the extensions that q has, in the order of their numbers.
func ReadDirectory(ctx context.Context, q Querier) ([]Extension, error) {
	return list(ctx, q, pgx.RowToStructByPos[Extension], `SELECT number, name FROM extension ORDER BY number`)
}

// ReadCounts returns how many rows q has.
func ReadCounts(ctx context.Context, q Querier) (Counts, error) {
	all, err := list(ctx, q, pgx.RowToStructByPos[Counts], `SELECT
		(SELECT count(*) FROM promotion), (SELECT count(*) FROM call), (SELECT count(*) FROM call_step),
		(SELECT count(*) FROM call_end), (SELECT count(*) FROM refused), (SELECT count(*) FROM spool_gap)`)
	if err != nil {
		return Counts{}, err
	}
	return all[0], nil
}

// list runs a query under a limit and collects its rows.
func list[T any](ctx context.Context, q Querier, scan pgx.RowToFunc[T], sql string, args ...any) ([]T, error) {
	ctx, cancel := limited(ctx)
	defer cancel()
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scan)
}

// ReplaceDirectory makes the extensions given the whole directory.
func (s *Store) ReplaceDirectory(ctx context.Context, extensions []Extension) error {
	return s.Write(ctx, func(tx pgx.Tx) error {
		batch := new(pgx.Batch)
		batch.Queue(`DELETE FROM extension`)
		for _, e := range extensions {
			batch.Queue(`INSERT INTO extension (number, name) VALUES ($1, $2)`, e.Number, e.Name)
		}
		return tx.SendBatch(ctx, batch).Close()
	})
}
