package store

import (
	"testing"

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
		known, ended bool          // memory has it
		has          releve.Holder // took it up
	}{
		{what: "in conversation here", seat: releve.Main, run: now, known: true, want: ""},
		{what: "ended here, not stored yet", seat: releve.Main, run: now, known: true, ended: true, want: "abandoned"},
		{what: "of this run, and not here", seat: releve.Main, run: now, want: releve.Unknown},
		{what: "of the run before", seat: releve.Main, run: before, want: releve.Cut},
		{what: "of a version without runs", seat: releve.Main, run: "", want: releve.Cut},
		{what: "of the run before, ended", seat: releve.Main, run: before, outcome: "abandoned", want: "abandoned"},
		{what: "of the other, which is heard", heard: true, seat: releve.Secondary, run: before, want: ""},
		{what: "of the other, which is silent", seat: releve.Secondary, run: before, want: releve.Unknown},
		{what: "the other's, gone on with here", has: releve.Holder{Seat: releve.Main, Run: now}, seat: releve.Secondary, run: before, known: true, want: ""},
		{what: "the other's, gone on with by the run before", heard: true, has: releve.Holder{Seat: releve.Main, Run: before},
			seat: releve.Secondary, run: before, want: releve.Cut},
		{what: "this server's, gone on with by the other", heard: true, has: releve.Holder{Seat: releve.Secondary, Run: now},
			seat: releve.Main, run: before, want: ""},
		{what: "… which is silent", has: releve.Holder{Seat: releve.Secondary, Run: now}, seat: releve.Main, run: before, want: releve.Unknown},
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
		if c.has.Seat != "" {
			stored[0].Steps = []releve.Step{{Name: "menu"}, {Name: releve.StepTakenUp, Detail: c.has.String()}, {Name: "digits"}}
		}
		if (witnesses{releve.Main, now, c.heard, memory}).judge(stored); stored[0].Outcome != c.want {
			t.Errorf("%s: %q, expected the outcome %q", c.what, stored[0].Outcome, c.want)
		}
	}
}
