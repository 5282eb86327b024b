package store_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"releve"
	"releve/adapters/store"
)

// lent is a site's database as an application is given it.
type lent struct{ *site }

func (l lent) Pool(context.Context, int) (*pgxpool.Pool, error) { return l.pool(), nil }
func (lent) EnsureSalvageSlot(context.Context) error            { return nil }
func (lent) AdvanceSalvageSlot(context.Context) error           { return nil }

// A page has what memory knows beside what is stored, and each call is on one page only.
func TestPagesOfRecordsHaveWhatMemoryKnows(t *testing.T) {
	p := newSite(t, alone)
	s := p.open()
	p.receives(s,
		came{name: "first", at: noon, seat: releve.Main, from: "0612345678", outcome: "transferred"},
		came{name: "second", at: noon.Add(time.Minute), seat: releve.Main, from: "0612345678", outcome: "abandoned"},
		came{name: "third", at: noon.Add(2 * time.Minute), seat: releve.Secondary, from: "0712345678", outcome: "transferred"})
	discard := func(releve.Sentence) {}
	r := store.NewRecords(lent{p}, releve.Main, "", func([]releve.Fact) {}, discard, func(string, releve.Sentence) {}, slog.New(slog.DiscardHandler))
	talks := releve.Call{Call: "talks", At: noon.Add(90 * time.Second), Seat: releve.Main, From: "06**"}
	reader := store.Reader{Records: r, Memory: store.Memory{Known: func() []releve.Call { return []releve.Call{talks} }, OtherHeard: func() bool { return true }}}
	for _, page := range []int{1, 2, 10} {
		var names []string
		for after, more := (releve.CallMark{}), true; more; {
			found, err := reader.Page(within(t), releve.CallQuery{}, after, page)
			must(t, err)
			for _, c := range found.Calls {
				names = append(names, string(c.Call))
			}
			after, more = found.Last, found.More
		}
		if got := len(names); got != 4 || names[0] != "third" || names[1] != "talks" || names[3] != "first" {
			t.Errorf("in pages of %d: %v", page, names)
		}
	}
	found, err := reader.Record(within(t), "second")
	must(t, err)
	if len(found) != 1 || found[0].Outcome != "abandoned" || found[0].From != "0612******" {
		t.Errorf("the record is %+v", found)
	}
	if found, err = reader.Record(within(t), "talks"); err != nil || len(found) != 1 {
		t.Errorf("of memory: %+v %v", found, err)
	}
	if found, err = reader.Record(within(t), "nobody's"); err != nil || len(found) != 0 {
		t.Errorf("of nobody: %+v %v", found, err)
	}
}
