package agent

import (
	"context"
	"time"

	"releve"
	"releve/rules/procedure"
)

// callAgain is how long after a test call in vain the next one is made: the duty is on its way.
const callAgain = 200 * time.Millisecond

// firstCallAt has a server call the reception until the other one answers, and says at which
// moment that was, by this server's clock: whoever ordered a takeover measures by it.
func (g guided) firstCallAt(ctx context.Context, at releve.Seat) (releve.Sentence, error) {
	for {
		placed := time.Now()
		found, err := g.provenAt(ctx, at, procedure.TestCall)
		if err == nil {
			answered, _ := time.ParseDuration(found.Args["answered"]) // 0 of a server that does not say it
			return releve.Say("found-first-call", "at", placed.Add(answered).UTC().Format(time.RFC3339Nano),
				"answered", found.Args["answered"], "sound", found.Args["sound"], "by", found.Args["by"]), nil
		}
		if !pause(ctx, callAgain, nil) {
			return releve.Sentence{}, err
		}
	}
}
