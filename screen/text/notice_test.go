package text

import (
	"strings"
	"testing"
	"time"

	"releve"
	"releve/screen/view"
)

func TestAMailReadsWellOnATelephone(t *testing.T) {
	now := time.Date(2026, 11, 30, 3, 20, 0, 0, time.Local)
	site := view.Site{Name: "Hôpital Saint-Luc", Seat: releve.Secondary, At: now, Level: releve.HighAvailability, Main: view.Server{Seat: releve.Main, Heard: true}}
	away := view.Notice{Message: "began", Alarm: view.Alarm{
		Alarm: "mirror-away", Severity: releve.Major, What: releve.Say("alarm-mirror-away", "seat", "", "other", ""), Since: now.Add(-8 * time.Minute),
		Callers: releve.Say("alarm-callers-mirror-away"), First: releve.Say("alarm-first-mirror-away"), Command: "releve mirror resume",
	}}
	over := away
	over.Message, over.Ended = "ended", now.Add(-time.Minute)
	for name, c := range map[string]struct {
		all  []view.Notice
		lang releve.Language
		cut  bool
		want []string // in this order, the subject first
		not  []string
	}{
		"one, in French": {all: []view.Notice{away}, lang: releve.French, want: []string{
			"[Hôpital Saint-Luc] Majeur : ", "Depuis 03:12:00.", "Ce que remarquent les appelants : ", "Que faire d'abord : ", "`releve mirror resume`",
			"`releve alarms ack mirror-away --by VOTRE-NOM --remark ", "http://192.0.2.22:8080/", "le serveur secondaire (Hôpital Saint-Luc)",
		}, not: []string{"(+", "ne s'entendent pas", "{{", "\r"}},
		"one, in English": {all: []view.Notice{away}, lang: releve.English, want: []string{"[Hôpital Saint-Luc] Major: ", "Since 03:12:00.", "What to do first: "}},
		"that is over": {all: []view.Notice{over}, lang: releve.French, want: []string{
			"[Hôpital Saint-Luc] Terminé : ", "C'est terminé. De 03:12:00 à 03:19:00.",
		}, not: []string{"Que faire"}},
		"two, of a pair that is cut": {all: []view.Notice{away, over}, lang: releve.French, cut: true, want: []string{
			"(+1)", "Depuis ", "C'est terminé", "ne s'entendent pas",
		}},
		"that nobody has": {all: []view.Notice{{Message: "waits", Alarm: away.Alarm}}, lang: releve.French, want: []string{"Personne ne l'a en main : "}},
	} {
		t.Run(name, func(t *testing.T) {
			site := site
			site.Main.Heard = !c.cut
			subject, body := Notice(c.all, site, "http://192.0.2.22:8080/", c.lang)
			if strings.ContainsAny(subject, "\r\n") || len([]rune(subject)) > 180 {
				t.Errorf("the subject is %q", subject)
			}
			all, rest := subject+"\n"+body, subject+"\n"+body
			for _, want := range c.want {
				_, after, found := strings.Cut(rest, want)
				if !found {
					t.Fatalf("%q is not there, or too early:\n%s", want, all)
				}
				rest = after
			}
			for _, not := range c.not {
				if strings.Contains(all, not) {
					t.Errorf("%q is there:\n%s", not, all)
				}
			}
		})
	}
}
