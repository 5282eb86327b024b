package study

import (
	"slices"
	"strconv"
	"time"

	"releve"
)

// lasts is for how long a study comes before a level: what was measured does not stay so for ever.
const lasts = 1 // year

// Place is what a study must have been made of, to be one of this site.
type Place struct {
	Main, Secondary string // addresses; "": not known, and any will do
	Channels        int
}

// ErrUnfit is the cause of all for which a study does not come before a level. The sentence beside
// it says what.
var ErrUnfit = releve.Refused(releve.ErrForbidden, "this study does not come before that level")

func unfit(code string, pairs ...string) error {
	return &releve.Fault{Cause: ErrUnfit, Why: releve.Say(code, pairs...)}
}

// Before says why a study does not come before a level at this site (SPEC E4), nil where it does:
// it found the level feasible, both parties signed that, and it is not older than a year.
func Before(s releve.Study, level releve.Level, here Place, now time.Time) error {
	if err := Valid(s, here, now); err != nil {
		return err
	}
	i := slices.IndexFunc(s.Levels, func(l releve.StudyLevel) bool { return l.Level == level })
	switch {
	case i < 0 || s.Levels[i].Verdict == releve.NotDecided:
		return unfit("study.not-decided", "level", string(level))
	case s.Levels[i].Verdict != releve.Feasible:
		return unfit("study.not-feasible", "level", string(level))
	case here.Secondary != "" && level != releve.Base && s.Question.Secondary != here.Secondary:
		return unfit("study.elsewhere", "address", s.Question.Secondary, "here", here.Secondary)
	}
	return nil
}

// Valid says why a study comes before no level of this site, whatever it found; nil: it may.
func Valid(s releve.Study, here Place, now time.Time) error {
	missing, changed := Unsigned(s)
	switch {
	case changed:
		return unfit("study.changed")
	case len(missing) > 0:
		return unfit("study.unsigned", "party", string(missing[0]))
	case now.After(s.At.AddDate(lasts, 0, 0)):
		return unfit("study.old", "date", s.At.UTC().Format(time.DateOnly))
	case here.Main != "" && s.Question.Main != here.Main:
		return unfit("study.elsewhere", "address", s.Question.Main, "here", here.Main)
	case here.Channels > s.Question.Channels:
		return unfit("study.channels", "studied", strconv.Itoa(s.Question.Channels), "configured", strconv.Itoa(here.Channels))
	}
	return nil
}
