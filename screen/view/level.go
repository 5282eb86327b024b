package view

import (
	"slices"

	"releve"
)

// Levels is the level of a site beside those at which it could run.
type Levels struct {
	Level releve.Level `json:"level"`
	Could []Could      `json:"levels"` // from the ground up

	Papers []Cleared `json:"papers,omitempty"` // what each asks for, as far as this server has looked
}

// Could is one level, with what each server's configuration lacks for it: no list where nothing is
// known of a server, an empty one where it lacks nothing.
type Could struct {
	Level     releve.Level `json:"level"`
	Main      []string     `json:"main_lacks"`
	Secondary []string     `json:"secondary_lacks"`
}

// LevelsOf is what a site says of its levels.
func LevelsOf(s Site) Levels {
	l := Levels{Level: s.Level}
	if s.Licences != nil {
		l.Papers = s.Licences.Levels
	}
	for _, level := range releve.Levels() {
		l.Could = append(l.Could, Could{level, lacks(s.Main, level), lacks(s.Secondary, level)})
	}
	return l
}

func lacks(s Server, level releve.Level) []string {
	i := slices.IndexFunc(s.Levels, func(f releve.LevelFit) bool { return f.Level == level })
	if !s.Heard || i < 0 {
		return nil
	}
	return append([]string{}, s.Levels[i].Lacks...)
}
