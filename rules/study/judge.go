package study

import (
	"math"
	"slices"
	"strings"

	"releve"
)

// Item names one thing to be measured.
type Item struct {
	Check string
	Seat  releve.Seat
	About string
}

func itemOf(m releve.Measurement) Item { return Item{m.Check, m.Seat, m.About} }

// Judge gives each prerequisite of a site its verdict, and each level its own. What nobody
// measured is a finding too: a level that needs it is not feasible by silence.
func Judge(q releve.StudyQuestion, taken []releve.Measurement) ([]releve.Finding, []releve.StudyLevel) {
	by := map[Item]releve.Measurement{}
	for _, m := range taken {
		by[itemOf(m)] = m
	}
	var findings []releve.Finding
	for _, c := range Table() {
		for _, item := range c.items(q) {
			m, found := by[item]
			if !found {
				m = releve.Measurement{Check: item.Check, Seat: item.Seat, About: item.About, State: releve.Unmeasured, Why: releve.Say("study-not-reached")}
			}
			findings = append(findings, c.judge(q, m))
		}
	}
	return findings, levels(q, findings)
}

// items are what is to be measured of a check. A level needs the secondary also where there
// is none yet: then it was not measured.
func (c Check) items(q releve.StudyQuestion) (items []Item) {
	where := c.Where
	if where == nil {
		where = []releve.Seat{releve.Main, releve.Secondary}
	}
	about := []string{""}
	if c.About != nil {
		about = slices.Compact(slices.Sorted(slices.Values(c.About(q))))
	}
	for _, a := range about {
		for _, seat := range where {
			if seat == releve.Main || q.Secondary != "" || len(c.Secondary) > 0 {
				items = append(items, Item{c.ID, seat, a})
			}
		}
	}
	return items
}

func (c Check) judge(q releve.StudyQuestion, m releve.Measurement) releve.Finding {
	f := releve.Finding{Measurement: m, Unit: c.Unit, Levels: c.Main}
	if m.Seat == releve.Secondary {
		f.Levels = c.Secondary
	}
	if c.Bounds != nil {
		f.Good, f.Least = c.Bounds(q)
	}
	f.Verdict, f.Why = c.verdict(q, m)
	if len(f.Levels) == 0 && f.Verdict == releve.StudyFailed {
		f.Verdict = releve.StudyPoor
	}
	if f.Who == "" && f.Verdict != releve.StudyOK {
		f.Who = c.Who
	}
	return f
}

func (c Check) verdict(q releve.StudyQuestion, m releve.Measurement) (releve.StudyVerdict, releve.Sentence) {
	switch {
	case m.State == releve.Broken:
		return releve.StudyFailed, m.Why
	case m.State != releve.Measured, math.IsNaN(m.Value):
		return releve.StudyUnmeasured, m.Why
	case c.Weigh != nil:
		return c.Weigh(q, m)
	case c.Bounds == nil:
		return releve.StudyOK, m.Why
	}
	good, least := c.Bounds(q)
	value := math.Abs(m.Value)
	if c.More {
		good, least, value = -good, -least, -value
	}
	why := releve.Say("study-why-" + c.ID)
	switch {
	case value <= good:
		return releve.StudyOK, releve.Sentence{}
	case value <= least:
		return releve.StudyPoor, why
	}
	return releve.StudyFailed, why
}

func levels(q releve.StudyQuestion, findings []releve.Finding) (verdicts []releve.StudyLevel) {
	for _, level := range all {
		v := releve.StudyLevel{Level: level, Verdict: releve.Feasible, Resources: resources(q, level)}
		for i, f := range findings {
			if !slices.Contains(f.Levels, level) {
				continue
			}
			switch f.Verdict {
			case releve.StudyFailed:
				v.Failed = append(v.Failed, i)
			case releve.StudyUnmeasured:
				v.Unknown = append(v.Unknown, i)
			case releve.StudyPoor:
				v.Poor = append(v.Poor, i)
			}
		}
		switch {
		case len(v.Failed) > 0:
			v.Verdict = releve.NotFeasible
		case len(v.Unknown) > 0:
			v.Verdict = releve.NotDecided
		}
		verdicts = append(verdicts, v)
	}
	return verdicts
}

// resources are what a level takes of each server (SPEC E4).
func resources(q releve.StudyQuestion, level releve.Level) []releve.StudyResource {
	_, cores := processors(q)
	of := func(seat releve.Seat, users int) releve.StudyResource {
		return releve.StudyResource{
			Seat: seat, Processors: int(cores), Memory: memoryOfServer + int64(q.Channels)*memoryOfChannel, Disk: diskOfServer, Users: users,
		}
	}
	main := of(releve.Main, 1)
	switch level {
	case releve.Base:
		return []releve.StudyResource{main}
	case releve.HighAvailability: // each server has a user of its own (SPEC L2)
		return []releve.StudyResource{main, of(releve.Secondary, 1)}
	}
	return []releve.StudyResource{main, of(releve.Secondary, 0)}
}

// Holds says that a prerequisite is there.
func Holds(f releve.Finding) bool {
	return f.Verdict == releve.StudyOK || f.Verdict == releve.StudyPoor
}

// Compare tells which prerequisites of an earlier study were lost since, and which are there
// that were not. What only one of them asked for is left out: the question has changed.
func Compare(before, now releve.Study) (lost, gained []releve.StudyChange) {
	then := map[Item]releve.Finding{}
	for _, f := range before.Findings {
		then[itemOf(f.Measurement)] = f
	}
	for _, f := range now.Findings {
		old, both := then[itemOf(f.Measurement)]
		switch {
		case !both || len(f.Levels) == 0:
		case Holds(old) && !Holds(f):
			lost = append(lost, releve.StudyChange{Before: old, Now: f})
		case !Holds(old) && Holds(f):
			gained = append(gained, releve.StudyChange{Before: old, Now: f})
		}
	}
	return lost, gained
}

// Best is the highest level that a study found feasible, "" where none is.
func Best(s releve.Study) (best releve.Level) {
	for _, level := range s.Levels {
		if level.Verdict == releve.Feasible {
			best = level.Level
		}
	}
	return best
}

// OfPBX are the prerequisites of the PBX that a server measures by registrations and calls.
func OfPBX(q releve.StudyQuestion, seat releve.Seat) (items []Item) {
	for _, c := range Table() {
		if !strings.HasPrefix(c.ID, "pbx-") || c.ID == "pbx-answers" {
			continue
		}
		for _, item := range c.items(q) {
			if item.Seat == seat {
				items = append(items, item)
			}
		}
	}
	return items
}
