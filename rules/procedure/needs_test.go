package procedure_test

import (
	"strings"
	"testing"

	"releve"
	"releve/rules/procedure"
	"releve/rules/takeover"
)

// atLevel is a site at a level, the main on duty and all well, with these papers.
func atLevel(level releve.Level, papers map[releve.Level]procedure.Papers) procedure.Site {
	duty := takeover.Status{Known: true, Owner: releve.Main, Term: 1, Level: level}
	main, other := duty, duty
	main.Seat, main.Phase, main.Serving, main.Gate, main.Vote = releve.Main, takeover.Serving, true, true, true
	other.Seat, other.Phase, other.Mute = releve.Secondary, takeover.Waiting, level != releve.HighAvailability
	return procedure.Site{
		releve.Main:      {Status: main, Heard: true, Lacks: whole, Papers: papers},
		releve.Secondary: {Status: other, Heard: true, Lacks: whole, Papers: papers},
	}
}

// codes are those of what forbids the procedure because of its papers.
func codes(p procedure.Procedure, s procedure.Site) string {
	var all []string
	for _, why := range p.Before(s, releve.Secondary) {
		if why.Code == "before-level-licence" || why.Code == "before-level-study" {
			all = append(all, why.Code)
		}
	}
	return strings.Join(all, " ")
}

// To raise the level asks for its licence and its study, or an operator's name in the study's place;
// to lower it asks for nothing.
func TestWhatARaisedLevelAsksFor(t *testing.T) {
	licensed := map[releve.Level]procedure.Papers{releve.HighAvailability: {Licence: procedure.Need{Met: true}}}
	for story, c := range map[string]struct {
		from    releve.Level
		to      procedure.Procedure
		papers  map[releve.Level]procedure.Papers
		word    string
		forbids string
		needs   int
		rests   bool
	}{
		"nothing is there":      {releve.Base, procedure.ToHighAvailability, nil, "", "before-level-licence before-level-study", 5, false},
		"a licence alone":       {releve.Base, procedure.ToHighAvailability, licensed, "", "before-level-study", 5, false},
		"and a name":            {releve.Mirroring, procedure.ToHighAvailability, licensed, "A", "", 5, true},
		"a name is no licence":  {releve.Base, procedure.ToMirroring, licensed, "A", "before-level-licence", 5, true},
		"all is there":          {releve.Base, procedure.ToMirroring, papered, "", "", 5, false},
		"… and a name too":      {releve.Base, procedure.ToMirroring, papered, "A", "", 5, false},
		"down":                  {releve.HighAvailability, procedure.ToMirroring, nil, "", "", 3, false},
		"down, and a name":      {releve.HighAvailability, procedure.ToBase, nil, "A", "", 2, false},
		"it is there already":   {releve.Mirroring, procedure.ToMirroring, nil, "", "", 3, false},
		"no change of the kind": {releve.Base, procedure.Switchover, nil, "A", "", 0, false},
	} {
		s := atLevel(c.from, c.papers)
		if c.to.RestsOnWord(s, releve.Secondary, c.word) != c.rests {
			t.Errorf("%s: rests on a word: %v", story, !c.rests)
		}
		s[releve.Secondary] = c.to.OnWord(s[releve.Secondary], c.word)
		if got := codes(c.to, s); got != c.forbids {
			t.Errorf("%s: forbidden by %q, not %q", story, got, c.forbids)
		}
		var needs []procedure.Need
		if c.to.Needs != nil {
			needs = c.to.Needs(s, releve.Secondary)
		}
		unmet := 0
		for _, n := range needs {
			if !n.Met {
				unmet++
			}
		}
		if want := len(strings.Fields(c.forbids)); len(needs) != c.needs || unmet != want {
			t.Errorf("%s: needs %+v", story, needs)
		}
	}
	s := atLevel(releve.Base, papered)
	silent := s[releve.Secondary]
	silent.Heard = false
	s[releve.Secondary] = silent
	main := s[releve.Main]
	main.Lacks = nil
	s[releve.Main] = main
	if needs := procedure.ToMirroring.Needs(s, releve.Secondary); needs[0].Met || !needs[1].Met || needs[2].Met || needs[2].Is.Code != "before-level-unknown" {
		t.Errorf("of a second server that is silent, and a version that does not know the level: %+v", needs)
	}
	main.Version.Number = "0.0.1"
	s[releve.Main] = main
	if needs := procedure.ToMirroring.Needs(s, releve.Secondary); needs[1].Met || needs[1].Is.Code != "before-level-version" {
		t.Errorf("of a version that is too old: %+v", needs)
	}
}
