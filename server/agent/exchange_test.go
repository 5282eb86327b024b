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

// On a calm site the rounds of the watch fall on the beat on which everything else is looked at: a
// server pays for its wake-ups. None comes later for that than a round ended and a pause was over.
func TestTheWatchFallsOnTheBeat(t *testing.T) {
	const beat, moment = 500 * time.Millisecond, 5 * time.Millisecond
	playProtected(t, func(t *testing.T, s *sim.Site) {
		s.Until("both settled", 2*time.Second, bothSettled(s))
		time.Sleep(5 * beat) // a round that was off the beat comes to it
		standby := s.Secondary().Agent()
		var rounds int
		for last := standby.Machine().RoundBegan; rounds < 20; time.Sleep(time.Millisecond) {
			m := standby.Machine()
			if m.RoundBegan == last {
				continue
			}
			began := time.Now().Add(m.RoundBegan - standby.Now())
			if after := began.Sub(began.Truncate(beat)); after > moment || m.RoundBegan-last > beat+moment {
				t.Fatalf("a round begins %s after the beat, %s after the last one\n%s", after, m.RoundBegan-last, s.Trace())
			}
			last, rounds = m.RoundBegan, rounds+1
		}
	})
}

// However calm a site is, each loop takes a step within half a second: what time alone brings is
// seen, and a server that slept notices.
func TestACalmLoopTurnsTwiceASecond(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		s.Until("both settled", 2*time.Second, bothSettled(s))
		for range 10_000 {
			for _, server := range []*sim.Server{s.Main(), s.Secondary()} {
				if turned := server.Agent().Turned(); turned > 501*time.Millisecond {
					t.Fatalf("the loop took its last step %s ago\n%s", turned, s.Trace())
				}
			}
			time.Sleep(time.Millisecond)
		}
	})
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
