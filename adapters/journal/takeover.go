package journal

import (
	"context"
	"encoding/json"
	"os"

	"releve"
	"releve/rules/takeover"
)

// Takeover is a journal in the words of package takeover.
type Takeover struct{ *Journal }

// Load is what was last saved; known is false when nothing ever was.
func (t Takeover) Load() (d takeover.Durable, known bool, err error) {
	raw, known, err := t.Journal.Load()
	if err != nil || !known {
		return takeover.Durable{}, false, err
	}
	return d, true, json.Unmarshal(raw, &d)
}

// LevelAt is the level to which an operator has taken the site while it ran, by the journal in dir; ""
// where none did, or where it cannot tell: whoever opens it says why. Nothing is made there.
func LevelAt(dir, site string, seat releve.Seat) releve.Level {
	if _, err := os.Stat(dir); err != nil {
		return ""
	}
	j, err := Open(dir, site, seat)
	if err != nil {
		return ""
	}
	d, _, _ := Takeover{j}.Load()
	return d.Level
}

// Save is [Journal.SaveWithin].
func (t Takeover) Save(ctx context.Context, d takeover.Durable) error {
	return t.SaveWithin(ctx, d)
}
