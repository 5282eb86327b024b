package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"releve"
)

// Snapshot is the database as it was at one moment, in a session of its own. It is for
// one goroutine at a time. It is read by index where there is a key, so that what an
// index does not lead to counts as missing.
type Snapshot struct {
	tx     pgx.Tx
	conn   *pgx.Conn
	shapes map[string]shape
}

// prepareSnapshot opens the session; what it shows is settled by take. One processor at
// most is used for it, for calls need the others.
func (c *Cluster) prepareSnapshot(ctx context.Context) (*Snapshot, error) {
	conn, err := c.session(ctx)
	if err != nil {
		return nil, err
	}
	s := &Snapshot{conn: conn, shapes: map[string]shape{}}
	s.tx, err = conn.BeginTx(ctx, pgx.TxOptions{
		IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly,
		BeginQuery: "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL max_parallel_workers_per_gather = 0; " +
			"SET LOCAL enable_seqscan = off",
	})
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// take settles what is seen: the first query does.
func (s *Snapshot) take(ctx context.Context) error {
	var one int
	return s.tx.QueryRow(ctx, "SELECT 1").Scan(&one)
}

// Close ends the session.
func (s *Snapshot) Close() { closeSession(s.conn) }

// Tables are the tables that are mirrored and not PostgreSQL's own, in the order of their
// names, with their estimated numbers of rows.
func (s *Snapshot) Tables(ctx context.Context) (names []string, rows []int64, err error) {
	found, err := s.tx.Query(ctx, `
SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname), greatest(c.reltuples, pg_stat_get_live_tuples(c.oid), 0)::bigint
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
ORDER BY n.nspname, c.relname`)
	if err != nil {
		return nil, nil, err
	}
	var name string
	var n int64
	_, err = pgx.ForEachRow(found, []any{&name, &n}, func() error {
		names, rows = append(names, name), append(rows, n)
		return nil
	})
	return names, rows, err
}

// shape is what a table's rows are made of and found by.
type shape struct {
	columns []string // quoted
	names   []string
	key     []string // expressions over the table "r"
	types   []string // of the key
}

// shapeOf finds a table's columns and key. Without a primary key the row itself is the key,
// by its hash: ours all have one, so it may be slow.
func (s *Snapshot) shapeOf(ctx context.Context, table string) (shape, error) {
	if known, ok := s.shapes[table]; ok {
		return known, nil
	}
	rows, err := s.tx.Query(ctx, `
SELECT a.attname, quote_ident(a.attname), format_type(a.atttypid, a.atttypmod), k.place IS NOT NULL
FROM pg_attribute AS a
LEFT JOIN (SELECT i.indrelid, u.number, u.place FROM pg_index AS i, unnest(i.indkey::int2[]) WITH ORDINALITY AS u(number, place)
           WHERE i.indisprimary) AS k ON k.indrelid = a.attrelid AND k.number = a.attnum
WHERE a.attrelid = $1::text::regclass AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY k.place, a.attnum`, table)
	if err != nil {
		return shape{}, err
	}
	var found shape
	var name, quoted, kind string
	var isKey bool
	_, err = pgx.ForEachRow(rows, []any{&name, &quoted, &kind, &isKey}, func() error {
		found.names, found.columns = append(found.names, name), append(found.columns, "r."+quoted)
		if isKey {
			found.key, found.types = append(found.key, "r."+quoted), append(found.types, kind)
		}
		return nil
	})
	if len(found.key) == 0 {
		found.key, found.types = []string{"hashtextextended((r.*)::text, 0)"}, []string{"bigint"}
	}
	s.shapes[table] = found
	return found, err
}

// row is the key as one value that can be compared.
func (sh shape) row() string { return "(" + strings.Join(sh.key, ", ") + ")" }

// within is the condition for a stretch with its arguments.
func (sh shape) within(part releve.Stretch) (where string, args []any) {
	where = "true"
	bound := func(operator string, key releve.Key) {
		if key == nil {
			return
		}
		values := make([]string, len(key))
		for i, v := range key {
			args = append(args, v)
			values[i] = fmt.Sprintf("$%d::text::%s", len(args), sh.types[i])
		}
		where += fmt.Sprintf(" AND %s %s (%s)", sh.row(), operator, strings.Join(values, ", "))
	}
	bound(">", part.After)
	bound("<=", part.UpTo)
	return where, args
}

// texts are expressions in PostgreSQL's text form.
func texts(expressions []string) string { return strings.Join(expressions, "::text, ") + "::text" }

// ordered is the key in its order, for ORDER BY.
func (sh shape) ordered() string { return strings.Join(sh.key, ", ") }

// Cut divides a stretch into pieces of so many rows, at most so many pieces. When they
// are all, the last one ends where the stretch does.
func (s *Snapshot) Cut(ctx context.Context, part releve.Stretch, rows, most int) ([]releve.Stretch, error) {
	var pieces []releve.Stretch
	for len(pieces) < most {
		end, err := s.keyAfter(ctx, part, rows)
		if err != nil {
			return nil, err
		}
		piece := part
		if end != nil {
			piece.UpTo = end
		}
		pieces = append(pieces, piece)
		if end == nil {
			return pieces, nil
		}
		part.After = end
	}
	return pieces, nil
}

// keyAfter is the key so many rows into a stretch, nil when it has fewer.
func (s *Snapshot) keyAfter(ctx context.Context, part releve.Stretch, rows int) (releve.Key, error) {
	sh, err := s.shapeOf(ctx, part.Table)
	if err != nil {
		return nil, err
	}
	where, args := sh.within(part)
	found, err := s.tx.Query(ctx, fmt.Sprintf(`SELECT ARRAY[%s] FROM ONLY %s AS r WHERE %s ORDER BY %s OFFSET %d LIMIT 1`,
		texts(sh.key), part.Table, where, sh.ordered(), rows-1), args...)
	if err != nil {
		return nil, err
	}
	keys, err := pgx.CollectRows(found, pgx.RowTo[releve.Key])
	if err != nil || len(keys) == 0 {
		return nil, err
	}
	return keys[0], nil
}

// Digest sums a stretch up.
func (s *Snapshot) Digest(ctx context.Context, part releve.Stretch) (d releve.Digest, err error) {
	sh, err := s.shapeOf(ctx, part.Table)
	if err != nil {
		return d, err
	}
	where, args := sh.within(part)
	err = s.tx.QueryRow(ctx, fmt.Sprintf(`
SELECT count(*), coalesce(sum(hash), 0)::text, coalesce(bit_xor(hash), 0)
FROM (SELECT hashtextextended((r.*)::text, 0) AS hash FROM ONLY %s AS r WHERE %s) AS hashes`, part.Table, where), args...).
		Scan(&d.Rows, &d.Sum, &d.Xor)
	return d, err
}

// wide is how many characters of a value are carried and shown; brief is how many of a
// longer one, beside its length and its hash, by which two of them are told apart.
const (
	wide  = 1000
	brief = 100
)

// briefly are expressions in PostgreSQL's text form, cut where that is long.
func briefly(expressions []string) string {
	short := make([]string, len(expressions))
	for i, e := range expressions {
		short[i] = fmt.Sprintf(`CASE WHEN length(%[1]s::text) <= %[2]d THEN %[1]s::text
ELSE left(%[1]s::text, %[3]d) || '… (' || length(%[1]s::text) || ', ' || to_hex(hashtextextended(%[1]s::text, 0)) || ')' END`,
			e, wide, brief)
	}
	return strings.Join(short, ", ")
}

// Rows are the rows of a stretch, at most so many, in the order of their keys. A long value
// stands there by its beginning, its length and its hash.
func (s *Snapshot) Rows(ctx context.Context, part releve.Stretch, most int) ([]releve.KeyedRow, error) {
	sh, err := s.shapeOf(ctx, part.Table)
	if err != nil {
		return nil, err
	}
	where, args := sh.within(part)
	found, err := s.tx.Query(ctx, fmt.Sprintf(`SELECT ARRAY[%s], ARRAY[%s] FROM ONLY %s AS r WHERE %s ORDER BY %s LIMIT %d`,
		texts(sh.key), briefly(sh.columns), part.Table, where, sh.ordered(), most), args...)
	if err != nil {
		return nil, err
	}
	var all []releve.KeyedRow
	var key releve.Key
	var values []*string
	_, err = pgx.ForEachRow(found, []any{&key, &values}, func() error {
		row := releve.Row{}
		for i, name := range sh.names {
			row[name] = values[i]
		}
		all = append(all, releve.KeyedRow{Key: key, Row: row})
		key, values = nil, nil
		return nil
	})
	return all, err
}
