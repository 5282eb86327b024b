package text_test

import (
	"strings"
	"testing"
	"time"

	"releve"
	"releve/screen/console/gallery"
	"releve/screen/text"
)

func TestAlarmsAreAListThatSaysWhoHasThem(t *testing.T) {
	state, err := gallery.Find("alarms", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for lang, wanted := range map[releve.Language][]string{
		releve.English: {"▲ server-silent/main", "For 47 min; nobody has it in hand. Called 3 times without an answer.", "It comes and goes: 7 times.",
			"Over for 5 h", "A. Martin has had it in hand for 40 min", "put aside by C. Durand until", "C. Durand: disque commandé", "Follows from server-silent/main."},
		releve.French: {"personne ne l'a en main.", "Rappelée 3 fois sans réponse.", "personne ne l'a acquittée.", "A. Martin l'a en main depuis", "Découle de server-silent/main."},
	} {
		said := strings.ReplaceAll(text.Alarms(state.Site.Alarms, state.Site.At, lang, 200), "\u00a0", " ")
		status := strings.ReplaceAll(text.Status(state.Site, lang, false, 200), "\u00a0", " ")
		for _, want := range wanted {
			if flat := strings.Join(strings.Fields(said), " "); !strings.Contains(flat, want) {
				t.Errorf("the list lacks %q:\n%s", want, said)
			}
		}
		if flat := strings.Join(strings.Fields(status), " "); !strings.Contains(flat, wanted[1]) && !strings.Contains(flat, wanted[0]) ||
			strings.Contains(status, "not-ready") {
			t.Errorf("the status says:\n%s", status)
		}
	}
	if got := text.Alarms(nil, time.Now(), releve.English, 80); got != "No alarm stands, and none waits for somebody.\n" {
		t.Errorf("without alarms: %q", got)
	}
	one := text.Alarm(state.Site.Alarms[0], state.Site.At, releve.English, 80)
	for _, want := range []string{"What callers notice: Nothing while the other is well", "What to do first: Look whether", "What helps: `releve status`"} {
		if !strings.Contains(one, want) {
			t.Errorf("one alarm lacks %q:\n%s", want, one)
		}
	}
}
