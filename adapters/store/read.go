package store

import (
	"context"
	"fmt"
	"strings"
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

// Bounds of a page of calls. One call alone may be longer.
const (
	callPageRows  = 100
	callPageBytes = 128 << 10
)

// Calls returns the calls looked for that come after a mark, at most so many and no more than a
// page takes.
func (s *Store) Calls(ctx context.Context, q releve.CallQuery, after releve.CallMark, limit int) (releve.CallPage, error) {
	return read(s, ctx, func(ctx context.Context) (releve.CallPage, error) {
		return ReadCalls(ctx, s.pool, s.opt.OwnUser, q, after, limit)
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

// ReadCalls returns the calls of db looked for that come after a mark, at most so many and no
// more than a page takes. ownUser is the site's own user at the PBX, who is no caller.
func ReadCalls(
	ctx context.Context, db Querier, ownUser string, q releve.CallQuery, after releve.CallMark, limit int,
) (releve.CallPage, error) {
	ctx, cancel := limited(ctx)
	defer cancel()
	limit = min(limit, callPageRows)
	sql, args := lookFor(q, after, limit)
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		return releve.CallPage{}, err
	}
	defer rows.Close()
	var page releve.CallPage
	for bytes, read := 0, 0; bytes < callPageBytes && rows.Next(); {
		for _, raw := range rows.RawValues() {
			bytes += len(raw)
		}
		call, place, err := scanCall(rows, ownUser)
		if err != nil {
			return releve.CallPage{}, err
		}
		read++
		page.More = bytes >= callPageBytes || read == limit
		page.Last = releve.CallMark{At: place, Call: call.Call, Seat: call.Seat}
		// By what is shown: not by a number that was stored whole, nor by a second end of a call.
		if strings.HasPrefix(call.From, q.Caller) && (q.Outcome == "" || call.Outcome == q.Outcome) {
			page.Calls = append(page.Calls, call)
		}
	}
	rows.Close()
	return page, rows.Err()
}

// lookFor finds the calls of a page, newest first, and then what is known of those. Where an outcome
// is asked for, a rare one would be looked for among millions of calls: those are found by their
// ends, the latest first.
func lookFor(q releve.CallQuery, after releve.CallMark, limit int) (sql string, args []any) {
	var conditions []string
	ask := func(condition string, values ...any) {
		for _, v := range values {
			args = append(args, v)
			condition = strings.Replace(condition, "?", fmt.Sprintf("$%d", len(args)), 1)
		}
		conditions = append(conditions, condition)
	}
	from, by := "call c", "c"
	if q.Outcome != "" {
		from, by = callsByEnd, "e"
		ask("e.outcome = ?", q.Outcome)
	}
	if !after.At.IsZero() {
		ask(by+".at <= ? AND ("+by+".at, "+by+`.call COLLATE "C", `+by+".seat) < (?, ?, ?)", after.At, after.At, after.Call, after.Seat)
	}
	if !q.From.IsZero() {
		ask("c.at >= ?", q.From)
		ask(by+".at >= ?", q.From)
	}
	if !q.To.IsZero() {
		ask("c.at < ?", q.To)
		ask(by+".at < ?", q.To.Add(lastsMost))
	}
	if q.Caller != "" {
		ask("starts_with(c.caller, ?)", q.Caller)
	}
	if q.Seat != "" {
		ask(by+".seat = ?", string(q.Seat))
	}
	return fmt.Sprintf(`
WITH page AS MATERIALIZED (
	SELECT c.fact_id, %[1]s.at AS place FROM %[2]s WHERE %[3]s
	ORDER BY %[1]s.at DESC, %[1]s.call COLLATE "C" DESC, %[1]s.seat DESC LIMIT %[4]d
)
SELECT call, at, seat, term, caller, overflowed, without_duty, test,
	%[5]s, coalesce(duration_ms, 0), steps, run, chain, coalesce(outcome_detail, ''), place
FROM page JOIN call_record r USING (fact_id)
ORDER BY place DESC, call COLLATE "C" DESC, seat DESC`, by, from, strings.Join(append(conditions, "true"), " AND "), limit, knownOutcome), args
}

// knownOutcome: a call that was cut for its first server, and that another took up, goes on until that one's run is
// over too.
const knownOutcome = `CASE WHEN outcome = 'cut' AND (
		SELECT NOT EXISTS (SELECT FROM run_over o WHERE o.seat = split_part(s.detail, ' ', 1)
			AND (o.run = split_part(s.detail, ' ', 2) OR o.run = '' AND o.by <> split_part(s.detail, ' ', 2) AND o.at > s.at))
		FROM call_step s WHERE s.call = r.call AND s.seat = r.seat AND s.name = '` + releve.StepTakenUp + `'
		ORDER BY s.number DESC, s.at DESC LIMIT 1) THEN '' ELSE coalesce(outcome, '') END`

// callsByEnd are calls with their ends; a Call-ID may come twice, and an end belongs to the call
// that it is the next after.
const callsByEnd = `call_end e CROSS JOIN LATERAL (
		SELECT fact_id, at, caller FROM call WHERE call.call = e.call AND call.seat = e.seat
		ORDER BY call.at > e.at, abs(extract(epoch FROM e.at - call.at)), fact_id LIMIT 1
	) c`

// scanCall reads a call, and its place in the list.
func scanCall(row pgx.CollectableRow, ownUser string) (c releve.Call, place time.Time, err error) {
	c.Stored = true
	var milliseconds int64
	err = row.Scan(&c.Call, &c.At, &c.Seat, &c.Term, &c.From, &c.Overflowed, &c.WithoutDuty, &c.Test,
		&c.Outcome, &milliseconds, &c.Steps, &c.Run, &c.Chain, &c.Detail, &place)
	c.Duration = time.Duration(milliseconds) * time.Millisecond
	// Older versions stored short numbers whole, and took for a test whatever bore the header
	// of one: only the name of the site's own user is nobody's.
	if !c.Test || c.From != ownUser {
		c.From = releve.Masked(c.From)
	}
	return c, place, err
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
