package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"releve"
)

// bookkeeping are the tables that a server keeps about itself. Their lone rows are shown and
// never applied: another's promotion would forbid the owner its own term, and another's
// spool position would skip facts that are not here (RULES R10, R14).
var bookkeeping = map[string]bool{
	"promotion": true, "spool_position": true, "goose_db_version": true, "salvage": true, "salvage_change": true,
}

// KeepSalvage stores a salvage with its rows, each judged against what the site has now,
// and gives it a number. Storing the same directory again changes nothing.
func (s *Store) KeepSalvage(ctx context.Context, found releve.Salvage) (kept releve.Salvage, err error) {
	err = s.Write(ctx, func(tx pgx.Tx) error {
		// A new version of a row that is there: seeing it would not prove that it is mirrored (R7).
		id, there, err := keptBefore(ctx, tx, found)
		if err != nil {
			return err
		}
		if !there {
			if id, err = s.insertSalvage(ctx, tx, found); err != nil {
				return err
			}
		}
		kept, err = readSalvage(ctx, tx, id)
		return err
	})
	return kept, err
}

func keptBefore(ctx context.Context, tx pgx.Tx, found releve.Salvage) (id int64, there bool, err error) {
	if _, err := tx.Exec(ctx, `LOCK TABLE salvage IN SHARE ROW EXCLUSIVE MODE`); err != nil {
		return 0, false, err
	}
	err = tx.QueryRow(ctx, `UPDATE salvage SET at = at WHERE seat = $1 AND directory = $2 RETURNING id`,
		found.Seat, found.Directory).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, false, nil
	}
	return id, err == nil, err
}

func (s *Store) insertSalvage(ctx context.Context, tx pgx.Tx, found releve.Salvage) (id int64, err error) {
	if _, err := s.judge(ctx, tx, found.Changes, false); err != nil {
		return 0, err
	}
	state := releve.SalvageSettled
	for _, c := range found.Changes {
		if c.Class == releve.SalvageNew || c.Class == releve.SalvageConflict {
			state = releve.SalvageOpen
		}
	}
	err = tx.QueryRow(ctx, `
		INSERT INTO salvage (id, seat, directory, term, timeline, fork, method, why, commits, transactions, state)
		SELECT coalesce(max(id), 0) + 1, $1, $2, $3, $4, $5::text::pg_lsn, $6, $7, $8, $9, $10 FROM salvage RETURNING id`,
		found.Seat, found.Directory, int64(found.Term), int64(found.Timeline), found.Fork.String(), found.Method, found.Why,
		found.Commits, found.Transactions, state).Scan(&id)
	if err != nil {
		return 0, err
	}
	return id, insertChanges(ctx, tx, id, found.Changes)
}

func insertChanges(ctx context.Context, tx pgx.Tx, id int64, changes []releve.SalvageChange) error {
	columns := []string{"salvage", "number", "relation", "key", "op",
		"before", "known", "after", "times", "at", "class", "theirs"}
	_, err := tx.CopyFrom(ctx, pgx.Identifier{"salvage_change"}, columns,
		pgx.CopyFromSlice(len(changes), func(i int) ([]any, error) {
			c := changes[i]
			var at any
			if !c.At.IsZero() {
				at = c.At
			}
			return []any{
				id, c.Number, c.Table, c.Key, string(c.Op), orNull(c.Before), c.Known, orNull(c.After), c.Times,
				at, string(c.Class), orNull(c.Theirs),
			}, nil
		}))
	return err
}

// SalvageChoice is how a salvage is applied.
type SalvageChoice struct {
	DryRun  bool // judge, say what would be done, and change nothing
	Replace bool // rows in conflict too: the site's row gives way to the salvaged one
}

// errRehearsed rolls a dry run back.
var errRehearsed = errors.New("dry run")

// ApplySalvage applies, in one transaction, the rows of a salvage that are new to the site
// as it is now, and those in conflict where the choice says so. Rows applied before are
// passed over, so that twice is once. A salvage that was discarded may still be applied.
func (s *Store) ApplySalvage(ctx context.Context, id int64, choice SalvageChoice) (after releve.Salvage, err error) {
	err = s.Write(ctx, func(tx pgx.Tx) error {
		if err := lockSalvage(ctx, tx, id); err != nil {
			return err
		}
		if err := s.applyRows(ctx, tx, id, choice); err != nil {
			return err
		}
		if err := decide(ctx, tx, id, releve.SalvageApplied); err != nil {
			return err
		}
		if after, err = readSalvage(ctx, tx, id); err == nil && choice.DryRun {
			err = errRehearsed
		}
		return err
	})
	if errors.Is(err, errRehearsed) {
		err = nil
	}
	return after, err
}

// DiscardSalvage records that a salvage is not to be applied. Its rows stay readable for as long
// as records are kept, and the data directory that they were found in stays.
func (s *Store) DiscardSalvage(ctx context.Context, id int64) (after releve.Salvage, err error) {
	err = s.Write(ctx, func(tx pgx.Tx) error {
		if err := lockSalvage(ctx, tx, id); err != nil {
			return err
		}
		var applied bool
		err := tx.QueryRow(ctx,
			`SELECT EXISTS (SELECT FROM salvage_change WHERE salvage = $1 AND applied_at IS NOT NULL)`, id).Scan(&applied)
		if err != nil {
			return err
		}
		if applied {
			return releve.ErrSalvageDecided
		}
		if err := decide(ctx, tx, id, releve.SalvageDiscarded); err != nil {
			return err
		}
		after, err = readSalvage(ctx, tx, id)
		return err
	})
	return after, err
}

// lockSalvage lets one decision after the other be taken.
func lockSalvage(ctx context.Context, tx pgx.Tx, id int64) error {
	err := tx.QueryRow(ctx, `SELECT id FROM salvage WHERE id = $1 FOR UPDATE`, id).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("%w (%d)", releve.ErrNoSalvage, id)
	}
	return err
}

// decide writes the row again even when it says so already: its commit settles an earlier one
// in doubt (R7).
func decide(ctx context.Context, tx pgx.Tx, id int64, state releve.SalvageState) error {
	_, err := tx.Exec(ctx,
		`UPDATE salvage SET state = $2, decided_at = CASE WHEN state = $2 THEN decided_at ELSE now() END WHERE id = $1`,
		id, state)
	return err
}

// Salvages returns every salvage without its rows, newest first.
func (s *Store) Salvages(ctx context.Context) ([]releve.Salvage, error) {
	return read(s, ctx, func(ctx context.Context) ([]releve.Salvage, error) { return ReadSalvages(ctx, s.pool) })
}

// Salvage returns one with at most so many of its rows.
func (s *Store) Salvage(ctx context.Context, id int64, limit int) (releve.Salvage, error) {
	return read(s, ctx, func(ctx context.Context) (releve.Salvage, error) { return ReadSalvage(ctx, s.pool, id, limit) })
}

const salvageQuery = `SELECT id, seat, directory, term, timeline, fork::text, method, why, commits, transactions, at, state,
	decided_at,
	coalesce(n.same, 0), coalesce(n.already, 0), coalesce(n.conflict, 0), coalesce(n.new, 0),
	coalesce(n.bookkeeping, 0), coalesce(n.applied, 0)
	FROM salvage LEFT JOIN LATERAL (
		SELECT count(*) FILTER (WHERE class = 'same') AS same, count(*) FILTER (WHERE class = 'already') AS already,
		       count(*) FILTER (WHERE class = 'conflict') AS conflict, count(*) FILTER (WHERE class = 'new') AS new,
		       count(*) FILTER (WHERE class = 'bookkeeping') AS bookkeeping, count(applied_at) AS applied
		FROM salvage_change WHERE salvage_change.salvage = salvage.id
	) AS n ON true `

// ReadSalvages returns every salvage that q has, without its rows, newest first.
func ReadSalvages(ctx context.Context, q Querier) ([]releve.Salvage, error) {
	return list(ctx, q, scanSalvage, salvageQuery+`ORDER BY id DESC`)
}

// ReadSalvage returns one with at most so many of its rows.
func ReadSalvage(ctx context.Context, q Querier, id int64, limit int) (releve.Salvage, error) {
	found, err := readSalvage(ctx, q, id)
	if err != nil {
		return releve.Salvage{}, err
	}
	found.Changes, err = list(ctx, q, scanChange, changeQuery+`WHERE salvage = $1 ORDER BY number LIMIT $2`, id, limit)
	return found, err
}

func readSalvage(ctx context.Context, q Querier, id int64) (releve.Salvage, error) {
	found, err := list(ctx, q, scanSalvage, salvageQuery+`WHERE id = $1`, id)
	switch {
	case err != nil:
		return releve.Salvage{}, err
	case len(found) == 0:
		return releve.Salvage{}, fmt.Errorf("%w (%d)", releve.ErrNoSalvage, id)
	}
	return found[0], nil
}

func scanSalvage(row pgx.CollectableRow) (v releve.Salvage, err error) {
	var fork string
	var decided *time.Time
	n := &v.Counts
	err = row.Scan(&v.ID, &v.Seat, &v.Directory, &v.Term, &v.Timeline, &fork, &v.Method, &v.Why, &v.Commits, &v.Transactions,
		&v.At, &v.State, &decided, &n.Same, &n.Already, &n.Conflict, &n.New, &n.Bookkeeping, &n.Applied)
	if err != nil {
		return v, err
	}
	v.DecidedAt = orZero(decided)
	v.Fork, err = releve.ParseLSN(fork)
	return v, err
}

const changeQuery = `SELECT number, relation, key, op, before, known, after, times, at, class, theirs, applied_at
	FROM salvage_change `

func scanChange(row pgx.CollectableRow) (c releve.SalvageChange, err error) {
	var at, applied *time.Time
	err = row.Scan(&c.Number, &c.Table, &c.Key, &c.Op, &c.Before,
		&c.Known, &c.After, &c.Times, &at, &c.Class, &c.Theirs, &applied)
	c.At, c.AppliedAt = orZero(at), orZero(applied)
	return c, err
}

// orNull and orZero carry what may be absent between Go and the database.
func orNull(row releve.Row) any {
	if row == nil {
		return nil
	}
	return row
}

func orZero(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}
