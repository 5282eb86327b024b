package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"releve"
)

// readLimit bounds a read whose caller set no limit: a waiting TRUNCATE hangs
// plain readers, and a call may be behind this one (R8).
const readLimit = 5 * time.Second

// Querier is what reads need: a pool, a connection or a transaction, on the
// owner or, read-only, on the mirror.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// CallMark is a place in the list of calls: the last one that was read. Zero is before the
// newest.
type CallMark struct {
	At   time.Time
	Call releve.CallID
	Seat releve.Seat
}

// CallPage is a piece of the list of calls, newest first.
type CallPage struct {
	Calls []releve.Call
	More  bool // there may be older ones, after the last
}

// Bounds of a page of calls. One call alone may be longer.
const (
	callPageRows  = 100
	callPageBytes = 128 << 10
)

// Calls returns the calls that come after a mark, at most so many and no more than a page
// takes.
func (s *Store) Calls(ctx context.Context, after CallMark, limit int) (CallPage, error) {
	return read(s, ctx, func(ctx context.Context) (CallPage, error) {
		return ReadCalls(ctx, s.pool, s.opt.OwnUser, after, limit)
	})
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

// ReadCalls returns the calls of q that come after a mark, at most so many and no more than
// a page takes. ownUser is the site's own user at the PBX, who is no caller.
func ReadCalls(ctx context.Context, q Querier, ownUser string, after CallMark, limit int) (CallPage, error) {
	ctx, cancel := limited(ctx)
	defer cancel()
	limit = min(limit, callPageRows)
	var from any
	if !after.At.IsZero() {
		from = after.At
	}
	rows, err := q.Query(ctx, `SELECT call, at, seat, term, caller, overflowed, without_duty, test,
		coalesce(outcome, ''), coalesce(duration_ms, 0), steps, run, chain,
		coalesce(outcome_detail, '')
		FROM call_record
		WHERE $1::timestamptz IS NULL OR at <= $1 AND (at, call COLLATE "C", seat) < ($1, $2, $3)
		ORDER BY at DESC, call COLLATE "C" DESC, seat DESC LIMIT $4`, from, after.Call, after.Seat, limit)
	if err != nil {
		return CallPage{}, err
	}
	defer rows.Close()
	var page CallPage
	for bytes := 0; bytes < callPageBytes && rows.Next(); {
		for _, raw := range rows.RawValues() {
			bytes += len(raw)
		}
		call, err := scanCall(rows, ownUser)
		if err != nil {
			return CallPage{}, err
		}
		page.Calls = append(page.Calls, call)
		page.More = bytes >= callPageBytes || len(page.Calls) == limit
	}
	rows.Close()
	return page, rows.Err()
}

func scanCall(row pgx.Rows, ownUser string) (releve.Call, error) {
	c := releve.Call{Stored: true}
	var milliseconds int64
	err := row.Scan(&c.Call, &c.At, &c.Seat, &c.Term, &c.From, &c.Overflowed, &c.WithoutDuty, &c.Test,
		&c.Outcome, &milliseconds, &c.Steps, &c.Run, &c.Chain, &c.Detail)
	c.Duration = time.Duration(milliseconds) * time.Millisecond
	// Older versions stored short numbers whole, and took for a test whatever bore the header
	// of one: only the name of the site's own user is nobody's.
	if !c.Test || c.From != ownUser {
		c.From = releve.Masked(c.From)
	}
	return c, err
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
