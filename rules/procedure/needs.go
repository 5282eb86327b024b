package procedure

import (
	"maps"

	"releve"
	"releve/rules/version"
)

// needs are what a level asks for, each with what there is of it (SPEC V1): the second server, of both
// the version and the file, and where the site is raised its papers.
func needs(s Site, t releve.Seat, to releve.Level) (all []Need) {
	owner, other := s[t.Other()], s[t]
	add := func(what string, lacking []releve.Sentence, is releve.Sentence) {
		n := Need{What: releve.Say(what), Met: len(lacking) == 0, Is: is}
		if !n.Met {
			n.Is = lacking[0]
		}
		all = append(all, n)
	}
	old, files := version.ForLevel(t.Other(), owner.Version, to), lacks(owner, t.Other(), to)
	if to != releve.Base {
		var silent []releve.Sentence
		if other.Heard {
			old = append(append(old, version.ForLevel(t, other.Version, to)...), version.ForPair(t.Other(), owner.Version, other.Version)...)
			files = append(files, lacks(other, t, to)...)
		} else {
			silent = sayOf("before-not-heard", t)
		}
		add("need-second", silent, releve.Say("need-second-heard", "seat", string(t)))
	}
	add("need-version", old, releve.Say("need-version-is", "has", owner.Version.Number, "needs", version.Needs(to)))
	add("need-configuration", files, releve.Say("need-configuration-whole"))
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
