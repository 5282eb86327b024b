package agent_test

import (
	"fmt"
	"testing"
	"time"

	"releve/rules/takeover"
	"releve/server/agent"
)

var errSlowDisk = fmt.Errorf("%w: the disk did not take a write", agent.ErrSlow)

// A disk that is only slow has some seconds to pass. One that stays slow is relieved by a
// mirror that has everything (R12, R17).
func TestADiskThatStaysSlowIsRelieved(t *testing.T) {
	playProtected(t, func(t *testing.T, s *site) {
		s.change(func() { s.main().postgres.ill = errSlowDisk })
		s.stays("the main serves, and its alarm is raised", 3*time.Second, s.main().serves)
		if kept := s.main().diary.of("event-database-ill"); len(kept) != 1 {
			t.Errorf("the alarm was raised %d times", len(kept))
		}
		s.until("the secondary serves", 10*time.Second, s.secondary().serves)
	})
}

func TestADiskThatWasSlowForAMomentChangesNothing(t *testing.T) {
	playProtected(t, func(t *testing.T, s *site) {
		s.change(func() { s.main().postgres.ill = errSlowDisk })
		s.stays("the main serves", 3*time.Second, s.main().serves)
		s.change(func() { s.main().postgres.ill = nil })
		s.until("the alarm is cleared", 3*time.Second, func() bool { return len(s.main().diary.of("event-database-well")) == 1 })
		s.stays("protected", 20*time.Second, s.protected)
	})
}

// Where nobody has the data as well, a slow database is better than one that is started
// again and again.
func TestASlowDatabaseThatNobodyCanRelieveIsLeftAlone(t *testing.T) {
	playProtected(t, func(t *testing.T, s *site) {
		s.secondary().abdicate()
		s.until("commits go on", 3*time.Second, s.main().commit)
		started := s.main().postgres.Exited()
		s.change(func() { s.main().postgres.ill = errSlowDisk })
		s.stays("the main commits", 30*time.Second, func() bool {
			return s.main().commit() && s.phase(s.main()) == takeover.Serving && s.main().postgres.Exited() == started
		})
	})
}
