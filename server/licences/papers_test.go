package licences_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"releve"
	"releve/rules/licence"
	"releve/screen/view"
)

// adopt hands a study to the machine, and what is refused is said by its code.
func (m *machine) adopt(made releve.Study, dryRun bool) (view.Adoption, string) {
	m.t.Helper()
	file, err := json.Marshal(made)
	if err != nil {
		m.t.Fatal(err)
	}
	answer, err := m.keeper.AdoptStudy(m.t.Context(), file, dryRun)
	if err != nil {
		m.t.Fatal(err)
	}
	if answer.Refused != nil {
		return answer, answer.Refused.Code
	}
	return answer, ""
}

// papers are what the machine shows of a level.
func (m *machine) papers(level releve.Level) (c view.Cleared) {
	m.t.Helper()
	all := m.sees().Levels
	i := slices.IndexFunc(all, func(c view.Cleared) bool { return c.Level == level })
	if i < 0 {
		m.t.Fatalf("nothing is shown of %s", level)
	}
	return all[i]
}

// Before a licence comes a study, signed; it is handed to one server and known on both. A renewal
// asks for nothing.
func TestAStudyComesBeforeALicence(t *testing.T) {
	play(t, func(t *testing.T) {
		main, secondary := newBare(t, releve.Main), newBare(t, releve.Secondary)
		main.other, secondary.other = secondary, main
		main.start()
		secondary.start()
		if _, refused := main.install(of(t, "1", base, 20)); refused != "licence.unstudied" || main.serials() != "" {
			t.Errorf("without a study: %q, holds %s", refused, main.serials())
		}
		unsigned := signedStudy(time.Now())
		unsigned.Signed = nil
		for want, made := range map[string]releve.Study{
			"study.unsigned": unsigned, "study.foreign": {},
			"study.channels": signedStudy(time.Now(), func(s *releve.Study) { s.Question.Channels = 2 }),
			"study.old":      signedStudy(time.Now().AddDate(-1, 0, -1)),
			"study.large":    signedStudy(time.Now(), func(s *releve.Study) { s.Version = strings.Repeat("x", 64<<10) }),
		} {
			if _, refused := main.adopt(made, false); refused != want || main.sees().Study != nil {
				t.Errorf("%s: %q", want, refused)
			}
		}
		if answer, refused := main.adopt(signedStudy(time.Now()), true); refused != "" || answer.After.Study == nil || main.sees().Study != nil {
			t.Errorf("a dry run: %q, %+v", refused, answer)
		}
		if answer, refused := main.adopt(signedStudy(time.Now()), false); refused != "" || !answer.After.Shared {
			t.Errorf("adopted: %q, %+v", refused, answer)
		}
		for _, m := range []*machine{main, secondary} {
			if c := m.papers(ha); !c.Study.There || c.Licence.There || m.sees().Study == nil || len(m.sees().Study.Feasible) != 4 {
				t.Errorf("the %s shows %+v", m.seat, m.sees())
			}
		}
		if _, refused := secondary.install(of(t, "1", base, 20)); refused != "" {
			t.Errorf("with a study: %q", refused)
		}
		for _, m := range []*machine{main, secondary} {
			m.set(func(m *machine) { m.clock = 370 * day })
		}
		pass(3 * time.Hour)
		if c := main.papers(base); c.Study.There || main.said() == "" {
			t.Errorf("a year later %+v", c)
		}
		if _, refused := main.install(of(t, "2", base, 20, nextYear)); refused != "" {
			t.Errorf("a renewal: %q", refused)
		}
		if _, refused := main.install(of(t, "3", ha, 20, nextYear)); refused != "licence.unstudied" {
			t.Errorf("more than before, by a study that is old: %q", refused)
		}
	})
}

func nextYear(l *licence.Licence) {
	l.From, l.Until, l.Issued = l.From.AddDate(0, 0, 370), l.Until.AddDate(0, 0, 370), l.Issued.AddDate(0, 0, 370)
}

// Somebody answers for going without a study: that is said on both servers, and outlasts a restart,
// until a study comes, or the level is left.
func TestSomebodyAnswersForGoingWithoutAStudy(t *testing.T) {
	play(t, func(t *testing.T) {
		main, secondary := newBare(t, releve.Main), newBare(t, releve.Secondary)
		main.other, secondary.other = secondary, main
		main.start()
		secondary.start()
		word := view.Installing{WithoutStudy: "A. Durand"}
		for serial, level := range map[string]releve.Level{"1": base, "2": ha} {
			if _, refused := main.hand(of(t, serial, level, 20), word); refused != "" {
				t.Errorf("%s: %q", level, refused)
			}
		}
		main.stop()
		main.start()
		for _, m := range []*machine{main, secondary} {
			if m.said() != "study-vouched-for study-vouched-for" || !m.papers(ha).Study.There || m.papers(ha).Study.What.Args["name"] != "A. Durand" {
				t.Errorf("the %s says %q, %+v", m.seat, m.said(), m.papers(ha))
			}
		}
		if !slices.Contains(secondary.events(), "warning study-vouched-for") {
			t.Errorf("told %v", secondary.events())
		}
		main.runsAt(base)
		secondary.runsAt(base)
		pass(2 * time.Minute)
		for _, m := range []*machine{main, secondary} {
			if m.said() != "study-vouched-for" || m.papers(ha).Study.There || !m.papers(base).Study.There {
				t.Errorf("the level is left, and the %s says %q, %+v", m.seat, m.said(), m.papers(ha))
			}
		}
		if err := secondary.keeper.Vouch(releve.HighAvailability, "B. Petit"); err != nil || !secondary.papers(ha).Study.There {
			t.Errorf("%v, %+v", err, secondary.papers(ha))
		}
		pass(2 * time.Minute)
		if !main.papers(ha).Study.There {
			t.Errorf("the main was not told: %+v", main.papers(ha))
		}
		main.adopt(signedStudy(time.Now()), false)
		for _, m := range []*machine{main, secondary} {
			if m.said() != "" || m.papers(ha).Study.What.Code != "paper-studied" {
				t.Errorf("with a study the %s says %q, %+v", m.seat, m.said(), m.papers(ha))
			}
		}
	})
}

// What is kept and cannot be read is said, and brought back from the other server.
func TestAStudyThatCannotBeReadIsBroughtBack(t *testing.T) {
	play(t, func(t *testing.T) {
		main, secondary := newPair(t)
		main.put("study.json", []byte("{"))
		main.start()
		if main.notice("licences study").Code != "licence-disk" || main.papers(ha).Study.There {
			t.Errorf("it shows %v, %+v", main.notice("licences study"), main.papers(ha))
		}
		secondary.start()
		pass(2 * time.Minute)
		kept, err := os.ReadFile(filepath.Join(main.dir, "study.json"))
		if main.notice("licences study").Code != "" || !main.papers(ha).Study.There || err != nil || !json.Valid(kept) {
			t.Errorf("it shows %v, %+v, and keeps %q", main.notice("licences study"), main.papers(ha), kept)
		}
	})
}
