package agent_test

import (
	"testing"
	"time"

	"releve/proof/sim"
)

// A standby asks the main several times a second whether it can take a call: both words travel
// with that, and it exchanges them besides only where the other, of an earlier version, does not
// answer with one.
func TestTheWordsOfBothTravelWithTheWatch(t *testing.T) {
	const span = 10 * time.Second
	for _, former := range []bool{false, true} {
		playProtected(t, func(t *testing.T, s *sim.Site) {
			if former {
				s.Main().Predate()
			}
			s.Until("both settled", 2*time.Second, bothSettled(s))
			before := s.Secondary().Outside().Exchanged
			s.Stays("each hears the other", span, func() bool {
				return s.Main().Agent().OtherHeard() && s.Secondary().Agent().OtherHeard()
			})
			if n := s.Secondary().Outside().Exchanged - before; former && n < 20 || !former && n > 1 {
				t.Errorf("in %v the standby asked %d times, former version %v\n%s", span, n, former, s.Trace())
			}
		})
	}
}
