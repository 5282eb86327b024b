package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"releve"
)

// countLimit bounds a count: a month of a large site is read whole for it.
const countLimit = time.Minute

// lastsMost is longer than a call lasts: its end is looked for so long after it came.
const lastsMost = 24 * time.Hour

// countCalls counts by the periods that begin at each time of $1, the last of which ends the
// last: the calls of each outcome, and of a crowd as many as its row stands for. Ends are looked
// for until $2.
const countCalls = `
WITH c AS (
	SELECT width_bucket(at, $1::timestamptz[]) AS period, call, seat, answered_ms,
		coalesce(nullif(chain, ''), fact_id) AS caller
	FROM call WHERE at >= ($1::timestamptz[])[1] AND at < ($1::timestamptz[])[cardinality($1::timestamptz[])] AND NOT test
), e AS (
	SELECT DISTINCT ON (call, seat) call, seat, outcome,
		CASE WHEN outcome = 'crowd' AND detail ~ '^[0-9]{1,9}$' THEN detail::int ELSE 1 END AS calls
	FROM call_end WHERE at >= ($1::timestamptz[])[1] AND at < $2 ORDER BY call, seat, at
)
SELECT period, coalesce(outcome, ''), grouping(outcome) = 1,
	coalesce(sum(coalesce(e.calls, 1)), 0)::bigint,
	count(DISTINCT caller) + coalesce(sum(e.calls - 1), 0)::bigint,
	coalesce(percentile_disc(0.5) WITHIN GROUP (ORDER BY answered_ms) FILTER (WHERE answered_ms > 0), 0),
	coalesce(percentile_disc(0.95) WITHIN GROUP (ORDER BY answered_ms) FILTER (WHERE answered_ms > 0), 0)
FROM c LEFT JOIN e USING (call, seat)
GROUP BY GROUPING SETS ((period), (period, outcome))
ORDER BY period, 3 DESC`

// CountCalls counts the calls of each period: the first begins at the first of the times, each ends
// where the next begins, and the last time ends the last. Where a Call-ID came twice within that
// time, both have the end of the first.
func CountCalls(ctx context.Context, db Querier, times []time.Time) ([]releve.CallCount, error) {
	ctx, cancel := context.WithTimeout(ctx, countLimit)
	defer cancel()
	all := make([]releve.CallCount, len(times)-1)
	for i := range all {
		all[i] = releve.CallCount{From: times[i], To: times[i+1], Outcomes: map[string]int{}}
	}
	rows, err := db.Query(ctx, countCalls, times, times[len(times)-1].Add(lastsMost))
	if err != nil {
		return nil, err
	}
	var period int
	var outcome string
	var whole bool
	var calls, callers, median, most int64
	_, err = pgx.ForEachRow(rows, []any{&period, &outcome, &whole, &calls, &callers, &median, &most}, func() error {
		c := &all[period-1]
		if !whole {
			c.Outcomes[outcome] = int(calls)
			return nil
		}
		c.Calls, c.Callers = int(calls), int(callers)
		c.Median, c.Most = time.Duration(median)*time.Millisecond, time.Duration(most)*time.Millisecond
		return nil
	})
	return all, err
}

// Count is [CountCalls] of the local database, whatever this server's duty. One is counted at a
// time: each may read millions of rows.
func (r *Records) Count(ctx context.Context, times []time.Time) ([]releve.CallCount, error) {
	select {
	case r.counts <- struct{}{}:
		defer func() { <-r.counts }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	return localRead(ctx, r, func(ctx context.Context, db Querier) ([]releve.CallCount, error) {
		return CountCalls(ctx, db, times)
	})
}
