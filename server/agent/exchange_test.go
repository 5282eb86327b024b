package agent_test

import (
	"testing"
	"time"

	"releve/proof/sim"
)

// A standby asks the main several times a second whether it can take a call: both words travel
// with that, and neither asks for the other's besides; only where the other, of an earlier
// version, does not answer with one.
func TestTheWordsOfBothTravelWithTheWatch(t *testing.T) {
	const span = 10 * time.Second
	for _, former := range []bool{false, true} {
		playProtected(t, func(t *testing.T, s *sim.Site) {
			if former {
				s.Main().Predate()
			}
			s.Until("both settled", 2*time.Second, bothSettled(s))
			servers := []*sim.Server{s.Main(), s.Secondary()}
			before := []int{s.Main().Outside().Exchanged, s.Secondary().Outside().Exchanged}
			s.Stays("each hears the other", span, func() bool {
				return s.Main().Agent().OtherHeard() && s.Secondary().Agent().OtherHeard()
			})
			for i, server := range servers {
				if n := server.Outside().Exchanged - before[i]; former && n < 20 || !former && n > 1 {
					t.Errorf("in %v server %d asked %d times, former version %v\n%s", span, i, n, former, s.Trace())
				}
			}
		})
	}
}
