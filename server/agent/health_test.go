package agent_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"releve"
	"releve/proof/sim"
	"releve/rules/takeover"
	"releve/screen/view"
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
		s.Until("the other has heard of it", time.Second, s.Protected)
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

// illAs says that a server shows an owner whose database is ill, with the reason.
func illAs(of *sim.Server, code string) func() bool {
	return func() bool {
		v := of.Agent().View()
		return v.Main.Data.State == releve.TierDegraded && v.Main.Data.Why.Code == code && v.Word == view.NotProtected && v.Why.Code == code
	}
}

// An illness is shown for as long as it lasts, whether or not anything is decided by it: a
// PostgreSQL that begins no session any more was called well while nobody could relieve it.
func TestAnIllnessIsShownWhereNobodyCanRelieve(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		s.Secondary().BreakDatabase("disk full")
		s.Until("commits go on", 3*time.Second, s.Main().Commit)
		s.Main().SickenDatabase(errSlowDisk)
		for _, shown := range s.Both() {
			s.Until("it is shown", 3*time.Second, illAs(shown, "event-database-ill"))
		}
		s.Stays("it is shown", 30*time.Second, illAs(s.Main(), "event-database-ill"))
		s.Main().SickenDatabase(nil)
		well := func() bool { return s.Main().Agent().View().Main.Data.State == releve.TierWell }
		s.Until("it is well", 3*time.Second, well)
		s.Stays("it stays well", 5*time.Second, well)
	})
}

// What is wrong may be what a job waits for: nobody looked while one was under way.
func TestAnIllnessIsSeenWhileAJobIsUnderWay(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		s.Main().DelayGate(30 * time.Second)
		s.Main().Crash()
		s.Main().Start()
		s.Until("the main opens its gate", 5*time.Second, func() bool { return s.Main().Agent().Machine().Job == takeover.JobOpen })
		fault := &releve.Fault{Cause: errors.New("it takes no new session"), Why: releve.Say("database-no-answer", "limit", "1s")}
		s.Main().SickenDatabase(fmt.Errorf("%w: %w", releve.ErrSlow, fault))
		s.Until("it is shown", 3*time.Second, illAs(s.Main(), "database-no-answer"))
		s.Stays("it is shown", 10*time.Second, illAs(s.Main(), "database-no-answer"))
		if kept := s.Main().Said("database-no-answer"); len(kept) != 1 {
			t.Errorf("the alarm was raised %d times", len(kept))
		}
		s.Main().SickenDatabase(nil)
		s.Until("protected again", 40*time.Second, s.Protected)
	})
}

// The copy's illness is the site's: nobody could take over.
func TestTheIllnessOfTheCopyIsShown(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		s.Secondary().SickenDatabase(errSlowDisk)
		s.Until("it is shown", 3*time.Second, func() bool {
			v := s.Main().Agent().View()
			return v.Secondary.Data.State == releve.TierDegraded && v.Word == view.NotProtected
		})
	})
}
