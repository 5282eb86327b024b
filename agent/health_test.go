package agent_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"releve"
	"releve/agent"
	"releve/takeover"
	"releve/view"
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
		s.until("the other has heard of it", time.Second, s.protected)
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

// illAs says that a server shows an owner whose database is ill, with the reason.
func (s *site) illAs(of *server, code string) func() bool {
	return func() bool {
		v := of.agent.View()
		return v.Main.Data.State == view.TierDegraded && v.Main.Data.Why.Code == code && v.Word == view.NotProtected && v.Why.Code == code
	}
}

// An illness is shown for as long as it lasts, whether or not anything is decided by it: a
// PostgreSQL that begins no session any more was called well while nobody could relieve it.
func TestAnIllnessIsShownWhereNobodyCanRelieve(t *testing.T) {
	playProtected(t, func(t *testing.T, s *site) {
		s.secondary().abdicate()
		s.until("commits go on", 3*time.Second, s.main().commit)
		s.change(func() { s.main().postgres.ill = errSlowDisk })
		for _, shown := range []*server{s.main(), s.secondary()} {
			s.until("it is shown", 3*time.Second, s.illAs(shown, "event-database-ill"))
		}
		s.stays("it is shown", 30*time.Second, s.illAs(s.main(), "event-database-ill"))
		s.change(func() { s.main().postgres.ill = nil })
		s.until("it is well", 3*time.Second, func() bool { return s.main().agent.View().Main.Data.State == view.TierWell })
		s.stays("it stays well", 5*time.Second, func() bool { return s.main().agent.View().Main.Data.State == view.TierWell })
	})
}

// What is wrong may be what a job waits for: nobody looked while one was under way.
func TestAnIllnessIsSeenWhileAJobIsUnderWay(t *testing.T) {
	playMirroring(t, func(t *testing.T, s *site) {
		s.secondary().kill()
		s.until("commits go on", 5*time.Second, s.main().commit)
		s.change(func() { s.main().store.hangs = true })
		s.secondary().start()
		s.until("the barrier is under way", 10*time.Second, func() bool { return s.main().agent.Machine().Job == takeover.JobBarrier })
		fault := &view.Fault{Cause: errors.New("it takes no new session"), Why: view.Say("database-no-answer", "limit", "1s")}
		s.change(func() { s.main().postgres.ill = fmt.Errorf("%w: %w", agent.ErrSlow, fault) })
		s.until("it is shown", 3*time.Second, s.illAs(s.main(), "database-no-answer"))
		s.stays("it is shown", 20*time.Second, s.illAs(s.main(), "database-no-answer"))
		if kept := s.main().diary.of("database-no-answer"); len(kept) != 1 {
			t.Errorf("the alarm was raised %d times", len(kept))
		}
		s.change(func() { s.main().postgres.ill, s.main().store.hangs = nil, false })
		s.until("protected again", 20*time.Second, s.protected)
	})
}

// The copy's illness is the site's: nobody could take over.
func TestTheIllnessOfTheCopyIsShown(t *testing.T) {
	playProtected(t, func(t *testing.T, s *site) {
		s.change(func() { s.secondary().postgres.ill = errSlowDisk })
		s.until("it is shown", 3*time.Second, func() bool {
			v := s.main().agent.View()
			return v.Secondary.Data.State == view.TierDegraded && v.Word == view.NotProtected && v.Secondary.Seat == releve.Secondary
		})
	})
}
