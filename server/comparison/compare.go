package comparison

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"releve"
)

// list finds out what there is to compare.
func (r *run) list(ctx context.Context) error {
	s, err := r.Owner.SnapshotAt(ctx, 0)
	if err != nil {
		return err
	}
	defer s.Close()
	tables, rows, err := s.Tables(ctx)
	r.tables = tables
	for _, n := range rows {
		r.total += n
	}
	return err
}

// comparePromotions: timeline numbers lie (RULES R10). Two servers that were promoted
// apart are of one timeline's number, perhaps even of one fork, and the mirror streams as
// if nothing were.
func (r *run) comparePromotions(ctx context.Context) (releve.Sentence, error) {
	own, err := r.Owner.Lineage(ctx)
	if err != nil {
		return releve.Sentence{}, err
	}
	theirs, err := r.Mirror.Lineage(ctx)
	if err != nil {
		return releve.Sentence{}, err
	}
	if own != theirs {
		r.find(r.say("difference-lineage", "own", own, "theirs", theirs))
	}
	if slices.Contains(r.tables, promotions) {
		err = r.compare(ctx, []releve.Stretch{{Table: promotions}})
	}
	if r.Differences > 0 {
		r.find(r.say("difference-promoted-apart", "lineage", own))
	}
	return releve.Say("found-lineage", "lineage", own), err
}

func (r *run) compareTables(ctx context.Context) (releve.Sentence, error) {
	for _, table := range r.tables {
		if table == promotions {
			continue
		}
		if err := r.compareTable(ctx, releve.Stretch{Table: table}); err != nil {
			return releve.Sentence{}, err
		}
	}
	return releve.Say("found-rows", "rows", fmt.Sprint(r.Rows), "tables", fmt.Sprint(len(r.tables))), nil
}

// compareTable goes through a table, and after each batch rests as long as that took.
func (r *run) compareTable(ctx context.Context, rest releve.Stretch) error {
	for {
		began := time.Now()
		pieces, err := r.cut(ctx, rest, chunk, batch)
		if err != nil {
			return err
		}
		if err := r.compare(ctx, pieces); err != nil {
			return err
		}
		r.progress(r.Rows, r.total, "rows")
		if rest.After = pieces[len(pieces)-1].UpTo; rest.After == nil {
			return nil
		}
		if err := pause(ctx, min(time.Since(began), rested)); err != nil {
			return err
		}
	}
}

func (r *run) cut(ctx context.Context, part releve.Stretch, rows, most int) ([]releve.Stretch, error) {
	s, err := r.Owner.SnapshotAt(ctx, 0)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	return s.Cut(ctx, part, rows, most)
}

// compare compares pieces at one position, and looks into those that differ.
func (r *run) compare(ctx context.Context, pieces []releve.Stretch) error {
	questions := make([]Question, len(pieces))
	for i, p := range pieces {
		questions[i].Stretch = p
	}
	pairs, err := r.meet(ctx, questions)
	if err != nil {
		return err
	}
	for i, p := range pairs {
		r.Rows += p.own.Digest.Rows
		if p.own.Digest == p.theirs.Digest {
			continue
		}
		if err := r.lookInto(ctx, pieces[i], p); err != nil {
			return err
		}
	}
	return nil
}

// lookInto names what differs in a piece. What was written anew since it was seen
// to differ cannot be named any more, and was a difference all the same.
func (r *run) lookInto(ctx context.Context, part releve.Stretch, seen pair) error {
	before, rows := r.Differences, r.Rows
	if before < named {
		if err := r.narrow(ctx, part, seen); err != nil {
			return err
		}
	}
	if r.Differences == before {
		r.find(r.say("difference-gone", "table", part.Table, "from", text(part.After), "to", text(part.UpTo)))
	}
	r.Rows = rows // each row counts once
	return nil
}

func (r *run) narrow(ctx context.Context, part releve.Stretch, seen pair) error {
	own, theirs := seen.own.Digest.Rows, seen.theirs.Digest.Rows
	switch {
	case own > finest:
		return r.divide(ctx, part, own, theirs)
	case theirs >= wholeMost:
		r.findCounts(part, own, theirs)
		return nil
	}
	pairs, err := r.meet(ctx, []Question{{Stretch: part, Whole: true}})
	if err != nil {
		return err
	}
	r.compareRows(part, pairs[0])
	return nil
}

// divide goes on with so many smaller pieces, down to the finest ones. Rows without a key
// that are all the same cannot be divided.
func (r *run) divide(ctx context.Context, part releve.Stretch, own, theirs int64) error {
	for rest := part; ; {
		pieces, err := r.cut(ctx, rest, max(int(own/finest), finest), 2*finest)
		if err != nil {
			return err
		}
		if slices.Equal(pieces[0].UpTo, part.UpTo) && slices.Equal(pieces[0].After, part.After) {
			r.findCounts(part, own, theirs)
			return nil
		}
		if err := r.compare(ctx, pieces); err != nil {
			return err
		}
		if rest.After = pieces[len(pieces)-1].UpTo; slices.Equal(rest.After, part.UpTo) {
			return nil
		}
	}
}

func (r *run) findCounts(part releve.Stretch, own, theirs int64) {
	r.find(r.say("difference-rows", "table", part.Table, "from", text(part.After), "to", text(part.UpTo),
		"own", fmt.Sprint(own), "theirs", fmt.Sprint(theirs)))
}

// compareRows names the rows that one side lacks, and the columns that differ.
func (r *run) compareRows(part releve.Stretch, p pair) {
	if len(p.own.Rows) == wholeMost || len(p.theirs.Rows) == wholeMost {
		r.findCounts(part, int64(len(p.own.Rows)), int64(len(p.theirs.Rows)))
		return
	}
	own, theirs := byKey(p.own.Rows), byKey(p.theirs.Rows)
	for _, key := range slices.Sorted(maps.Keys(own)) {
		if _, there := theirs[key]; !there {
			r.find(releve.Say("difference-missing", "table", part.Table, "key", key, "seat", string(r.Seat.Other())))
			continue
		}
		r.compareRow(part.Table, key, own[key], theirs[key])
	}
	for _, key := range slices.Sorted(maps.Keys(theirs)) {
		if _, there := own[key]; !there {
			r.find(releve.Say("difference-missing", "table", part.Table, "key", key, "seat", string(r.Seat)))
		}
	}
}

func (r *run) compareRow(table, key string, own, theirs []releve.Row) {
	if len(own) != len(theirs) { // rows without a key, that are the same
		r.find(r.say("difference-copies", "table", table, "key", key,
			"own", fmt.Sprint(len(own)), "theirs", fmt.Sprint(len(theirs))))
		return
	}
	for _, column := range slices.Sorted(maps.Keys(own[0])) {
		if a, b := value(own[0][column]), value(theirs[0][column]); a != b {
			r.find(r.say("difference-column", "table", table, "key", key, "column", column, "own", a, "theirs", b))
		}
	}
}

func byKey(rows []releve.KeyedRow) map[string][]releve.Row {
	all := map[string][]releve.Row{}
	for _, row := range rows {
		all[text(row.Key)] = append(all[text(row.Key)], row.Row)
	}
	return all
}

// text is a key as a person reads it, "" for an open end.
func text(k releve.Key) string { return strings.Join(k, ", ") }

// value is what a column holds, as a person reads it.
func value(v *string) string {
	if v == nil {
		return "NULL"
	}
	return fmt.Sprintf("%q", *v)
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
