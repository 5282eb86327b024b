package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"releve"
)

// Lone rows are of any table, later ones included, so they are compared and applied by
// what PostgreSQL's catalogue says. All values are in its text form, as the log gave them.

// classify says how a lone row stands to what the site has under its key.
func classify(c releve.SalvageChange, theirs releve.Row) releve.SalvageClass {
	switch {
	case bookkeeping[c.Table]:
		return releve.SalvageBookkeeping
	case c.Known && alike(c.Before, c.After):
		return releve.SalvageSame
	case alike(c.After, theirs):
		return releve.SalvageAlready
	case c.Known && alike(c.Before, theirs):
		return releve.SalvageNew
	}
	return releve.SalvageConflict
}

// alike compares two rows in the columns of the first, or finds that there is neither.
func alike(row, other releve.Row) bool {
	if row == nil || other == nil {
		return row == nil && other == nil
	}
	for column, v := range row {
		if w, there := other[column]; !there || !sameText(v, w) {
			return false
		}
	}
	return true
}

func sameText(a, b *string) bool { return a == b || a != nil && b != nil && *a == *b }

// judge looks each row up and classifies it, and returns the tables that it found. lock
// keeps the site's rows as they are until the transaction ends.
func (s *Store) judge(ctx context.Context, tx pgx.Tx, changes []releve.SalvageChange, lock bool) (map[string]table, error) {
	byTable := map[string][]*releve.SalvageChange{}
	for i := range changes {
		byTable[changes[i].Table] = append(byTable[changes[i].Table], &changes[i])
	}
	tables := map[string]table{}
	for _, name := range slices.Sorted(maps.Keys(byTable)) {
		t, err := describe(ctx, tx, name)
		if err != nil {
			return nil, err
		}
		tables[name] = t
		for some := range slices.Chunk(byTable[name], lookUpMost) {
			err := t.judge(ctx, tx, some, lock)
			if err == nil {
				err = t.spare(ctx, tx, s.opt.KeptSince(), some)
			}
			if err != nil {
				return nil, fmt.Errorf("table %s: %w", name, err)
			}
		}
	}
	return tables, nil
}

// lookUpMost is how many rows one query asks for.
const lookUpMost = 1000

// table is what the catalogue says of one; types is empty when there is none.
type table struct {
	name  string
	types map[string]string // of each column, as SQL writes it
	key   []string          // columns of the primary key, in the order of their names
}

func describe(ctx context.Context, tx pgx.Tx, name string) (table, error) {
	t := table{name: name, types: map[string]string{}}
	rows, err := tx.Query(ctx, `
SELECT a.attname::text, format_type(a.atttypid, a.atttypmod), coalesce(a.attnum = ANY (i.indkey::int2[]), false)
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_index AS i ON i.indrelid = c.oid AND i.indisprimary
WHERE c.relname = $1 AND c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')`, name)
	if err != nil {
		return t, err
	}
	var column, kind string
	var keyed bool
	_, err = pgx.ForEachRow(rows, []any{&column, &kind, &keyed}, func() error {
		t.types[column] = kind
		if keyed {
			t.key = append(t.key, column)
		}
		return nil
	})
	slices.Sort(t.key)
	return t, err
}

func (t table) judge(ctx context.Context, tx pgx.Tx, changes []*releve.SalvageChange, lock bool) error {
	known := slices.DeleteFunc(slices.Clone(changes), func(c *releve.SalvageChange) bool { return !t.takes(*c) })
	theirs, err := t.lookUp(ctx, tx, known, lock)
	if err != nil {
		return err
	}
	for _, c := range changes {
		c.Theirs = theirs[t.identify(c.Key)]
		c.Class = classify(*c, c.Theirs)
		if c.Class == releve.SalvageNew && !t.takes(*c) {
			c.Class = releve.SalvageConflict
		}
	}
	return nil
}

// takes says whether a row can be found and applied here. One of an older version of the
// tables may have had another key, a column more, or a table that is gone.
func (t table) takes(c releve.SalvageChange) bool {
	for column := range c.After {
		if t.types[column] == "" {
			return false
		}
	}
	return len(t.key) > 0 && slices.Equal(slices.Sorted(maps.Keys(c.Key)), t.key)
}

func (t table) identify(row releve.Row) string {
	var name strings.Builder
	for _, column := range t.key {
		name.WriteByte(0) // in no text of PostgreSQL
		if v := row[column]; v != nil {
			name.WriteString(*v)
		}
	}
	return name.String()
}

// lookUp finds the site's rows under the keys of changes.
func (t table) lookUp(ctx context.Context, tx pgx.Tx, changes []*releve.SalvageChange, lock bool) (map[string]releve.Row, error) {
	found := map[string]releve.Row{}
	if len(changes) == 0 {
		return found, nil
	}
	columns := slices.Sorted(maps.Keys(t.types))
	rows, err := tx.Query(ctx, t.lookUpQuery(columns, lock), t.lookUpArgs(changes)...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		row := releve.Row{}
		for i, raw := range rows.RawValues() {
			row[columns[i]] = nil
			if raw != nil {
				text := string(raw)
				row[columns[i]] = &text
			}
		}
		found[t.identify(row)] = row
	}
	return found, rows.Err()
}

// lookUpQuery takes an array of texts for each column of the key.
func (t table) lookUpQuery(columns []string, lock bool) string {
	var arrays, names, values []string
	for i, column := range t.key {
		arrays = append(arrays, fmt.Sprintf("$%d::text[]", i+1))
		names = append(names, fmt.Sprintf("k%d", i))
		values = append(values, fmt.Sprintf("k%d::%s", i, t.types[column]))
	}
	query := fmt.Sprintf("SELECT %s FROM %s WHERE (%s) IN (SELECT %s FROM unnest(%s) AS k(%s))",
		quoted(columns...), quoted(t.name), quoted(t.key...),
		strings.Join(values, ", "), strings.Join(arrays, ", "), strings.Join(names, ", "))
	if lock {
		query += " FOR UPDATE"
	}
	return query
}

func (t table) lookUpArgs(changes []*releve.SalvageChange) []any {
	args := []any{pgx.QueryResultFormats{pgx.TextFormatCode}}
	for _, column := range t.key {
		values := make([]*string, len(changes))
		for i, c := range changes {
			values[i] = c.Key[column]
		}
		args = append(args, values)
	}
	return args
}

// statement makes the site's row what the salvage says it became.
func (t table) statement(c releve.SalvageChange) (sql string, args []any) {
	columns := slices.Sorted(maps.Keys(c.After))
	values := make([]string, len(columns))
	for i, column := range columns {
		args = append(args, c.After[column])
		values[i] = fmt.Sprintf("$%d::text::%s", i+1, t.types[column])
	}
	if c.After != nil && c.Theirs == nil {
		return fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s) ON CONFLICT DO NOTHING",
			quoted(t.name), quoted(columns...), strings.Join(values, ", ")), args
	}
	var where []string
	for _, column := range t.key {
		args = append(args, c.Key[column])
		where = append(where, fmt.Sprintf("%s = $%d::text::%s", quoted(column), len(args), t.types[column]))
	}
	condition := strings.Join(where, " AND ")
	if c.After == nil {
		return fmt.Sprintf("DELETE FROM %s WHERE %s", quoted(t.name), condition), args
	}
	return fmt.Sprintf("UPDATE %s SET (%s) = ROW(%s) WHERE %s",
		quoted(t.name), quoted(columns...), strings.Join(values, ", "), condition), args
}

func quoted(names ...string) string {
	all := make([]string, len(names))
	for i, name := range names {
		all[i] = pgx.Identifier{name}.Sanitize()
	}
	return strings.Join(all, ", ")
}

// errMoved says that a row was written while it was being applied.
var errMoved = releve.Known("the site's rows changed meanwhile: run it again", "cause-moved")

// applyMost is how many rows of a salvage are held and applied at a time.
const applyMost = 1000

// applyRows judges and applies all rows of a salvage that were not applied before.
func (s *Store) applyRows(ctx context.Context, tx pgx.Tx, id int64, choice SalvageChoice) error {
	for after := 0; ; {
		rows, err := tx.Query(ctx,
			changeQuery+`WHERE salvage = $1 AND applied_at IS NULL AND number > $2 ORDER BY number LIMIT $3`,
			id, after, applyMost)
		if err != nil {
			return err
		}
		changes, err := pgx.CollectRows(rows, scanChange)
		if err != nil || len(changes) == 0 {
			return err
		}
		after = changes[len(changes)-1].Number
		tables, err := s.judge(ctx, tx, changes, true)
		if err != nil {
			return err
		}
		batch := new(pgx.Batch)
		for _, c := range changes {
			chosen := tables[c.Table].takes(c) &&
				(c.Class == releve.SalvageNew || c.Class == releve.SalvageConflict && choice.Replace)
			if chosen {
				sql, args := tables[c.Table].statement(c)
				batch.Queue(sql, args...).Exec(oneRow)
			}
			batch.Queue(`UPDATE salvage_change SET class = $3, theirs = $4, applied_at = CASE WHEN $5 THEN now() END
				WHERE salvage = $1 AND number = $2`, id, c.Number, c.Class, orNull(c.Theirs), chosen)
		}
		if err := tx.SendBatch(ctx, batch).Close(); err != nil {
			return err
		}
	}
}

// oneRow refuses a statement that did nothing: the row came or went since it was judged.
func oneRow(done pgconn.CommandTag) error {
	if done.RowsAffected() != 1 {
		return errMoved
	}
	return nil
}
