package text_test

import (
	"encoding/csv"
	"strings"
	"testing"
	"time"

	"releve"
	"releve/screen/text"
)

func TestCountsShowWhatThereWas(t *testing.T) {
	day := time.Date(2026, 11, 23, 0, 0, 0, 0, time.Local)
	counts := []releve.CallCount{
		{
			From: day, To: day.AddDate(0, 0, 1), Calls: 48, Callers: 40, Outcomes: map[string]int{"transferred": 30, "crowd": 17, "": 1},
			Median: 40 * time.Millisecond, Most: 1200 * time.Millisecond,
		},
		{From: day.AddDate(0, 0, 1), Outcomes: map[string]int{}},
		{From: day.AddDate(0, 0, 2), Calls: 1, Callers: 1, Outcomes: map[string]int{"transferred": 1}, Median: time.Second, Most: time.Second},
	}
	lines := strings.Split(text.Counts(counts, "day", releve.English), "\n")
	for i, want := range [][]string{
		{"calls", "callers", "put through", "turned away", "no end seen", "answered after"},
		{"2026-11-23", "48", "40", "30", "17", "1", "40\u00a0ms / 1.2\u00a0s", strings.Repeat("█", 24)},
		{"2026-11-24", "0"},
		{"2026-11-25", "1", "█"},
	} {
		for _, cell := range want {
			if !strings.Contains(lines[i], cell) {
				t.Errorf("line %d lacks %q: %s", i, cell, lines[i])
			}
		}
	}
	if strings.Contains(lines[0], "hung up") || strings.Contains(lines[2], "█") {
		t.Errorf("what there was none of is shown:\n%s", strings.Join(lines, "\n"))
	}
	for by, want := range map[string]string{"hour": "2026-11-23 00:00", "week": "2026-11-23 (2026-W48)", "month": "2026-11"} {
		if got := text.Counts(counts[:1], by, releve.French); !strings.Contains(got, want) {
			t.Errorf("by %s it has no %q:\n%s", by, want, got)
		}
	}
}

// A caller's name, a header and what a PBX said come from anybody: none becomes a formula, a line
// or an escape of a terminal.
func TestACellIsNoFormula(t *testing.T) {
	for said, want := range map[string]string{
		`=HYPERLINK("http://x","y")`: `'=HYPERLINK("http://x","y")`, "+1": "'+1", "-2": "'-2", "@SUM(A1)": "'@SUM(A1)",
		"0612******": "0612******", `a "quoted", word`: `a "quoted", word`,
	} {
		var b strings.Builder
		call := releve.Call{At: time.Now(), Seat: releve.Main, Call: "x", From: said, Outcome: "failed", Detail: said, Duration: 1500 * time.Millisecond}
		if err := text.CallsCSV(&b, []releve.Call{call}); err != nil {
			t.Fatal(err)
		}
		lines, err := csv.NewReader(strings.NewReader(b.String())).ReadAll()
		if err != nil || len(lines) != 2 || len(lines[0]) != len(lines[1]) {
			t.Fatalf("%q gives %q (%v)", said, lines, err)
		}
		row := map[string]string{}
		for i, name := range lines[0] {
			row[name] = lines[1][i]
		}
		if row["from"] != want || row["detail"] != want || row["duration_s"] != "1.500" || row["attempts"] != "1" {
			t.Errorf("%q is written %q", said, row)
		}
	}
	var b strings.Builder
	if err := text.CallsCSV(&b, []releve.Call{{From: "\x1b[2J\r\n=1+1"}}); err != nil || strings.ContainsAny(b.String(), "\x1b") || strings.Count(b.String(), "\n") != 2 {
		t.Errorf("a terminal's escape and a line: %q (%v)", b.String(), err)
	}
}
