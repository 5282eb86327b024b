package text_test

import (
	"strings"
	"testing"
	"time"

	"releve"
	"releve/screen/text"
)

// A row says why its caller was refused and how often, and of a call whose end nobody saw no
// more than is known.
func TestARowSaysWhyHowOftenAndWhatIsNotKnown(t *testing.T) {
	year, month, day := time.Now().Date()
	at := time.Date(year, month, day, 12, 0, 0, 0, time.Local) // not on both sides of midnight
	refused := releve.Call{
		At: at, Seat: releve.Main, From: "0612******", Outcome: "failed", Detail: "488: no codec in common\x1b[2J", Stored: true,
		Attempts: []releve.Attempt{{At: at.Add(-time.Second)}, {At: at.Add(-2 * time.Second)}, {At: at.Add(-3 * time.Second)}},
	}
	cut := releve.Call{At: at, Seat: releve.Main, Outcome: releve.Cut, Duration: 12 * time.Second}
	lost := releve.Call{At: at, Seat: releve.Main, Outcome: releve.Unknown, Duration: 7 * time.Second}
	busy := releve.Call{At: at, Seat: releve.Main, Outcome: "busy", Detail: "all channels"}
	long := releve.Call{At: at, Seat: releve.Main, Outcome: "failed", Detail: "500: " + strings.Repeat("é", 37)}
	never := releve.Call{At: at, Seat: releve.Main, Outcome: releve.Unknown}
	first := at.Add(-3 * time.Second).Format("15:04:05")
	for lang, want := range map[releve.Language][]string{
		releve.English: {"failed (488: no codec in common", "4 attempts, the first at " + first, "cut: the server stopped",
			"12\u00a0s at least", "7\u00a0s at least", "(500: " + strings.Repeat("é", 35) + "…)", "end not known"},
		releve.French: {"échec («\u00a0488: no codec in common", "4 tentatives, la première à " + first,
			"coupé : le serveur s'est arrêté", "12\u00a0s au moins", "7\u00a0s au moins",
			"(«\u00a0500: " + strings.Repeat("é", 35) + "…\u00a0»)", "fin inconnue"},
	} {
		said := text.Calls([]releve.Call{refused, cut, lost, busy, long, never}, lang)
		for _, w := range want {
			if !strings.Contains(said, w) {
				t.Errorf("%s: %q is not said:\n%s", lang, w, said)
			}
		}
		if n := strings.Count(said, want[3][len("12\u00a0s"):]); n != 2 || strings.Contains(said, "\x1b") {
			t.Errorf("%s: a time of two that are known in part is said %d times, or what others wrote is obeyed:\n%q",
				lang, n, said)
		}
		if strings.Contains(said, "all channels") {
			t.Errorf("%s: what the outcome says already is said again:\n%s", lang, said)
		}
	}
}
