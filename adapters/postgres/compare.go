package postgres

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"releve"
)

// compareLimit bounds a comparison: all tables are read and sorted whole on both sides.
const compareLimit = time.Hour

// Compare lists the rows of the data set aside that the site's database on this machine
// lacks, or has with another content: what is left to do when the log is gone (RULES R11).
// It cannot tell who changed a row, and sees no deletion: a row that only the site has
// may as well be new there.
func (a *Aside) Compare(ctx context.Context) ([]releve.RowChange, error) {
	c := comparison{}
	err := a.own.inDatabase(ctx, compareLimit, func(ctx context.Context, ours *pgx.Conn) error {
		return a.site.inDatabase(ctx, compareLimit, func(ctx context.Context, theirs *pgx.Conn) error {
			return c.all(ctx, ours, theirs)
		})
	})
	if err != nil {
		return nil, fmt.Errorf("the data in %s cannot be compared with the site's: %w", a.name, err)
	}
	return c.changes, nil
}

// comparison walks through both sides of each table at once, in the order of its key.
type comparison struct{ changes []releve.RowChange }

func (c *comparison) all(ctx context.Context, ours, theirs *pgx.Conn) error {
	keys, err := primaryKeys(ctx, ours)
	if err != nil {
		return err
	}
	there, err := primaryKeys(ctx, theirs)
	if err != nil {
		return err
	}
	for _, table := range slices.Sorted(maps.Keys(keys)) {
		if !slices.Equal(keys[table], there[table]) {
			return fmt.Errorf("table %s has the key %v here and %v in the site", table, keys[table], there[table])
		}
		if err := c.table(ctx, ours, theirs, table, keys[table]); err != nil {
			return fmt.Errorf("table %s: %w", table, err)
		}
	}
	return nil
}

func (c *comparison) table(ctx context.Context, ours, theirs *pgx.Conn, name string, key []string) error {
	a, err := openWalk(ctx, ours, name, key)
	if err != nil {
		return err
	}
	defer a.rows.Close()
	b, err := openWalk(ctx, theirs, name, key)
	if err != nil {
		return err
	}
	defer b.rows.Close()
	b.next()
	for a.next() {
		for b.row != nil && slices.Compare(b.key, a.key) < 0 {
			b.next()
		}
		if err := c.weigh(name, key, a, b); err != nil {
			return err
		}
	}
	if err := a.rows.Err(); err != nil {
		return err
	}
	return b.rows.Err()
}

// weigh notes a row that the other side has not, or not so. Columns that only one side
// has come from a newer version of the tables, and say nothing.
func (c *comparison) weigh(table string, key []string, a, b *walk) error {
	change := releve.RowChange{Table: table, Key: releve.Row{}, Op: releve.RowInserted, After: a.row}
	if b.row != nil && slices.Equal(a.key, b.key) {
		if agree(a.row, b.row) {
			return nil
		}
		change.Op = releve.RowUpdated
	}
	if len(c.changes) == loneMost {
		return releve.Known(fmt.Sprintf("more than %d rows differ", loneMost), "cause-too-many", "most", fmt.Sprint(loneMost))
	}
	for _, column := range key {
		change.Key[column] = a.row[column]
	}
	c.changes = append(c.changes, change)
	return nil
}

func agree(a, b releve.Row) bool {
	for column, v := range a {
		if w, shared := b[column]; shared && !sameText(v, w) {
			return false
		}
	}
	return true
}

// walk is one side of a table.
type walk struct {
	rows    pgx.Rows
	columns []string
	keyed   []string
	row     releve.Row // nil at the end
	key     []string
}

// openWalk sorts by the bytes of the key's text, the one order that both databases and
// this program share.
func openWalk(ctx context.Context, conn *pgx.Conn, table string, key []string) (*walk, error) {
	order := make([]string, len(key))
	for i, column := range key {
		order[i] = pgx.Identifier{column}.Sanitize() + `::text COLLATE "C"`
	}
	query := "SELECT * FROM " + pgx.Identifier{table}.Sanitize() + " ORDER BY " + strings.Join(order, ", ")
	rows, err := conn.Query(ctx, query, pgx.QueryResultFormats{pgx.TextFormatCode})
	if err != nil {
		return nil, err
	}
	w := &walk{rows: rows, keyed: key}
	for _, f := range rows.FieldDescriptions() {
		w.columns = append(w.columns, f.Name)
	}
	return w, nil
}

func (w *walk) next() bool {
	w.row = nil
	if !w.rows.Next() {
		return false
	}
	w.row, w.key = releve.Row{}, make([]string, len(w.keyed))
	for i, raw := range w.rows.RawValues() {
		w.row[w.columns[i]] = nil
		if raw != nil {
			text := string(raw)
			w.row[w.columns[i]] = &text
		}
	}
	for i, column := range w.keyed {
		w.key[i] = *w.row[column] // no column of a primary key is NULL
	}
	return true
}
