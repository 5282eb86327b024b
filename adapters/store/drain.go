package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"releve"
)

// Drained is what became of the records of one Drain.
type Drained struct {
	UpTo    uint64 // the spool's acknowledged position
	New     int    // facts stored now
	Already int    // facts that were stored before
	Refused int    // records set aside for their own fault
	Missing int    // sequences between records that nobody bore
}

// PositionAhead says that the database has counted over records of this spool that it
// does not have: the spool's file was put back from an older copy. Its facts need
// a new incarnation (R14).
type PositionAhead struct {
	Position uint64 // the database's
	Unknown  int    // records at or below it that are not stored
}

func (p *PositionAhead) Error() string {
	return fmt.Sprintf("store: the position of this spool is %d, and %d records below it are not stored: "+
		"renew the spool, then drain again", p.Position, p.Unknown)
}

// Drain stores the records of a spool, in ascending order of sequence, in one transaction
// that also advances the spool's position (R14). Records at or below the position are
// skipped. It always writes a row, so its acknowledged commit settles earlier ones in
// doubt, and a Drain of no records is how to ask for the position.
// A record refused for its own fault goes to the table refused and stops nothing.
func (s *Store) Drain(ctx context.Context, seat releve.Seat, incarnation string, records []releve.SpoolRecord) (Drained, error) {
	for i := 1; i < len(records); i++ {
		if records[i].Sequence <= records[i-1].Sequence {
			return Drained{}, fmt.Errorf("store: record %d comes after record %d of the same spool",
				records[i].Sequence, records[i-1].Sequence)
		}
	}
	before, _ := s.gate.doubts()
	var d drain
	err := s.write(ctx, doubtfulRecords(seat, incarnation, records), func(tx pgx.Tx) error {
		d = drain{ctx: ctx, tx: tx, seat: seat, incarnation: incarnation}
		return d.run(records)
	})
	if err != nil {
		return Drained{}, err
	}
	if _, open := s.gate.doubts(); open > 0 {
		s.gate.settle(before)
		s.opt.OnDoubt(s.gate.inDoubt())
	}
	if d.Refused > 0 || d.Missing > 0 {
		s.opt.Log.Warn("spool drained with records refused or missing",
			"seat", seat, "incarnation", incarnation, "new", d.New, "already", d.Already,
			"refused", d.Refused, "missing", d.Missing)
	}
	if len(d.stored) > 0 {
		s.opt.OnStored(d.stored)
	}
	return d.Drained, nil
}

// drain is one transaction of a Drain.
type drain struct {
	Drained
	ctx         context.Context
	tx          pgx.Tx
	seat        releve.Seat
	incarnation string
	stored      []releve.Fact
}

func (d *drain) run(records []releve.SpoolRecord) error {
	position, err := d.lockPosition()
	if err != nil {
		return err
	}
	d.UpTo = position
	known := 0
	for known < len(records) && records[known].Sequence <= position {
		known++
	}
	if err := d.skip(records[:known]); err != nil {
		return err
	}
	if err := d.noteGaps(records[known:]); err != nil {
		return err
	}
	if err := d.store(records[known:]); err != nil {
		return err
	}
	_, err = d.tx.Exec(d.ctx, `UPDATE spool_position SET sequence = $3, at = clock_timestamp()
		WHERE seat = $1 AND incarnation = $2`, d.seat, d.incarnation, int64(d.UpTo))
	return err
}

// lockPosition makes drains of one spool take turns. A transaction in doubt whose
// backend still lives holds the lock, so it is settled before we read.
func (d *drain) lockPosition() (uint64, error) {
	batch := new(pgx.Batch)
	batch.Queue(`INSERT INTO spool_position (seat, incarnation, sequence) VALUES ($1, $2, 0)
		ON CONFLICT DO NOTHING`, d.seat, d.incarnation)
	var position int64
	batch.Queue(`SELECT sequence FROM spool_position WHERE seat = $1 AND incarnation = $2 FOR UPDATE`, d.seat, d.incarnation).
		QueryRow(func(row pgx.Row) error { return row.Scan(&position) })
	err := d.tx.SendBatch(d.ctx, batch).Close()
	return uint64(position), err
}

// skip passes over records at or below the position, once it has seen that they are
// stored or refused: a spool put back from an older copy gives old numbers to new facts.
func (d *drain) skip(records []releve.SpoolRecord) error {
	if len(records) == 0 {
		return nil
	}
	rows, err := d.whereabouts(records)
	if err != nil {
		return err
	}
	var stored, refused bool
	place, unknown := 0, 0
	_, err = pgx.ForEachRow(rows, []any{&stored, &refused}, func() error {
		switch {
		case stored:
			d.Already++
			d.stored = append(d.stored, records[place].Fact)
		case refused:
			d.Refused++
		default:
			unknown++
		}
		place++
		return nil
	})
	if err == nil && unknown > 0 {
		err = &PositionAhead{Position: d.UpTo, Unknown: unknown}
	}
	return err
}

// whereabouts asks, for each record, whether its fact is stored and whether it was refused.
func (d *drain) whereabouts(records []releve.SpoolRecord) (pgx.Rows, error) {
	ids, sequences := make([]string, len(records)), make([]int64, len(records))
	for i, r := range records {
		ids[i], sequences[i] = clean(string(r.Fact.ID)), int64(r.Sequence)
	}
	return d.tx.Query(d.ctx, `SELECT
		EXISTS (SELECT FROM call WHERE fact_id = id) OR EXISTS (SELECT FROM call_step WHERE fact_id = id)
			OR EXISTS (SELECT FROM call_end WHERE fact_id = id) OR EXISTS (SELECT FROM run_over WHERE fact_id = id),
		EXISTS (SELECT FROM refused r WHERE r.seat = $1 AND r.incarnation = $2 AND r.sequence = given.sequence)
		FROM unnest($3::text[], $4::bigint[]) WITH ORDINALITY given (id, sequence, place) ORDER BY place`,
		d.seat, d.incarnation, ids, sequences)
}

// clean makes text that PostgreSQL takes of any bytes.
func clean(s string) string { return strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "?") }

// noteGaps lists sequences that are missing and moves the position to the last.
func (d *drain) noteGaps(records []releve.SpoolRecord) error {
	for _, r := range records {
		if first := d.UpTo + 1; r.Sequence > first {
			d.Missing += int(r.Sequence - first)
			_, err := d.tx.Exec(d.ctx, `INSERT INTO spool_gap (seat, incarnation, first, last) VALUES ($1, $2, $3, $4)`,
				d.seat, d.incarnation, int64(first), int64(r.Sequence-1))
			if err != nil {
				return err
			}
		}
		d.UpTo = r.Sequence
	}
	return nil
}

// store inserts facts, many at a time. When one is refused, those before it are
// inserted again without it, and the rest follows.
func (d *drain) store(records []releve.SpoolRecord) error {
	for len(records) > 0 {
		bad, cause, err := d.insert(records)
		if err != nil || cause == nil {
			return err
		}
		if err := d.store(records[:bad]); err != nil {
			return err
		}
		if err := d.refuse(records[bad], cause); err != nil {
			return err
		}
		records = records[bad+1:]
	}
	return nil
}

// insert stores records behind a savepoint, or none of them: then bad is the
// first that is at fault itself, and cause its fault.
func (d *drain) insert(records []releve.SpoolRecord) (bad int, cause, err error) {
	batch := new(pgx.Batch)
	batch.Queue("SAVEPOINT facts")
	for i, r := range records {
		sql, args, fault := statement(r.Fact)
		if fault != nil {
			return i, fault, nil
		}
		batch.Queue(sql, args...)
	}
	batch.Queue("RELEASE SAVEPOINT facts")
	stored, err := runBatch(d.tx.SendBatch(d.ctx, batch), len(records))
	if err == nil {
		d.count(records, stored)
		return 0, nil, nil
	}
	fault, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || !rolledBack(err) || itsOwn(fault.Code) || len(stored) == len(records) {
		return 0, nil, err
	}
	if _, err := d.tx.Exec(d.ctx, "ROLLBACK TO SAVEPOINT facts"); err != nil {
		return 0, nil, err
	}
	if err := d.takesOrdinary(records[len(stored)].Fact.Kind); err != nil {
		return 0, nil, fmt.Errorf("%w; nor is an ordinary fact taken: %w", fault, err)
	}
	return len(stored), fault, nil
}

// takesOrdinary stores an ordinary fact of a kind and takes it back: where that works, it is
// the record that was at fault and not the database.
func (d *drain) takesOrdinary(kind releve.FactKind) error {
	sql, args, err := statement(releve.Fact{ID: releve.NewFactID(), Kind: kind, Call: "ordinary",
		Seat: releve.Main, At: time.Now(), Body: json.RawMessage("{}")})
	if err != nil {
		return err
	}
	batch := new(pgx.Batch)
	batch.Queue("SAVEPOINT ordinary")
	batch.Queue(sql, args...)
	batch.Queue("ROLLBACK TO SAVEPOINT ordinary")
	return d.tx.SendBatch(d.ctx, batch).Close()
}

// runBatch returns, for each record before the first failure, whether it was new.
func runBatch(results pgx.BatchResults, records int) (stored []bool, err error) {
	defer func() { err = errors.Join(err, results.Close()) }()
	if _, err := results.Exec(); err != nil {
		return nil, err
	}
	for range records {
		tag, err := results.Exec()
		if err != nil {
			return stored, err
		}
		stored = append(stored, tag.RowsAffected() == 1)
	}
	_, err = results.Exec()
	return stored, err
}

func (d *drain) count(records []releve.SpoolRecord, isNew []bool) {
	for i, r := range records {
		if isNew[i] {
			d.New++
		} else {
			d.Already++
		}
		d.stored = append(d.stored, r.Fact)
	}
}

// itsOwn says that a SQLSTATE blames the database or the moment and never a record, which then
// waits: connection, transaction state, rollback, resources, object state, intervention,
// system error (classes 08, 25, 40, 53, 55, 57, 58) and damage (XX001, XX002).
func itsOwn(code string) bool {
	switch code[:min(2, len(code))] {
	case "", "08", "25", "40", "53", "55", "57", "58":
		return true
	}
	return code == "XX001" || code == "XX002"
}

// refuse sets a record aside, whole.
func (d *drain) refuse(r releve.SpoolRecord, cause error) error {
	code := "undecodable"
	if fault, ok := errors.AsType[*pgconn.PgError](cause); ok {
		code = fault.Code
	}
	whole, err := json.Marshal(r.Fact)
	if err != nil {
		whole = r.Fact.Body // no JSON: then it is all that the spool had
	}
	d.Refused++
	_, err = d.tx.Exec(d.ctx, `INSERT INTO refused (seat, incarnation, sequence, record, code, reason)
		VALUES ($1, $2, $3, $4, $5, $6)`, d.seat, d.incarnation, int64(r.Sequence), whole, code,
		clean(cause.Error()))
	return err
}
