package text_test

import (
	"strings"
	"testing"
	"time"

	"releve"
	"releve/view"
	"releve/view/text"
)

// A row says why its caller was refused and how often, and of a call whose end nobody saw no
// more than is known.
func TestARowSaysWhyHowOftenAndWhatIsNotKnown(t *testing.T) {
	at := time.Now()
	refused := view.Call{
		At: at, Seat: releve.Main, From: "0612******", Outcome: "failed", Detail: "488: no codec in common\x1b[2J", Stored: true,
		Attempts: []view.Attempt{{At: at.Add(-time.Second)}, {At: at.Add(-2 * time.Second)}, {At: at.Add(-3 * time.Second)}},
	}
	cut := view.Call{At: at, Seat: releve.Main, Outcome: view.Cut, Duration: 12 * time.Second}
	never := view.Call{At: at, Seat: releve.Main, Outcome: view.Unknown}
	first := at.Add(-3 * time.Second).Format("15:04:05")
	for lang, want := range map[releve.Language][]string{
		releve.English: {"failed (488: no codec in common", "4 attempts, the first at " + first, "cut: the server stopped", "12\u00a0s at least", "end not known"},
		releve.French:  {"échec (488: no codec in common", "4 tentatives, la première à " + first, "coupé : le serveur s'est arrêté", "12\u00a0s au moins", "fin inconnue"},
	} {
		said := text.Calls([]view.Call{refused, cut, never}, lang)
		for _, w := range want {
			if !strings.Contains(said, w) {
				t.Errorf("%s: %q is not said:\n%s", lang, w, said)
			}
		}
		if n := strings.Count(said, want[3][len("12\u00a0s"):]); n != 1 || strings.Contains(said, "\x1b") {
			t.Errorf("%s: a time that is not known is said %d times, or what others wrote is obeyed:\n%q", lang, n, said)
		}
	}
}
