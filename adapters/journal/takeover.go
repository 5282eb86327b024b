package journal

import (
	"context"
	"encoding/json"

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

// Save is [Journal.SaveWithin].
func (t Takeover) Save(ctx context.Context, d takeover.Durable) error {
	return t.SaveWithin(ctx, d)
}
