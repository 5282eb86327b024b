package store_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"releve"
	"releve/adapters/store"
)

// row makes a row of pairs of column and text; "NULL" is NULL.
func row(pairs ...string) releve.Row {
	r := releve.Row{}
	for i := 0; i+1 < len(pairs); i += 2 {
		text := &pairs[i+1]
		if *text == "NULL" {
			text = nil
		}
		r[pairs[i]] = text
	}
	return r
}

func extension(number, name string) releve.Row { return row("number", number, "name", name) }

// lone is a salvage of rows, numbered.
func lone(changes ...releve.SalvageChange) releve.Salvage {
	for i := range changes {
		changes[i].Number, changes[i].Times = i+1, 1
		changes[i].At = time.Date(2026, 11, 24, 3, 0, i, 0, time.UTC)
	}
	return releve.Salvage{
		Seat: releve.Main, Directory: "data.aside-20261124T030000.000Z", Term: 4, Timeline: 1, Fork: 0x3000148,
		Method: releve.SalvageDecoded, Commits: len(changes), Transactions: len(changes), Changes: changes,
	}
}

func inserted(table string, key, after releve.Row) releve.SalvageChange {
	return releve.SalvageChange{Table: table, Key: key, Op: releve.RowInserted, Known: true, After: after}
}

func updated(before, after releve.Row) releve.SalvageChange {
	return releve.SalvageChange{
		Table: "extension", Key: row("number", *after["number"]),
		Op: releve.RowUpdated, Known: before != nil, Before: before, After: after,
	}
}

func deleted(before releve.Row) releve.SalvageChange {
	return releve.SalvageChange{Table: "extension", Key: row("number", *before["number"]),
		Op: releve.RowDeleted, Known: true, Before: before}
}

// directory is what the site's extensions are, as "number=name" in their order.
func directory(t *testing.T, s *store.Store) string {
	t.Helper()
	var all string
	must(t, s.Write(within(t), func(tx pgx.Tx) error {
		return tx.QueryRow(within(t), "SELECT string_agg(number || '=' || name, ' ' ORDER BY number) FROM extension").Scan(&all)
	}))
	return all
}

// direct makes these, by number, the site's extensions.
func direct(t *testing.T, s *store.Store, extensions map[string]string) {
	t.Helper()
	must(t, s.Write(within(t), func(tx pgx.Tx) error {
		_, err := tx.Exec(within(t), "DELETE FROM extension")
		for number, name := range extensions {
			_, inserted := tx.Exec(within(t), "INSERT INTO extension (number, name) VALUES ($1, $2)", number, name)
			err = errors.Join(err, inserted)
		}
		return err
	}))
}

// A directory that both servers changed after they parted, and how each change stands.
func parted(t *testing.T) (*store.Store, releve.Salvage) {
	p := newSite(t, alone)
	s := p.open()
	direct(t, s, map[string]string{
		"201": "as before", "202": "changed here too", "203": "as salvaged",
		"205": "as before", "206": "changed here", "208": "other",
		"209": "unchanged",
	})
	found := lone(
		updated(extension("201", "as before"), extension("201", "night")),
		updated(extension("202", "as before"), extension("202", "night")),
		updated(extension("203", "as before"), extension("203", "as salvaged")),
		updated(extension("204", "as before"), extension("204", "night")), // gone from the site
		deleted(extension("205", "as before")),
		deleted(extension("206", "as before")),
		inserted("extension", row("number", "207"), extension("207", "new")),
		inserted("extension", row("number", "208"), extension("208", "new")),
		updated(extension("209", "unchanged"), extension("209", "unchanged")),
		deleted(extension("210", "gone on both")),
		inserted("promotion", row("id", "p"), row("id", "p", "term", "99", "seat", "main", "at", "2026-11-24 03:00:00+00")),
		inserted("of_another_version", row("id", "1"), row("id", "1")),
		updated(nil, extension("201", "not known what it was")),
	)
	return s, found
}

const partedClasses = "new conflict already conflict new conflict new conflict same already bookkeeping conflict conflict"

func classes(v releve.Salvage) string {
	var all []string
	for _, c := range v.Changes {
		all = append(all, string(c.Class))
	}
	return strings.Join(all, " ")
}

func TestEachLoneRowIsJudgedAgainstWhatTheSiteHas(t *testing.T) {
	s, found := parted(t)
	kept, err := s.KeepSalvage(within(t), found)
	must(t, err)
	want := releve.SalvageCounts{Same: 1, Already: 2, Conflict: 6, New: 3, Bookkeeping: 1}
	if kept.ID != 1 || kept.State != releve.SalvageOpen || kept.Counts != want ||
		!kept.Agree() || kept.Fork != 0x3000148 || kept.Term != 4 {
		t.Errorf("kept: %+v", kept)
	}
	shown, err := s.Salvage(within(t), kept.ID, 100)
	must(t, err)
	if got := classes(shown); got != partedClasses {
		t.Errorf("classes:\n%s, expected\n%s", got, partedClasses)
	}
	conflict := shown.Changes[1]
	if *conflict.Theirs["name"] != "changed here too" ||
		*conflict.Before["name"] != "as before" || *conflict.After["name"] != "night" ||
		!conflict.At.Equal(time.Date(2026, 11, 24, 3, 0, 1, 0, time.UTC)) {
		t.Errorf("the conflict is shown as %+v", conflict)
	}
	again, err := s.KeepSalvage(within(t), found)
	must(t, err)
	all, err := s.Salvages(within(t))
	must(t, err)
	if again.ID != kept.ID || len(all) != 1 {
		t.Errorf("stored again as %d, there are %d", again.ID, len(all))
	}
	two, err := s.Salvage(within(t), kept.ID, 2)
	must(t, err)
	if len(two.Changes) != 2 || two.Counts != want {
		t.Errorf("two rows of it: %d rows, counts %+v", len(two.Changes), two.Counts)
	}
}

func TestApplyingIsForesaidDoneOnceAndNeverUndone(t *testing.T) {
	s, found := parted(t)
	before := directory(t, s)
	kept, err := s.KeepSalvage(within(t), found)
	must(t, err)

	rehearsed, err := s.ApplySalvage(within(t), kept.ID, store.SalvageChoice{DryRun: true})
	must(t, err)
	if rehearsed.Counts.Applied != 3 || directory(t, s) != before {
		t.Errorf("rehearsed: %+v; the directory is %s", rehearsed, directory(t, s))
	}
	if open, err := s.Salvage(within(t), kept.ID, 1); err != nil || open.State != releve.SalvageOpen || open.Counts.Applied != 0 {
		t.Errorf("after the rehearsal: %+v (%v)", open, err)
	}

	applied, err := s.ApplySalvage(within(t), kept.ID, store.SalvageChoice{})
	must(t, err)
	want := "201=night 202=changed here too 203=as salvaged 206=changed here 207=new 208=other 209=unchanged"
	if got := directory(t, s); got != want || applied.Counts.Applied != 3 ||
		applied.State != releve.SalvageApplied || applied.DecidedAt.IsZero() {
		t.Errorf("applied: %+v; the directory is\n%s, expected\n%s", applied, got, want)
	}

	direct(t, s, map[string]string{"201": "as before", "202": "changed again", "208": "other"})
	before = directory(t, s)
	twice, err := s.ApplySalvage(within(t), kept.ID, store.SalvageChoice{})
	must(t, err)
	if got := directory(t, s); got != before || twice.Counts.Applied != 3 || !twice.DecidedAt.Equal(applied.DecidedAt) {
		t.Errorf("applied twice: %+v; the directory is %s, expected %s", twice, got, before)
	}
	if _, err := s.DiscardSalvage(within(t), kept.ID); !errors.Is(err, releve.ErrSalvageDecided) {
		t.Errorf("discarded after it was applied: %v", err)
	}
}

func TestTheOperatorMayPreferTheSalvagedRow(t *testing.T) {
	s, found := parted(t)
	found.Changes = found.Changes[:10]
	kept, err := s.KeepSalvage(within(t), found)
	must(t, err)
	applied, err := s.ApplySalvage(within(t), kept.ID, store.SalvageChoice{Replace: true})
	must(t, err)
	want := "201=night 202=night 203=as salvaged 204=night 207=new 208=new 209=unchanged"
	if got := directory(t, s); got != want || applied.Counts.Undecided() != 0 || applied.Counts.Applied != 7 {
		t.Errorf("applied: %+v; the directory is\n%s, expected\n%s", applied.Counts, got, want)
	}
}

func TestADiscardedSalvageStaysOnRecordAndMayStillBeApplied(t *testing.T) {
	s, found := parted(t)
	before := directory(t, s)
	kept, err := s.KeepSalvage(within(t), found)
	must(t, err)
	discarded, err := s.DiscardSalvage(within(t), kept.ID)
	must(t, err)
	if discarded.State != releve.SalvageDiscarded || directory(t, s) != before {
		t.Errorf("discarded: %+v; the directory is %s", discarded, directory(t, s))
	}
	shown, err := s.Salvage(within(t), kept.ID, 100)
	must(t, err)
	if classes(shown) != partedClasses {
		t.Errorf("its rows: %s", classes(shown))
	}
	if applied, err := s.ApplySalvage(within(t), kept.ID, store.SalvageChoice{}); err != nil || applied.Counts.Applied != 3 {
		t.Errorf("applied after all: %+v (%v)", applied, err)
	}
}

func TestAnUnknownSalvageIsSaid(t *testing.T) {
	s := newSite(t, alone).open()
	_, errShow := s.Salvage(within(t), 7, 1)
	_, errApply := s.ApplySalvage(within(t), 7, store.SalvageChoice{})
	_, errDiscard := s.DiscardSalvage(within(t), 7)
	for _, err := range []error{errShow, errApply, errDiscard} {
		if !errors.Is(err, releve.ErrNoSalvage) || !strings.Contains(err.Error(), "`releve salvage list` shows them") {
			t.Errorf("got %v", err)
		}
	}
}

func TestFactsOfEveryTableComeBackAsTheyWere(t *testing.T) {
	from, to := newSite(t, alone), newSite(t, alone)
	old, owner := from.open(), to.open()
	fact, err := releve.NewFact(releve.CallOffered, "it's a call", releve.Main, 4, time.Now(),
		releve.CallBody{From: `0612"\`, Overflowed: true})
	must(t, err)
	bad := releve.Fact{ID: "bad", Kind: "nonsense"}
	_, err = old.Drain(within(t), releve.Main, "i", []releve.SpoolRecord{{Sequence: 3, Fact: fact}, {Sequence: 4, Fact: bad}})
	must(t, err)
	found := lone(
		inserted("call", row("fact_id", string(fact.ID)), from.textOf("call", "fact_id", string(fact.ID))),
		inserted("refused", row("seat", "main", "incarnation", "i", "sequence", "4"), from.textOf("refused", "sequence", "4")),
		inserted("spool_gap", row("seat", "main", "incarnation", "i", "first", "1"), from.textOf("spool_gap", "first", "1")),
		inserted("spool_position", row("seat", "main", "incarnation", "i"), from.textOf("spool_position", "incarnation", "i")),
	)
	kept, err := owner.KeepSalvage(within(t), found)
	must(t, err)
	applied, err := owner.ApplySalvage(within(t), kept.ID, store.SalvageChoice{})
	must(t, err)
	if applied.Counts != (releve.SalvageCounts{New: 3, Applied: 3, Bookkeeping: 1}) {
		t.Errorf("applied: %+v", applied.Counts)
	}
	for table, column := range map[string]string{"call": "fact_id", "refused": "sequence", "spool_gap": "first"} {
		value := map[string]string{"fact_id": string(fact.ID), "sequence": "4", "first": "1"}[column]
		if got, want := to.textOf(table, column, value), from.textOf(table, column, value); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, was %v", table, got, want)
		}
	}
	if n := to.count("SELECT count(*) FROM spool_position"); n != 0 {
		t.Error("a spool position was applied: it would skip facts that are not here (R14)")
	}
	again := found
	again.Directory = "data.aside-20261124T040000.000Z"
	settled, err := owner.KeepSalvage(within(t), again)
	must(t, err)
	if settled.ID != 2 || settled.State != releve.SalvageSettled || settled.Counts.Already != 3 {
		t.Errorf("the same rows from elsewhere: %+v", settled)
	}
}

// textOf reads one row as the log would give it.
func (p *site) textOf(table, column, value string) releve.Row {
	p.t.Helper()
	results, err := p.own.PgConn().Exec(within(p.t),
		fmt.Sprintf("SET timezone = 'UTC'; SELECT * FROM %s WHERE %s::text = '%s'", table, column, value)).ReadAll()
	must(p.t, err)
	last := results[len(results)-1]
	if len(last.Rows) != 1 {
		p.t.Fatalf("%d rows of %s with %s %s", len(last.Rows), table, column, value)
	}
	r := releve.Row{}
	for i, f := range last.FieldDescriptions {
		r[f.Name] = nil
		if raw := last.Rows[0][i]; raw != nil {
			text := string(raw)
			r[f.Name] = &text
		}
	}
	return r
}
