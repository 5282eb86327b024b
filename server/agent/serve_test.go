package agent_test

import (
	"errors"
	"testing"

	"releve"
	"releve/rules/takeover"
	"releve/server/agent"
)

// What rests on an operator's word is not taken from the other server.
func TestNoServerForcesAnother(t *testing.T) {
	for _, c := range []takeover.Command{takeover.Solo, takeover.Take, takeover.Abdicate, takeover.Stop} {
		a := agent.New(agent.NewFront(agent.FrontOptions{}), agent.Options{})
		if err := a.Carried(t.Context(), string(c), nil); !errors.Is(err, releve.ErrUnknown) {
			t.Errorf("%s over the link: %v", c, err)
		}
	}
}
