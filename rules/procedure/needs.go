package procedure

import (
	"maps"

	"releve"
)

// needs are what a level asks for, each with what there is of it (SPEC V1): the second server, on
// both a version and a file that know the level, and where the site is raised its papers.
func needs(s Site, t releve.Seat, to releve.Level) (all []Need) {
	owner, other := s[t.Other()], s[t]
	if to != releve.Base {
		is := releve.Say("need-second-heard", "seat", string(t))
		if !other.Heard {
			is = sayOf("before-not-heard", t)[0]
		}
		all = append(all, Need{What: releve.Say("need-second"), Met: other.Heard, Is: is})
	}
	var lacking []releve.Sentence
	lacking = append(lacking, lacks(owner, t.Other(), to)...)
	if to != releve.Base && other.Heard {
		lacking = append(lacking, lacks(other, t, to)...)
	}
	version := Need{What: releve.Say("need-version"), Met: len(lacking) == 0, Is: releve.Say("need-version-known")}
	if !version.Met {
		version.Is = lacking[0]
	}
	all = append(all, version)
	if owner.Level.Raises(to) {
		papers := s[t].Papers[to]
		papers.Licence.What, papers.Study.What = releve.Say("need-licence"), releve.Say("need-study")
		all = append(all, papers.Licence, papers.Study)
	}
	return all
}

// unpapered is what of a level's papers is not there, where the site is raised to it. To lower it
// asks for nothing.
func unpapered(s Site, t releve.Seat, to releve.Level) (why []releve.Sentence) {
	papers, level := s[t].Papers[to], string(to)
	if !s[t.Other()].Level.Raises(to) {
		return nil
	}
	if !papers.Licence.Met {
		why = append(why, releve.Say("before-level-licence", "level", level, "why", papers.Licence.Is.Args["why"]))
	}
	if !papers.Study.Met {
		why = append(why, releve.Say("before-level-study", "level", level, "why", papers.Study.Is.Args["why"]))
	}
	return why
}

// RestsOnWord says whether this procedure raises the level on an operator's word, by his name: no
// study comes before it.
func (p Procedure) RestsOnWord(s Site, t releve.Seat, name string) bool {
	return name != "" && p.Level != "" && s[t.Other()].Level.Raises(p.Level) && !s[t].Papers[p.Level].Study.Met
}

// OnWord is a server with an operator's word in the place of the study that is not there.
func (p Procedure) OnWord(s Server, name string) Server {
	of := s.Papers[p.Level]
	if name == "" || p.Level == "" || of.Study.Met {
		return s
	}
	papers := maps.Clone(s.Papers)
	of.Study = Need{Met: true, Is: releve.Say("paper-vouched", "name", name)}
	if papers == nil {
		papers = map[releve.Level]Papers{}
	}
	papers[p.Level] = of
	s.Papers = papers
	return s
}
