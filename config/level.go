package config

import (
	"slices"

	"releve"
)

// Mute says that this server takes no calls: at level mirroring the secondary is the
// second machine of the database and has no telephone (SPEC §2).
func (c Config) Mute() bool { return c.oneVoice() && c.Site.Seat == releve.Secondary }

// oneVoice says that one server alone answers calls, and nobody takes over from it.
func (c Config) oneVoice() bool { return c.Site.Level == releve.Mirroring }

// unused are the tables and keys that a server has no use for at its level. They may
// stand in its file all the same: both files of a site look alike, and the level can be
// changed by one line of each (SPEC V1).
func (c Config) unused() []string {
	switch {
	case c.Mute():
		return []string{"pbx", "sip", "attendant", "takeover"}
	case c.oneVoice():
		return []string{"pbx.standby_user", "pbx.standby_password", "sip.other", "takeover"}
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
