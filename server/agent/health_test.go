package agent_test

import (
	"fmt"
	"releve/proof/sim"
	"testing"
	"time"

	"releve"
	"releve/rules/takeover"
)

var errSlowDisk = fmt.Errorf("%w: the disk did not take a write", releve.ErrSlow)

// A disk that is only slow has some seconds to pass. One that stays slow is relieved by a
// mirror that has everything (R12, R17).
func TestADiskThatStaysSlowIsRelieved(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		s.Main().SickenDatabase(errSlowDisk)
		s.Stays("the main serves, and its alarm is raised", 3*time.Second, s.Main().Serves)
		if kept := s.Main().Said("event-database-ill"); len(kept) != 1 {
			t.Errorf("the alarm was raised %d times", len(kept))
		}
		s.Until("the secondary serves", 10*time.Second, s.Secondary().Serves)
	})
}

func TestADiskThatWasSlowForAMomentChangesNothing(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		s.Main().SickenDatabase(errSlowDisk)
		s.Stays("the main serves", 3*time.Second, s.Main().Serves)
		s.Main().SickenDatabase(nil)
		s.Until("the alarm is cleared", 3*time.Second, func() bool { return len(s.Main().Said("event-database-well")) == 1 })
		s.Stays("protected", 20*time.Second, s.Protected)
	})
}

// Where nobody has the data as well, a slow database is better than one that is started
// again and again.
func TestASlowDatabaseThatNobodyCanRelieveIsLeftAlone(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		s.Secondary().BreakDatabase("disk full")
		s.Until("commits go on", 3*time.Second, s.Main().Commit)
		started := s.Main().Outside().Starts
		s.Main().SickenDatabase(errSlowDisk)
		s.Stays("the main commits", 30*time.Second, func() bool {
			return s.Main().Commit() && s.Main().Phase() == takeover.Serving && s.Main().Outside().Starts == started
		})
	})
}
