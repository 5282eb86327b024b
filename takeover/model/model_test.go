package model

import (
	"os"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"releve/takeover"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Each of the bounds looks far in one direction; together they take about a minute.
var everyDay = []Bounds{
	{Terms: 3, Number: 2, Rows: 1, Faults: 1},
	{Terms: 2, Number: 2, Rows: 2, Faults: 1, Orders: 1},
	{Terms: 2, Number: 2, Rows: 1, Faults: 2},
}

// deep takes a quarter of an hour or more, and up to 10 GiB: RELEVE_MODEL=deep go test -timeout 0.
var deep = []Bounds{
	{Terms: 3, Number: 2, Rows: 1, Faults: 1, Orders: 1},
	{Terms: 2, Number: 3, Rows: 1, Faults: 2},
	{Terms: 2, Number: 2, Rows: 2, Faults: 2},
}

func TestNoStateBreaksAPromise(t *testing.T) {
	bounds := everyDay
	if raced {
		bounds = []Bounds{{Terms: 2, Number: 2, Rows: 1, Faults: 1, Orders: 1}}
	}
	if os.Getenv("RELEVE_MODEL") == "deep" {
		bounds = slices.Concat(everyDay, deep)
	}
	carried := map[string]bool{}
	for _, b := range bounds {
		r := Explore(Options{Bounds: b, Liveness: true})
		t.Log(r)
		if r.Broken != "" {
			t.Fatalf("%s\n%s", r.Broken, strings.Join(r.Page, "\n"))
		}
		if r.Stuck > 0 {
			t.Fatalf("the site cannot become protected again:\n%s", strings.Join(r.StuckPage, "\n"))
		}
		for _, row := range r.Rows {
			carried[row] = true
		}
	}
	for _, row := range takeover.Rules() {
		if !carried[row] && !beyond[row] {
			t.Errorf("the row %s was never carried out: give the walk a move that leads to it, or name it among those beyond the model", row)
		}
	}
}

// beyond are the rows that need what the model leaves out: foreign or lost data and
// journals, and calls.
var beyond = map[string]bool{
	"journal-lacks": true, "data-unknown": true, "data-foreign": true, "data-missing": true, "journal-empty": true,
	"voice-lost": true, "standby-user-left": true, "busy-refused": true, "own-call": true, "in-service": true, "owner-well-again": true,
}
