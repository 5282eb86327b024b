package store

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"releve"
)

// shelf reads a database of calls, newest first, in pages.
func shelf(rows []releve.Call, pageRows int) func(releve.CallMark, int) (releve.CallPage, error) {
	return func(after releve.CallMark, most int) (releve.CallPage, error) {
		rest := rows
		if (after != releve.CallMark{}) {
			i := slices.IndexFunc(rows, func(c releve.Call) bool { return c.Call == after.Call && c.Seat == after.Seat })
			rest = rows[i+1:]
		}
		n := min(most, pageRows, len(rest))
		page := releve.CallPage{Calls: rest[:n], More: n > 0 && n == min(most, pageRows)}
		if n > 0 {
			page.Last = releve.CallMark{At: rest[n-1].At, Call: rest[n-1].Call, Seat: rest[n-1].Seat}
		}
		return page, nil
	}
}

// TestTheListIsTheSameHoweverItIsRead: whatever is stored, in memory or in both, each call is
// listed once, newest first, and no more than asked for.
func TestTheListIsTheSameHoweverItIsRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := time.Date(2026, 11, 24, 3, 0, 0, 0, time.UTC)
		var memory, rows []releve.Call
		want := map[string]bool{}
		for i := range rapid.IntRange(0, 30).Draw(t, "calls") {
			c := releve.Call{Call: releve.CallID(fmt.Sprint(i)), Seat: releve.Main, At: at.Add(-time.Duration(i) * time.Minute)}
			where := rapid.SampledFrom([]string{"memory", "stored", "both", "both, and by the other server"}).Draw(t, "where")
			if where != "stored" {
				memory = append(memory, c)
				want["main "+string(c.Call)] = where != "memory"
			}
			stored := c
			stored.Stored, stored.At = true, c.At.Add(time.Second) // it is stored when it has been answered
			if where != "memory" {
				rows = append(rows, stored)
				want["main "+string(c.Call)] = true
			}
			if where == "both, and by the other server" {
				stored.Seat, stored.At = releve.Secondary, c.At
				rows = append(rows, stored)
				want["secondary "+string(c.Call)] = true
			}
		}
		limit := rapid.IntRange(1, 40).Draw(t, "limit")
		got, last := map[string]bool{}, time.Time{}
		for page, err := range listed(memory, limit, shelf(rows, rapid.IntRange(1, 7).Draw(t, "rows of a page"))) {
			if err != nil || len(page) == 0 {
				t.Fatalf("a page of %d calls: %v", len(page), err)
			}
			for _, c := range page {
				name := string(c.Seat) + " " + string(c.Call)
				if _, twice := got[name]; twice || want[name] != c.Stored {
					t.Fatalf("%s comes twice, or says %v of being stored", name, c.Stored)
				}
				if !last.IsZero() && c.At.After(last.Add(time.Second)) {
					t.Fatalf("%s comes after an older one", name)
				}
				got[name], last = true, c.At
			}
		}
		if len(got) != min(limit, len(want)) {
			t.Fatalf("%d calls are listed of %d; %d were asked for", len(got), len(want), limit)
		}
	})
}

func TestADatabaseThatIsAwayLeavesWhatMemoryHas(t *testing.T) {
	away := func(releve.CallMark, int) (releve.CallPage, error) { return releve.CallPage{}, errors.New("away") }
	var got []releve.Call
	for page, err := range listed([]releve.Call{{Call: "a"}, {Call: "b"}}, 10, away) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, page...)
	}
	if len(got) != 2 {
		t.Errorf("memory has two calls, and %d are listed", len(got))
	}
	for _, err := range listed(nil, 10, away) {
		if err == nil {
			t.Error("nothing is listed, as if there were no calls")
		}
	}
	first := true
	breaks := func(after releve.CallMark, most int) (releve.CallPage, error) {
		if !first {
			return away(after, most)
		}
		first = false
		return releve.CallPage{Calls: []releve.Call{{Call: "c", At: time.Now()}}, More: true, Last: releve.CallMark{At: time.Now(), Call: "c"}}, nil
	}
	var broken error
	for _, err := range listed([]releve.Call{{Call: "a"}}, 10, breaks) {
		broken = err
	}
	if broken == nil {
		t.Error("a list that broke off in the middle looks whole")
	}
}

// TestALedgerThatDoesNotReadIsCutOff: by the facts that wait for it, however they come.
