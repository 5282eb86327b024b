package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"releve"
)

// neverRight is before all sites: what bears an earlier time was dated by a clock that had
// lost it, and how old it is nobody knows. It is kept.
var neverRight = time.Date(2024, time.January, 1, 0, 0, 0, 0, time.UTC)

// forgetCalls deletes the oldest calls that began before $1 and not before $2, $3 at most, with
// their steps and ends. A Call-ID may come twice: what belongs to a call that stays, stays.
const forgetCalls = `
WITH old AS MATERIALIZED (
	SELECT fact_id, call, seat FROM call WHERE at < $1 AND at >= $2 ORDER BY at LIMIT $3
), theirs AS MATERIALIZED (
	SELECT DISTINCT call, seat FROM old
), steps AS (
	DELETE FROM call_step s USING theirs o WHERE s.call = o.call AND s.seat = o.seat
	AND NOT EXISTS (SELECT FROM call c WHERE c.call = s.call AND c.seat = s.seat AND c.at >= $1 AND c.at <= s.at)
), ends AS (
	DELETE FROM call_end e USING theirs o WHERE e.call = o.call AND e.seat = o.seat
	AND NOT EXISTS (SELECT FROM call c WHERE c.call = e.call AND c.seat = e.seat AND c.at >= $1 AND c.at <= e.at)
)
DELETE FROM call USING old WHERE call.fact_id = old.fact_id`

// forgetAside deletes what was set aside with what somebody's call said: records that the
// database refused, and the rows of salvages that were decided about.
var forgetAside = []string{
	`DELETE FROM refused WHERE at < $1 AND at >= $2`,
	`DELETE FROM salvage_change USING salvage s
	 WHERE salvage_change.salvage = s.id AND s.state <> 'open' AND coalesce(s.decided_at, s.at) < $1 AND s.at >= $2`,
}

// Forget deletes, in one transaction, the oldest calls that began before a moment, most at most,
// and what was set aside before it (SPEC C8). It returns how many records they were.
func (s *Store) Forget(ctx context.Context, before time.Time, most int) (records int, err error) {
	err = s.Write(ctx, func(tx pgx.Tx) error {
		done, err := tx.Exec(ctx, forgetCalls, before, neverRight, most)
		if err != nil {
			return err
		}
		records = int(done.RowsAffected())
		for _, sql := range forgetAside {
			if done, err = tx.Exec(ctx, sql, before, neverRight); err != nil {
				return err
			}
			records += int(done.RowsAffected())
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return records, nil
}

// oldest is of what [Store.Forget] would delete.
const oldest = `
SELECT least(
	(SELECT min(at) FROM call WHERE at >= $1),
	(SELECT min(at) FROM refused WHERE at >= $1),
	(SELECT min(coalesce(decided_at, at)) FROM salvage s WHERE state <> 'open' AND at >= $1
		AND EXISTS (SELECT FROM salvage_change c WHERE c.salvage = s.id)))`

// Oldest is of when the oldest record is that has its time; zero: there is none.
func (s *Store) Oldest(ctx context.Context) (at time.Time, err error) {
	return read(s, ctx, func(ctx context.Context) (time.Time, error) {
		var at *time.Time
		if err := s.pool.QueryRow(ctx, oldest, neverRight).Scan(&at); err != nil || at == nil {
			return time.Time{}, err
		}
		return *at, nil
	})
}

// Forget is [Store.Forget] of the store of the term.
func (r *Records) Forget(ctx context.Context, before time.Time, most int) (records int, err error) {
	s := r.current()
	if s == nil {
		return 0, ErrFenced
	}
	return s.Forget(ctx, before, most)
}

// Oldest is [Store.Oldest] of the store of the term.
func (r *Records) Oldest(ctx context.Context) (time.Time, error) {
	s := r.current()
	if s == nil {
		return time.Time{}, ErrFenced
	}
	ctx, cancel := context.WithTimeout(ctx, callsLimit)
	defer cancel()
	return s.Oldest(ctx)
}

// KeepSince has the stores that are opened from now on know since when records are kept; zero:
// all are.
func (r *Records) KeepSince(since func() time.Time) { r.keptSince = since }

// forgotten are the tables whose rows have their time, from the column "at" on.
var forgotten = map[string]bool{"call": true, "call_step": true, "call_end": true, "refused": true}

// clocksApart is by how much servers may differ in what they have forgotten.
const clocksApart = 24 * time.Hour

// spare finds, among changes of one table, those that nobody need decide about: a deletion of a
// row whose time is over is what the site does by itself, and a row that was forgotten here is
// not brought back because the other still had it.
func (t table) spare(ctx context.Context, tx pgx.Tx, since time.Time, changes []*releve.SalvageChange) error {
	if since.IsZero() || !forgotten[t.name] {
		return nil
	}
	var some []*releve.SalvageChange
	var times []string
	for _, c := range changes {
		if at := onlyRow(c)["at"]; at != nil && (c.Class == releve.SalvageNew || c.Class == releve.SalvageConflict) {
			some, times = append(some, c), append(times, *at)
		}
	}
	rows, err := tx.Query(ctx, `
SELECT n FROM unnest($1::text[]) WITH ORDINALITY AS k(at, n) WHERE at::timestamptz < $2`, times, since.Add(clocksApart))
	if err != nil {
		return err
	}
	past, err := pgx.CollectRows(rows, pgx.RowTo[int])
	for _, n := range past {
		some[n-1].Class = releve.SalvageAlready
	}
	return err
}

// onlyRow is the row that one of two has, where the other has none; nil where both have one.
func onlyRow(c *releve.SalvageChange) releve.Row {
	switch {
	case c.After == nil:
		return c.Theirs
	case c.Theirs == nil:
		return c.After
	}
	return nil
}
