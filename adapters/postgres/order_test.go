package postgres

import (
	"releve"
	"strings"
	"testing"
)

// No library decides in which order a new database keeps texts: its mirror's indexes are
// true on every system.
func TestANewDatabaseSortsByBytes(t *testing.T) {
	c := alone(t)
	o, err := c.SortOrder(within(t))
	must(t, err)
	if !o.ByBytes || o.Collation != "C" || o.Aged() || o.Differs(releve.SortOrder{Library: "glibc 2.28"}) {
		t.Errorf("%+v", o)
	}
	if !strings.HasPrefix(o.Library, "glibc 2.") {
		t.Errorf("the C library is %q", o.Library)
	}
	pool, err := c.Pool(within(t), 1)
	must(t, err)
	defer pool.Close()
	rows, err := pool.Query(within(t),
		`SELECT word FROM unnest('{zebra,Émile,Zoé,emile,école,éclair,a b,ab,日本,😀,ﬀ}'::text[]) word ORDER BY word`)
	must(t, err)
	var before string
	for rows.Next() {
		var word string
		must(t, rows.Scan(&word))
		if word < before { // as Go compares: by bytes
			t.Errorf("%q comes after %q", word, before)
		}
		before = word
	}
	must(t, rows.Err())
	var others int
	must(t, pool.QueryRow(within(t), `SELECT count(*) FROM pg_database WHERE datcollate <> 'C'`).Scan(&others))
	if others != 0 {
		t.Errorf("%d databases sort otherwise", others)
	}
}

// A database of before tells whose rules it goes by.
func TestAnOlderDatabaseTellsWhoseRulesItSortsBy(t *testing.T) {
	c := alone(t)
	p := c.postmaster()
	_, err := p.pool.Exec(within(t),
		`SET synchronous_commit = local; `+
			`UPDATE pg_database SET datcollate = 'C.UTF-8', datcollversion = '2.31' WHERE datname = 'releve'`)
	must(t, err)
	o, err := c.SortOrder(within(t))
	must(t, err)
	if o.ByBytes || !o.Aged() || !strings.HasPrefix(o.Rules(), "glibc 2.") {
		t.Errorf("%+v", o)
	}
	for name, other := range map[string]releve.SortOrder{
		"another C library": {Library: "glibc 2.28", Now: o.Now},
		"another ICU":       {Library: o.Library, Now: "153.112"},
	} {
		if !o.Differs(other) {
			t.Errorf("%s makes no difference", name)
		}
	}
	if o.Differs(o) {
		t.Error("it differs from itself")
	}
	if reindex := c.Reindex(); !strings.Contains(reindex, c.path("run")) || !strings.Contains(reindex, "REINDEX") {
		t.Error(reindex)
	}
}
