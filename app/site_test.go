package app

import (
	"fmt"
	"testing"
	"time"

	"releve"
)

// Whether a call without an end goes on, only who holds it can say.
func TestACallGoesOnOnlyWhereAWitnessSaysSo(t *testing.T) {
	const now, before = releve.RunID("now"), releve.RunID("before")
	for _, c := range []struct {
		what         string
		heard        bool
		seat         releve.Seat
		run          releve.RunID
		outcome      string
		want         string
		known, ended bool // memory has it
	}{
		{what: "in conversation here", seat: releve.Main, run: now, known: true, want: ""},
		{what: "ended here, not stored yet", seat: releve.Main, run: now, known: true, ended: true, want: "abandoned"},
		{what: "of this run, and not here", seat: releve.Main, run: now, want: releve.Unknown},
		{what: "of the run before", seat: releve.Main, run: before, want: releve.Cut},
		{what: "of a version without runs", seat: releve.Main, run: "", want: releve.Cut},
		{what: "of the run before, ended", seat: releve.Main, run: before, outcome: "abandoned", want: "abandoned"},
		{what: "of the other, which is heard", heard: true, seat: releve.Secondary, run: before, want: ""},
		{what: "of the other, which is silent", seat: releve.Secondary, run: before, want: releve.Unknown},
		{what: "of the silent other, ended", seat: releve.Secondary, run: before, outcome: "busy", want: "busy"},
	} {
		var memory []releve.Call
		if c.known {
			memory = []releve.Call{{Call: "a", Seat: c.seat, Run: c.run}}
		}
		if c.ended {
			memory[0].Outcome = "abandoned"
		}
		stored := []releve.Call{{Call: "a", Seat: c.seat, Run: c.run, Outcome: c.outcome}}
		if (witnesses{releve.Main, now, c.heard, memory}).judge(stored); stored[0].Outcome != c.want {
			t.Errorf("%s: %q, expected the outcome %q", c.what, stored[0].Outcome, c.want)
		}
	}
}

// A run is over once, however often that is told.
func TestARunIsOverOnce(t *testing.T) {
	first, err := runsOver([]releve.RunID{"a", ""}, "b", releve.Main, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	again, err := runsOver([]releve.RunID{"a", ""}, "c", releve.Main, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if first[0].ID != again[0].ID || first[1].ID == again[1].ID || first[0].ID == first[1].ID {
		t.Errorf("%+v, then %+v", first, again)
	}
	for i, f := range first {
		want := fmt.Sprintf(`{"run":%q,"by":"b"}`, []releve.RunID{"a", ""}[i])
		if f.Kind != releve.RunOver || f.Seat != releve.Main || f.Call != "" || string(f.Body) != want {
			t.Errorf("recorded is %+v with %s, expected %s", f, f.Body, want)
		}
	}
}
