package text_test

import (
	"strings"
	"testing"

	"releve"
	"releve/screen/text"
	"releve/screen/view"
)

func TestByWhatASiteDecides(t *testing.T) {
	lodged := view.Witness{Heard: true, Incarnation: 2, Version: 7, Term: 3, Owner: releve.Main, Number: 5}
	alone, silent := lodged, lodged
	alone.Alone = true
	silent.Heard, silent.Why = false, "no route to host"
	for _, c := range []struct {
		arbiter view.Arbiter
		lang    releve.Language
		want    []string
	}{
		{view.Arbiter{Arbiter: releve.Pair}, releve.English,
			[]string{"is the pair", "no way to a witness", "Two servers and no third", "your word that it is off"}},
		{view.Arbiter{Arbiter: releve.Pair}, releve.French,
			[]string{"est la paire", "ne connaît pas de témoin", "sans troisième"}},
		{view.Arbiter{Arbiter: releve.Witness, Witness: &lodged}, releve.English,
			[]string{"is the witness", "main server's term 3 (number 5) lies with it", "its loss loses nothing"}},
		{view.Arbiter{Arbiter: releve.Witness, Witness: &alone}, releve.French,
			[]string{"le serveur principal décide seul, au mandat 3"}},
		{view.Arbiter{Arbiter: releve.Witness, Witness: &silent}, releve.English,
			[]string{"does not answer this server (no route to host)"}},
		{view.Arbiter{Arbiter: releve.Witness, Witness: &view.Witness{Heard: true}},
			releve.English, []string{"remembers nothing yet"}},
	} {
		said := text.Arbiter(c.arbiter, c.lang, 80)
		for _, want := range c.want {
			if !strings.Contains(strings.ReplaceAll(said, "\n", " "), want) {
				t.Errorf("%q is not in\n%s", want, said)
			}
		}
		for line := range strings.Lines(said) {
			if len([]rune(strings.TrimRight(line, "\n"))) > 80 {
				t.Errorf("a line is too long: %q", line)
			}
		}
	}
}

// A procedure says what it may cost before its steps, and what is left to do after them.
func TestAProcedureSaysItsCostsAndWhatIsLeft(t *testing.T) {
	next := releve.Say("next-resume")
	lines := text.Steps(view.Procedure{
		Name: "restore", Costs: []releve.Sentence{releve.Say("cost-kept", "seat", "main", "records", "1")},
		Steps: []view.ProcedureStep{{What: releve.Say("step-in-service", "seat", "main"), State: "done"}}, Next: &next,
	}, releve.English)
	if len(lines) != 4 || !strings.HasPrefix(lines[1], "· The lost data is set aside whole") ||
		!strings.Contains(lines[1], "1 record waits") ||
		!strings.HasPrefix(lines[2], "✔ 1/1") || !strings.Contains(lines[3], "releve mirror resume") {
		t.Errorf("%q", lines)
	}
}
