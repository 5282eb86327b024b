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

// What is promised is what the level of the site secures: a site of one server is promised no second.
func TestThePromiseIsThatOfTheLevel(t *testing.T) {
	for level, want := range map[releve.Level][2]string{
		releve.Base:             {"One server", "Un seul serveur"},
		releve.Mirroring:        {"one voice", "une seule voix"},
		releve.HighAvailability: {"the second takes over by itself", "prend la relève"},
	} {
		site := view.Site{Level: level, Arbiter: releve.Pair}
		for i, lang := range []releve.Language{releve.English, releve.French} {
			if said := text.Promise(site, lang); !strings.Contains(said, want[i]) {
				t.Errorf("at level %s is promised: %s", level, said)
			}
		}
	}
}

// The levels are shown with what each secures, the one that runs marked, and what a server lacks.
func TestTheLevelsAreShown(t *testing.T) {
	site := gallery.States(time.Now())[0].Site
	fits := func(lacks ...string) []releve.LevelFit {
		return []releve.LevelFit{{Level: releve.Base}, {Level: releve.Mirroring}, {Level: releve.HighAvailability, Lacks: lacks}}
	}
	site.Level, site.Main.Levels, site.Secondary.Levels = releve.Mirroring, fits("pbx.standby_user", "sip.other"), fits()
	site.Main.Heard, site.Secondary.Heard = true, false
	got := text.Levels(view.LevelsOf(site), releve.English)
	for _, line := range []string{
		"The site runs at level mirroring.",
		"  base               nothing                   ready                              not heard",
		"▶ mirroring          the data                  ready                              not heard",
		"  high availability  the data and the service  lacks pbx.standby_user, sip.other  not heard",
	} {
		if !strings.Contains(got, line+"\n") {
			t.Errorf("%q is not in\n%s", line, got)
		}
	}
}
