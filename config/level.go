package config

import (
	"slices"

	"releve"
)

// Mute says that this server takes no calls: at base and mirroring the secondary is at most the
// second machine of the database and has no telephone (SPEC §2).
func (c Config) Mute() bool {
	return c.Site.Seat == releve.Secondary && (c.Site.Level == releve.Base || c.Site.Level == releve.Mirroring)
}

// Silent says that this server opens no telephone by itself when it starts: it has none, or has one
// only while it is on duty (SPEC B3).
func (c Config) Silent() bool { return c.Mute() || c.Site.Level == releve.Backup }

// oneVoice says that one server at a time answers calls, and nobody takes over from it.
func (c Config) oneVoice() bool {
	return c.Site.Level == releve.Base || c.Site.Level == releve.Mirroring || c.Site.Level == releve.Backup
}

// runAt: where one server alone answers, it decides alone, too.
func (c *Config) runAt(level releve.Level) {
	c.Site.Level = level
	if c.oneVoice() {
		c.Site.Arbiter = releve.Pair
	}
}

// unused are the tables and keys that a server has no use for at its level. They may
// stand in its file all the same: both files of a site look alike, and the level can be
// changed by one line of each (SPEC V1).
func (c Config) unused() []string {
	switch {
	case c.Mute():
		return []string{"pbx", "sip", "attendant", "takeover", "drill", "lines"}
	case c.oneVoice():
		return []string{"pbx.standby_user", "pbx.standby_password", "sip.other", "takeover", "drill"}
	}
	return nil
}

// forgetUnused makes what is not used as if the file did not say it, so that nothing
// goes by a value that was never checked.
func (c *Config) forgetUnused() {
	d := Defaults()
	known, defaults := fieldsOf(c), fieldsOf(&d)
	for _, key := range c.unused() {
		known[key].Set(defaults[key])
	}
}

// Prepared is a configuration with what its file holds for other levels, so that the level can be
// changed while the server runs.
type Prepared struct {
	Config
	Levels []releve.LevelFit // each level that can be run, with what the file lacks for it
}

// CanRun says that the file lacks nothing for a level.
func (p Prepared) CanRun(at releve.Level) bool {
	return slices.ContainsFunc(p.Levels, func(f releve.LevelFit) bool { return f.Level == at && len(f.Lacks) == 0 })
}

// Prepare finds out for which levels a file has what they need, beside that of c, which was read from
// it without a mistake. What the highest of them uses is
// taken from the file beside what c says, where it is without a mistake.
func Prepare(file string, c Config) Prepared {
	p, higher := Prepared{Config: c}, false
	for _, level := range releve.Levels() {
		fit := releve.LevelFit{Level: level}
		if level == c.Site.Level { // the file was read for it
			p.Levels, higher = append(p.Levels, fit), true
			continue
		}
		at, mistakes := LoadAt(file, level)
		_, mistakes = Borne(mistakes)
		for _, m := range mistakes {
			if !slices.Contains(fit.Lacks, m.Key) {
				fit.Lacks = append(fit.Lacks, m.Key)
			}
		}
		if higher && len(mistakes) == 0 {
			p.Config, p.Site = at, c.Site
		}
		p.Levels = append(p.Levels, fit)
	}
	return p
}

// Unused are the tables and keys of a server's file that it has no use for at its
// level, in the order of the file. Their values were not checked.
func Unused(file string, c Config) (names []string) {
	text, err := readFile(file)
	if err != nil {
		return nil
	}
	unused := c.unused()
	entries, _ := parse(text)
	for _, e := range entries {
		if slices.Contains(unused, e.key) && !slices.Contains(names, e.key) {
			names = append(names, e.key)
		}
	}
	return names
}
