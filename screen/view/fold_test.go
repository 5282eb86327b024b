package view_test

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"releve"
	"releve/screen/view"
)

// pagesOf gives calls a few at a time, and then fails where it is told to.
func pagesOf(calls []releve.Call, each int, fault error) iter.Seq2[[]releve.Call, error] {
	return func(yield func([]releve.Call, error) bool) {
		for page := range slices.Chunk(calls, each) {
			if !yield(page, nil) {
				return
			}
		}
		if fault != nil {
			yield(nil, fault)
		}
	}
}

func folded(pages iter.Seq2[[]releve.Call, error], rows int) (all []releve.Call, err error) {
	for page, fault := range view.Fold(pages, rows) {
		all = append(all, page...)
		err = errors.Join(err, fault)
	}
	return all, err
}

// Five callers, each refused four times, are five rows, each with its reason and its count.
func TestFiveRefusedCallersAreFiveRows(t *testing.T) {
	var calls []releve.Call
	for n := range 20 {
		calls = append(calls, releve.Call{
			Call: releve.CallID(fmt.Sprint(n)), Chain: fmt.Sprint("caller ", n%5),
			At: time.Unix(int64(100-n), 0), Outcome: "failed", Detail: "488",
		})
	}
	rows, err := folded(pagesOf(calls, 3, nil), 50)
	if err != nil || len(rows) != 5 {
		t.Fatalf("%d rows, %v: %+v", len(rows), err, rows)
	}
	for n, r := range rows {
		if r.Call != releve.CallID(fmt.Sprint(n)) || r.Detail != "488" ||
			len(r.Attempts) != 3 || r.Attempts[2].Call != releve.CallID(fmt.Sprint(15+n)) {
			t.Errorf("row %d: %+v", n, r)
		}
	}
	if some, _ := folded(pagesOf(calls, 3, nil), 2); len(some) != 2 || len(some[0].Attempts) != 3 {
		t.Errorf("two rows were asked for: %+v", some)
	}
	if _, err := folded(pagesOf(calls, 3, errors.New("away")), 50); err == nil {
		t.Error("that a page could not be read was not said")
	}
}

// The row of a caller is the attempt that came furthest: the one that goes on, or else the one
// with a conversation.
func TestTheRowOfACallerIsTheAttemptThatCameFurthest(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	said := []releve.Step{{Name: "greeting"}}
	repeated := releve.Call{Call: "repeated", Chain: "c", At: at(9), Outcome: "abandoned"}
	talked := releve.Call{Call: "talked", Chain: "c", At: at(5), Outcome: "transferred", Steps: said}
	talks := releve.Call{Call: "talks", Chain: "c", At: at(3)}
	for _, c := range []struct {
		calls []releve.Call
		want  releve.CallID
	}{
		{[]releve.Call{repeated, talked}, "talked"},
		{[]releve.Call{repeated, talked, talks}, "talks"},
		{[]releve.Call{talked, talks}, "talks"},
	} {
		rows, _ := folded(pagesOf(c.calls, 10, nil), 10)
		if len(rows) != 1 || rows[0].Call != c.want || len(rows[0].Attempts) != len(c.calls)-1 {
			t.Errorf("%+v, expected one row, of %q", rows, c.want)
		}
	}
}

// A row waits for older attempts no longer than a chain can be, and not among more rows than are
// held: else a list would be read to its end before its first row is shown.
func TestARowDoesNotWaitForTheWholeList(t *testing.T) {
	const most, span = 2000, 4 * time.Minute
	for what, c := range map[string]struct {
		apart time.Duration
		read  int // calls, until there is a row
	}{
		"seldom":      {span / 2, 4},
		"all at once": {0, most + 1},
	} {
		read := 0
		var calls iter.Seq2[[]releve.Call, error] = func(yield func([]releve.Call, error) bool) {
			for read < 2*most {
				at := time.Unix(1_000_000_000, 0).Add(-time.Duration(read) * c.apart)
				read++
				if !yield([]releve.Call{{Call: "a", Chain: fmt.Sprint(read), At: at, Outcome: "busy"}}, nil) {
					return
				}
			}
		}
		for range view.Fold(calls, 1) {
		}
		if read != c.read {
			t.Errorf("%s: there was a row after %d calls, expected after %d", what, read, c.read)
		}
	}
}

// An attempt that comes later than a chain can last is in a row of its own.
func TestAChainThatLastsTooLongIsTwoRows(t *testing.T) {
	at := time.Unix(1_000_000_000, 0)
	calls := []releve.Call{
		{Call: "new", Chain: "c", At: at, Outcome: "busy"},
		{Call: "of another", At: at.Add(-5 * time.Minute), Outcome: "busy"},
		{Call: "old", Chain: "c", At: at.Add(-6 * time.Minute), Outcome: "busy"},
	}
	if rows, _ := folded(pagesOf(calls, 1, nil), 10); len(rows) != 3 {
		t.Errorf("%d rows: %+v", len(rows), rows)
	}
}

// No call is lost in the folding, none is in two rows, and none without a chain is folded.
func TestEveryCallIsInOneRow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		second := 1_000_000
		var calls []releve.Call
		for n := range rapid.IntRange(0, 60).Draw(t, "calls") {
			second -= rapid.IntRange(0, 90).Draw(t, "seconds before")
			chain := rapid.SampledFrom([]string{"", "a", "b", "c"}).Draw(t, "chain")
			outcome := rapid.SampledFrom([]string{"", "busy", "abandoned"}).Draw(t, "outcome")
			calls = append(calls, releve.Call{Call: releve.CallID(fmt.Sprint(n)),
				Chain: chain, At: time.Unix(int64(second), 0), Outcome: outcome})
		}
		rows, _ := folded(pagesOf(calls, rapid.IntRange(1, 9).Draw(t, "page"), nil), 1000)
		var found []string
		for _, r := range rows {
			found = append(found, string(r.Call))
			if r.Chain == "" && len(r.Attempts) > 0 {
				t.Fatalf("folded without a chain: %+v", r)
			}
			for _, a := range r.Attempts {
				found = append(found, string(a.Call))
			}
		}
		var want []string
		for _, c := range calls {
			want = append(want, string(c.Call))
		}
		slices.Sort(found)
		slices.Sort(want)
		if !slices.Equal(found, want) {
			t.Fatalf("%q are in the rows, expected %q", found, want)
		}
	})
}
