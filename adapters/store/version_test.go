package store_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"releve"
	"releve/adapters/spool"
	"releve/adapters/store"
)

// written is a database as an earlier version left it: its own code wrote what is in it.
func written(t *testing.T, file string) *site {
	t.Helper()
	script, err := os.ReadFile(filepath.Join("testdata", file))
	must(t, err)
	p := newSite(t, alone)
	_, err = p.own.Exec(within(t), string(script))
	must(t, err)
	return p
}

// rows are all that the tables hold, by the queries that read it: of each table the columns
// that it has now.
func (p *site) rows() map[string][]string {
	p.t.Helper()
	all := map[string][]string{}
	for _, query := range p.texts(`
		SELECT format('SELECT ROW(%s)::text FROM %I ORDER BY 1',
			string_agg(quote_ident(column_name), ', ' ORDER BY ordinal_position), table_name)
		FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name)
		WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND table_name <> 'goose_db_version' GROUP BY table_name`) {
		all[query] = p.texts(query)
	}
	return all
}

// texts are what a query of one column gives.
func (p *site) texts(query string) []string {
	p.t.Helper()
	found, err := p.own.Query(within(p.t), query)
	must(p.t, err)
	all, err := pgx.CollectRows(found, pgx.RowTo[string])
	must(p.t, err)
	return all
}

// holds says that each row is there as it was, and no other, and that the schema is of now.
func (p *site) holds(rows map[string][]string) {
	p.t.Helper()
	for query, want := range rows {
		if got := p.texts(query); !slices.Equal(got, want) {
			p.t.Errorf("%s gives\n%q\nand gave\n%q", query, got, want)
		}
	}
	files, err := filepath.Glob("migrations/*.sql")
	must(p.t, err)
	if n := p.count("SELECT max(version_id) FROM goose_db_version WHERE is_applied"); n != len(files) {
		p.t.Errorf("migration %d was the last, of %d", n, len(files))
	}
}

// recorded is what a store says of its calls and of its salvages, row by row, as JSON.
func recorded(t *testing.T, s *store.Store) string {
	t.Helper()
	page, err := s.Calls(within(t), releve.CallQuery{}, releve.CallMark{}, 100)
	must(t, err)
	salvages, err := s.Salvages(within(t))
	must(t, err)
	for i := range salvages {
		salvages[i], err = s.Salvage(within(t), salvages[i].ID, 100)
		must(t, err)
	}
	text, err := json.MarshalIndent(map[string]any{"calls": page.Calls, "salvages": salvages}, "", "\t")
	must(t, err)
	return regexp.MustCompile(`"\d{4}-\d\d-\d\dT[^"]*"`).ReplaceAllStringFunc(string(text), func(moment string) string {
		at, err := time.Parse(`"`+time.RFC3339Nano+`"`, moment)
		must(t, err)
		return at.UTC().Format(`"` + time.RFC3339Nano + `"`) // in whatever zone this machine is
	}) + "\n"
}

// A site of the version before, after a takeover, with records that were refused or never came
// and with salvages of each kind: this version goes on in the same term. It says of the calls
// and of the salvages what that one said. What the spool of that one still holds is stored,
// beside what had been stored of it already.
func TestADatabaseOfTheVersionBefore(t *testing.T) {
	p := written(t, "before.sql")
	rows := p.rows()
	s := p.open(func(o *store.Options) {
		o.Term, o.Seat, o.Promotion, o.OwnUser = 2, releve.Secondary, "secondary-2-IRBQWOIGPRSY5HO5VKUDVJEWPK", "standby"
	})
	p.holds(rows)
	said, err := os.ReadFile(filepath.Join("testdata", "said.json"))
	must(t, err)
	if got := recorded(t, s); got != string(said) {
		t.Errorf("it says\n%s\nand the version before said\n%s", got, said)
	}

	dir := filepath.Join(t.TempDir(), "spool")
	must(t, os.CopyFS(dir, os.DirFS(filepath.Join("..", "spool", "testdata", "version1", "disk"))))
	waiting, err := spool.Open(dir, releve.Secondary, spool.Options{})
	must(t, err)
	t.Cleanup(func() { _ = waiting.Close() })
	page, err := waiting.Read(0, 100)
	must(t, err)
	d, err := s.Drain(within(t), releve.Secondary, page.Incarnation, nil)
	must(t, err)
	if want := (store.Drained{UpTo: 16}); d != want {
		t.Errorf("of this spool, it has %+v, expected %+v", d, want)
	}
	d, err = s.Drain(within(t), releve.Secondary, page.Incarnation, page.Records)
	must(t, err)
	if want := (store.Drained{UpTo: 21, New: 5, Already: 16}); d != want {
		t.Errorf("drained %+v, expected %+v", d, want)
	}
	ended, err := s.Calls(within(t), releve.CallQuery{}, releve.CallMark{}, 3)
	must(t, err)
	if c := ended.Calls[2]; c.Call != "PQW64FKKMBHKK27M@127.0.0.90" ||
		c.Outcome != "transferred" || c.Duration != 2746*time.Millisecond || len(c.Steps) != 5 {
		t.Errorf("the call whose end was in the spool: %+v", c)
	}

	open, err := s.ApplySalvage(within(t), 3, store.SalvageChoice{})
	must(t, err)
	if open.State != releve.SalvageApplied || open.Counts.Applied != 1 {
		t.Errorf("what waited for a decision and was applied: %+v", open)
	}
}

// A database that was made by the first schema there was is brought up with its rows.
func TestADatabaseOfTheFirstVersion(t *testing.T) {
	p := written(t, "first.sql")
	rows := p.rows()
	s := p.open(func(o *store.Options) { o.Promotion = "main-1-first" })
	p.holds(rows)

	page, err := s.Calls(within(t), releve.CallQuery{}, releve.CallMark{}, 10)
	must(t, err)
	at := func(seconds float64) time.Time {
		return time.Date(2026, 11, 23, 3, 0, 0, 123456000, time.UTC).Add(time.Duration(seconds * float64(time.Second)))
	}
	for i := range page.Calls { // in whatever zone this machine is
		c := &page.Calls[i]
		c.At = c.At.UTC()
		for j := range c.Steps {
			c.Steps[j].At = c.Steps[j].At.UTC()
		}
	}
	want := []releve.Call{
		{
			Call: "without an end", At: at(6), Seat: releve.Main, Term: 1, From: "10**",
			WithoutDuty: true, Duration: 1500 * time.Millisecond, Stored: true,
			Steps: []releve.Step{{At: at(7.5), Name: "greeting"}},
		},
		{
			Call: "ended", At: at(0), Seat: releve.Main, Term: 1, From: "0612******",
			Overflowed: true, Outcome: "transferred", Detail: "extension",
			Duration: 4200 * time.Millisecond, Stored: true,
			Steps: []releve.Step{{At: at(1.5), Name: "greeting"}, {At: at(3), Name: "transfer", Detail: "extension 2**"}},
		},
	}
	if !reflect.DeepEqual(page.Calls, want) {
		t.Errorf("calls\n%+v\nexpected\n%+v", page.Calls, want)
	}

	over := fact(t, releve.RunOver, "", releve.OverBody{By: "this run"})
	later := fact(t, releve.CallOffered, "later", releve.CallBody{Run: "this run", Chain: "c"})
	drain(t, s, "FIRSTSPOOL", numbered(9, over, later), store.Drained{UpTo: 11, New: 2})
	if cut := p.texts("SELECT call FROM call_record WHERE outcome = 'cut'"); !slices.Equal(cut, []string{"without an end"}) {
		t.Errorf("cut off with the runs before: %q", cut)
	}
	kept, err := s.KeepSalvage(within(t), lone(updated(extension("201", "Ward 1"), extension("201", "night"))))
	must(t, err)
	if kept.Counts.New != 1 {
		t.Errorf("salvaged: %+v", kept)
	}
}
