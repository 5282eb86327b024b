package postgres

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"

	"releve"
)

// ErrNotDecoded is returned when a log cannot be read as transactions from the fork on:
// its slot is gone, or lost its log, or came too late. Rows can still be compared (R11).
var ErrNotDecoded = releve.Known("the log cannot be read as transactions", "cause-not-decoded")

// loneMost bounds the changes of one salvage, which are held in memory: a busy site
// makes as many in a month without a mirror.
const loneMost = 1_000_000

// one asks for one row in the site's database of the data set aside.
func (a *Aside) one(ctx context.Context, into []any, query string, args ...any) error {
	return a.own.inDatabase(ctx, changeLimit, func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, query, args...).Scan(into...)
	})
}

// Decode reads the transactions that committed from the fork on, in the order of their
// commits. DDL and sequences are not in them (manual §31.4).
func (a *Aside) Decode(ctx context.Context, fork releve.LSN) ([]releve.LoneTransaction, error) {
	if err := a.reachesBack(ctx, fork); err != nil {
		return nil, err
	}
	var found []releve.LoneTransaction
	err := a.own.inDatabase(ctx, advanceLimit, func(ctx context.Context, conn *pgx.Conn) error {
		keys, err := primaryKeys(ctx, conn)
		if err != nil {
			return err
		}
		d := decoder{fork: fork, keys: keys, relations: map[uint32]*pglogrepl.RelationMessage{}}
		found, err = d.read(ctx, conn)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotDecoded, err)
	}
	return found, nil
}

// slotFault is why the slot of a salvage does not help.
func slotFault(code, why string) error {
	return releve.Explained(ErrNotDecoded,
		fmt.Sprintf("%v: the slot %s %s", ErrNotDecoded, salvageSlot, why),
		code, "slot", salvageSlot)
}

// reachesBack refuses a slot that begins after the fork: transactions would be missing
// and nobody would know.
func (a *Aside) reachesBack(ctx context.Context, fork releve.LSN) error {
	var status string
	var confirmed lsnText
	err := a.own.ask(ctx, askLimit, []any{&status, &confirmed}, `
SELECT coalesce(wal_status, ''), confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = $1`, salvageSlot)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return slotFault("cause-slot-gone", "is gone")
	case err != nil:
		return err
	case status == "lost":
		return slotFault("cause-slot-lost", "lost its log")
	case releve.LSN(confirmed) > fork:
		return slotFault("cause-slot-late", fmt.Sprintf("begins at %s, after the fork at %s", releve.LSN(confirmed), fork))
	}
	return nil
}

// primaryKeys are the columns of each table's primary key.
func primaryKeys(ctx context.Context, conn *pgx.Conn) (map[string][]string, error) {
	rows, err := conn.Query(ctx, `
SELECT c.relname::text, array_agg(a.attname::text ORDER BY k.place)
FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indrelid
CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k(number, place)
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = k.number
WHERE i.indisprimary AND c.relnamespace = 'public'::regnamespace GROUP BY c.relname`)
	if err != nil {
		return nil, err
	}
	keys := map[string][]string{}
	var table string
	var columns []string
	_, err = pgx.ForEachRow(rows, []any{&table, &columns}, func() error {
		keys[table] = slices.Clone(columns)
		return nil
	})
	return keys, err
}

// decoder turns the messages of pgoutput into transactions (manual §55.5, §55.9).
type decoder struct {
	fork      releve.LSN
	keys      map[string][]string
	relations map[uint32]*pglogrepl.RelationMessage
	found     []releve.LoneTransaction
	changes   int
	lone      bool // the transaction that is being read is beyond the fork
}

// read peeks, so that the slot stays where it is and the log can be read again.
func (d *decoder) read(ctx context.Context, conn *pgx.Conn) ([]releve.LoneTransaction, error) {
	rows, err := conn.Query(ctx, `
SELECT data FROM pg_logical_slot_peek_binary_changes($1, NULL, NULL, 'proto_version', '1', 'publication_names', $2)`,
		salvageSlot, salvageSlot)
	if err != nil {
		return nil, err
	}
	var data []byte
	_, err = pgx.ForEachRow(rows, []any{&data}, func() error {
		message, err := pglogrepl.Parse(data)
		if err != nil {
			return err
		}
		return d.take(message)
	})
	return d.found, err
}

func (d *decoder) take(message pglogrepl.Message) error {
	switch m := message.(type) {
	case *pglogrepl.RelationMessage:
		d.relations[m.RelationID] = m
	case *pglogrepl.BeginMessage:
		// The slot's position is saved at checkpoints only, so it repeats older transactions.
		d.lone = releve.LSN(m.FinalLSN) >= d.fork
		if d.lone {
			d.found = append(d.found, releve.LoneTransaction{Commit: releve.LSN(m.FinalLSN), At: m.CommitTime.UTC()})
		}
	case *pglogrepl.InsertMessage:
		return d.insert(m)
	case *pglogrepl.UpdateMessage:
		return d.update(m)
	case *pglogrepl.DeleteMessage:
		return d.delete(m)
	case *pglogrepl.TruncateMessage:
		if d.lone {
			return releve.Known("a table was emptied as a whole (TRUNCATE), which names no rows", "cause-truncated")
		}
	}
	return nil
}

func (d *decoder) insert(m *pglogrepl.InsertMessage) error {
	r, err := d.relation(m.RelationID)
	if err != nil {
		return err
	}
	after := r.row(m.Tuple, nil)
	return d.add(releve.RowChange{Table: r.RelationName, Key: r.keyOf(after), Op: releve.RowInserted, After: after})
}

func (d *decoder) update(m *pglogrepl.UpdateMessage) error {
	r, err := d.relation(m.RelationID)
	if err != nil {
		return err
	}
	key, before := r.old(m.OldTuple, m.OldTupleType)
	after := r.row(m.NewTuple, before)
	change := releve.RowChange{Table: r.RelationName, Key: r.keyOf(after), Op: releve.RowUpdated, Before: before, After: after}
	if key == nil || maps.EqualFunc(key, change.Key, sameText) {
		return d.add(change)
	}
	err = d.add(releve.RowChange{Table: r.RelationName, Key: key, Op: releve.RowDeleted, Before: before})
	if err != nil {
		return err
	}
	change.Op, change.Before = releve.RowInserted, nil
	return d.add(change)
}

func (d *decoder) delete(m *pglogrepl.DeleteMessage) error {
	r, err := d.relation(m.RelationID)
	if err != nil {
		return err
	}
	key, before := r.old(m.OldTuple, m.OldTupleType)
	return d.add(releve.RowChange{Table: r.RelationName, Key: key, Op: releve.RowDeleted, Before: before})
}

func (d *decoder) add(c releve.RowChange) error {
	if !d.lone {
		return nil
	}
	if d.changes++; d.changes > loneMost {
		return releve.Known(fmt.Sprintf("there are more than %d changes", loneMost),
			"cause-too-many", "most", fmt.Sprint(loneMost))
	}
	last := &d.found[len(d.found)-1]
	last.Changes = append(last.Changes, c)
	return nil
}

// relation is a table as the message before described it, with its key.
type relation struct {
	*pglogrepl.RelationMessage
	key []string
}

func (d *decoder) relation(id uint32) (relation, error) {
	m, ok := d.relations[id]
	if !ok {
		return relation{}, fmt.Errorf("a change of table %d comes before its description", id)
	}
	return relation{m, d.keys[m.RelationName]}, nil
}

// row reads a whole row. A long value that an update left as it was is not sent again: it is
// taken from the row before, and left out where that is not known.
func (r relation) row(tuple *pglogrepl.TupleData, before releve.Row) releve.Row {
	row := releve.Row{}
	for i, v := range tuple.Columns {
		name := r.Columns[i].Name
		switch v.DataType {
		case pglogrepl.TupleDataTypeText:
			text := string(v.Data)
			row[name] = &text
		case pglogrepl.TupleDataTypeNull:
			row[name] = nil
		case pglogrepl.TupleDataTypeToast:
			if old, known := before[name]; known {
				row[name] = old
			}
		}
	}
	return row
}

// old reads what a message says of the row before: nothing, its key, or all.
func (r relation) old(tuple *pglogrepl.TupleData, kind uint8) (key, before releve.Row) {
	if tuple == nil {
		return nil, nil
	}
	row := r.row(tuple, nil)
	if kind == pglogrepl.UpdateMessageTupleTypeOld {
		before = row
	}
	return r.keyOf(row), before
}

func (r relation) keyOf(row releve.Row) releve.Row {
	if len(r.key) == 0 {
		return row
	}
	key := releve.Row{}
	for _, column := range r.key {
		key[column] = row[column]
	}
	return key
}

func sameText(a, b *string) bool { return a == b || a != nil && b != nil && *a == *b }
