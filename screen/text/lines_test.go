package text

import (
	"strings"
	"testing"
	"time"

	"releve"
	"releve/screen/view"
)

func TestLines(t *testing.T) {
	line := func(n int, v releve.LineVerdict) releve.Line {
		return releve.Line{Number: "014020000" + string(rune('0'+n)), Device: "192.0.2.31", Port: n, Channel: n, Verdict: v}
	}
	site := view.Site{
		Level: releve.Backup, At: time.Now(),
		Main: view.Server{Seat: releve.Main, Heard: true, Lines: []releve.Line{
			line(1, releve.LineWell), line(2, releve.LineMissing), line(3, releve.LineElsewhere), line(4, releve.LineUnseen),
		}},
		Secondary: view.Server{Seat: releve.Secondary, Heard: true, Lines: []releve.Line{line(1, releve.LineAway), line(2, releve.LineAway)}},
	}
	has := func(got string, wants ...string) {
		t.Helper()
		got = strings.Join(strings.FieldsFunc(got, func(r rune) bool { return r == ' ' }), " ")
		for _, want := range wants {
			if !strings.Contains(got, want) {
				t.Errorf("there is no %q in\n%s", want, got)
			}
		}
	}
	has(Lines(site, releve.English),
		"MAIN 4 analogue lines: 1 well, 2 wrong, 1 not known.\n", "● 1 0140200001 192.0.2.31/1 plugged in\n",
		"✖ 2 0140200002 192.0.2.31/2 DEAD OR NOT PLUGGED IN\n", "✖ 3 0140200003 192.0.2.31/3 PLUGGED INTO THE OTHER SERVER\n",
		"? 4 0140200004 192.0.2.31/4 not known\n", "SECONDARY 2 analogue lines, all at the other server.\n", "– 1 0140200001 192.0.2.31/1 at the other server\n")
	has(Lines(site, releve.French), "4 lignes analogiques : 1 en ordre, 2 à voir, 1 dont on ne sait rien.", "MORTE OU DÉBRANCHÉE", "NUMÉRO")
	has(Status(site, releve.English, false, 100), "· Main. 4 analogue lines: 1 well, 2 wrong, 1 not known.", "· Secondary. 2 analogue lines, all at the other server.")

	site.Secondary.Heard, site.Main.Lines = false, nil
	has(Lines(site, releve.English), "MAIN No analogue line is set up", "SECONDARY No word since")
	site.Level = releve.Base
	if got := Lines(site, releve.English); strings.Contains(got, "SECONDARY") {
		t.Errorf("at base:\n%s", got)
	}
	if got := Status(site, releve.English, false, 100); strings.Contains(got, "analogue") {
		t.Errorf("of a site without lines:\n%s", got)
	}
}
