package agent_test

import (
	"fmt"
	"testing"
	"time"

	"releve"
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

// A server looks at its database half as often while nobody waits for anything.
func TestACalmSiteIsLookedAtHalfAsOften(t *testing.T) {
	const looks, seldom, often = 20, 22, 35 // of those that are half a second apart
	for _, c := range []struct {
		story string
		each  func(s *sim.Site, look int)
		calm  bool
	}{
		{"nobody calls", func(*sim.Site, int) {}, true},
		{"callers talk", func(s *sim.Site, look int) { s.Call(releve.CallID(fmt.Sprintf("caller-%d@pbx", look))) }, false},
		{"facts wait", func(s *sim.Site, look int) {
			if look == 0 {
				s.Main().LockRecords()
			}
			s.Main().Record(1)
		}, false},
		{"the mirror is away", func(s *sim.Site, _ int) { s.Secondary().BreakStream() }, false},
	} {
		playProtected(t, func(t *testing.T, s *sim.Site) {
			s.Until("both settled", 2*time.Second, bothSettled(s))
			before := s.Main().Outside().Looked
			for look := range looks {
				c.each(s, look)
				time.Sleep(500 * time.Millisecond)
			}
			if n := s.Main().Outside().Looked - before; c.calm && n > seldom || !c.calm && n < often {
				t.Errorf("%s: the main looked %d times\n%s", c.story, n, s.Trace())
			}
		})
	}
}
