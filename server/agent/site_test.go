package agent_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"go.uber.org/goleak"

	"releve"
	"releve/proof/sim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// playProtected runs a story that begins on a protected site.
func playProtected(t *testing.T, story func(*testing.T, *sim.Site)) {
	t.Helper()
	sim.PlayProtected(t, sim.Config{}, story)
}

// errOwnCall is what a PBX says that gives our own calls to nobody: then only a
// caller's overflow is proof.
var errOwnCall = errors.New("480 Temporarily Unavailable")

// answered has so many callers call the reception, and waits until the main talks to them all.
func answered(s *sim.Site, callers int) {
	for n := range callers {
		s.Call(releve.CallID(fmt.Sprintf("caller-%d@pbx", n)))
	}
	s.Until("all callers are answered", time.Second, func() bool { return s.Main().Agent().View().Main.ChannelsBusy == callers })
}

// evidence are the codes of an entry's evidence.
func evidence(e releve.Entry) []string {
	var codes []string
	for _, s := range e.Evidence {
		codes = append(codes, s.Code)
	}
	return codes
}
