package text_test

import (
	"strings"
	"testing"
	"time"

	"releve"
	"releve/screen/console/gallery"
	"releve/screen/text"
	"releve/screen/view"
)

// Whether the standby could take over stands on the status, with what is wrong and what to do.
func TestTheReadinessOnTheStatus(t *testing.T) {
	now := time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)
	for name, want := range map[string]map[releve.Language][]string{
		"protected": {releve.English: {"Could the secondary server take over now? Yes."}, releve.French: {"prendre la relève maintenant ? Oui."}},
		"not-ready": {
			releve.English: {"take over now? No.", "✖ A call of our own last overflowed", "`releve check --calls`"},
			releve.French:  {"maintenant ? Non.", "`releve check --calls`"},
		},
		"base": {releve.English: {}},
	} {
		state, err := gallery.Find(name, now)
		if err != nil {
			t.Fatal(err)
		}
		for lang, parts := range want {
			drawn := text.Status(state.Site, lang, false, 100)
			for _, part := range parts {
				if !strings.Contains(drawn, part) {
					t.Errorf("%s in %s does not say %q:\n%s", name, lang, part, drawn)
				}
			}
			if len(parts) == 0 && strings.Contains(drawn, "take over now") {
				t.Errorf("%s says\n%s", name, drawn)
			}
		}
	}
}

// The list of drills says who ordered each, how it went, and what was measured.
func TestTheListOfDrills(t *testing.T) {
	now := time.Date(2026, 11, 30, 9, 0, 0, 0, time.Local)
	state, err := gallery.Find("not-ready", now)
	if err != nil {
		t.Fatal(err)
	}
	measured := view.Measured{Answered: 320 * time.Millisecond, Recording: 900 * time.Millisecond, Whole: 3 * time.Second}
	why := releve.Say("drill-interrupted", "cause", releve.Reason(releve.Known("a step", "step-first-call", "seat", "secondary")))
	d := view.Drills{
		Last: []view.Drill{
			{By: "A. Martin", Started: now.Add(-time.Hour), Finished: now.Add(-time.Hour + 9*time.Second), Restored: true, Takeover: measured, Return: measured},
			{Started: now.AddDate(0, 0, -30), Finished: now.AddDate(0, 0, -30).Add(time.Minute), Restored: true, Failed: &why},
		},
		Good: now.Add(-time.Hour), OverdueAt: now.AddDate(0, 0, 90), NextAt: now.AddDate(0, 0, 30),
	}
	for lang, parts := range map[releve.Language][]string{
		releve.English: {"A. Martin   went well", "320 ms", "schedule", "stopped", "✖ 2026-10-31 09:00: The drill was interrupted at “Call the reception", "overdue from 2027-02-28",
			"not before 2026-12-30", "✔ Both servers hear each other.", "✖ A call of our own last overflowed"},
		releve.French: {"réussi", "calendrier", "arrêté", "L'exercice a été interrompu", "en retard à partir du"},
	} {
		drawn := strings.ReplaceAll(text.Drills(state.Site.Readiness, d, lang, 120), "\u00a0", " ")
		for _, part := range parts {
			if !strings.Contains(drawn, part) {
				t.Errorf("in %s it does not say %q:\n%s", lang, part, drawn)
			}
		}
	}
	open := view.Drills{Open: &view.Drill{Started: now, Step: releve.Say("step-recording", "seat", "secondary")}}
	if drawn := text.Drills(nil, open, releve.English, 120); !strings.Contains(drawn, "nobody takes over") || !strings.Contains(drawn, "is open, at “Wait until the secondary") ||
		!strings.Contains(drawn, "No drill has gone well yet") || !strings.Contains(drawn, "None is made by itself") {
		t.Errorf("an open one:\n%s", drawn)
	}
}
