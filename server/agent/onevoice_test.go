package agent_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"releve"
	"releve/proof/sim"
	"releve/rules/takeover"
	"releve/screen/view"
)

// playMirroring runs a story at level mirroring: only the main answers calls.
func playMirroring(t *testing.T, story func(*testing.T, *sim.Site)) {
	t.Helper()
	sim.PlayProtected(t, sim.Config{Level: releve.Mirroring}, story)
}

// At level mirroring nobody could take over: the main keeps the vote, waits for its
// mirror while it is there, and goes on alone by itself when it is not (M4).
func TestAtLevelMirroringTheMainGoesSoloByItself(t *testing.T) {
	playMirroring(t, func(t *testing.T, s *sim.Site) {
		if s.Main().Outside().Lone {
			t.Error("in sync, the main acknowledges alone")
		}
		s.Secondary().Pause()
		s.Until("commits go on", 2*time.Second, s.Main().Commit)
		s.Stays("on duty", time.Minute, s.Main().Serves)
		s.Secondary().Resume()
		s.Until("protected again", 10*time.Second, s.Protected)
		if s.Main().Outside().Lone {
			t.Error("in sync again, the main acknowledges alone")
		}
	})
}

// The main dies: the mirror stays one, and nobody is asked anything.
func TestAtLevelMirroringTheSecondaryNeverTakesTheDuty(t *testing.T) {
	playMirroring(t, func(t *testing.T, s *sim.Site) {
		s.Main().Crash()
		s.Stays("a mirror", time.Minute, func() bool {
			m := s.Secondary().Agent().Machine()
			return m.Term == 1 && !m.Owns() && !m.WithoutDuty && m.Users() == takeover.Users{}
		})
		s.Main().Start()
		s.Until("protected again", 10*time.Second, s.Protected)
	})
}

// The main's database is lost: calls go on, and it comes back from the mirror by hand,
// in two steps (M5).
func TestALostDatabaseIsRestoredFromTheMirror(t *testing.T) {
	playMirroring(t, func(t *testing.T, s *sim.Site) {
		s.Main().Commit()
		s.Main().SickenDatabase(errors.New("the disk is full"))
		s.Main().BreakDatabase("the disk is full")
		s.Until("it is seen", 2*time.Second, func() bool { return !s.Main().Agent().Machine().DB.Up })
		if stance, _ := s.Main().Agent().Stance(); stance != takeover.OnDuty {
			t.Errorf("calls: %s", stance)
		}
		copied := s.Secondary().Outside().Data
		if err := s.Main().Agent().Order(t.Context(), string(takeover.Restore)); err != nil {
			t.Fatal(err)
		}
		s.Until("the main commits again", 20*time.Second, s.Main().Commit)
		if m := s.Main().Agent().Machine(); m.Term != 2 {
			t.Errorf("term %d", m.Term)
		}
		s.Stays("the mirror keeps what the database came from", 10*time.Second, func() bool {
			now := s.Secondary().Outside().Data
			return now == copied && s.Secondary().Phase() == takeover.Deposed
		})
		if err := s.Secondary().Agent().Order(t.Context(), string(takeover.Rejoin)); err != nil {
			t.Fatal(err)
		}
		s.Until("protected again", 20*time.Second, s.Protected)
	})
}

// A disk stays full: the database starts, and proves each time that it is not well. It is
// down all the while, and is back by itself once there is room (R12).
func TestAnIllDatabaseIsNotWellBetweenTwoProofs(t *testing.T) {
	playMirroring(t, func(t *testing.T, s *sim.Site) {
		s.Main().SickenDatabase(errors.New("the disk is full"))
		well := func() bool { return s.Main().Agent().View().Main.Data.State == releve.TierWell }
		s.Until("it is seen", 2*time.Second, func() bool { return !well() && !s.Main().Agent().Machine().Gate })
		s.Stays("not well", 20*time.Second, func() bool { return !well() && !s.Main().Agent().Machine().Gate })
		s.Main().SickenDatabase(nil)
		s.Until("protected again", 10*time.Second, s.Protected)
		s.Until("it is said", 2*time.Second, func() bool {
			return slices.ContainsFunc(s.Main().Agent().View().Events, func(e view.Event) bool { return e.What.Code == "event-database-well" })
		})
	})
}

// A restore that is killed in the middle is begun again by hand, and ends.
func TestARestoreIsBegunAgain(t *testing.T) {
	playMirroring(t, func(t *testing.T, s *sim.Site) {
		s.Main().SlowDatabase(5 * time.Second)
		s.Main().BreakDatabase("its files are gone")
		s.Until("it is seen", 2*time.Second, func() bool { return !s.Main().Agent().Machine().DB.Up })
		restore := func() {
			if err := s.Main().Agent().Order(t.Context(), string(takeover.Restore)); err != nil {
				t.Fatal(err)
			}
		}
		restore()
		s.Until("the copy begins", 5*time.Second, func() bool { return s.Main().Phase() == takeover.Restoring })
		s.Main().Crash()
		s.Main().SlowDatabase(0)
		s.Main().Start()
		s.Until("it stands still", 5*time.Second, func() bool { return s.Main().Phase() == takeover.Stuck })
		if stance, _ := s.Main().Agent().Stance(); stance != takeover.NoDuty {
			t.Errorf("calls: %s", stance)
		}
		s.Until("the mirror is heard", time.Second, func() bool { return s.Main().Agent().View().Secondary.Heard }) // an order before is refused
		restore()
		s.Until("the main commits again", 20*time.Second, s.Main().Commit)
	})
}

// What was copied back is lost again before mirroring was put back in service: the copy
// that the mirror kept is there to be copied once more (M5).
func TestALostDatabaseIsRestoredTwice(t *testing.T) {
	playMirroring(t, func(t *testing.T, s *sim.Site) {
		s.Main().Commit()
		for range 2 {
			s.Main().BreakDatabase("its files are gone")
			s.Until("it is seen", 3*time.Second, func() bool { return s.Main().Agent().Machine().Failed == takeover.JobStart })
			s.Until("the main serves again", 20*time.Second, func() bool { // what it commits now is on its disk alone
				order(t, s.Main(), takeover.Restore)
				time.Sleep(time.Second)
				return s.Main().Serves()
			})
			s.Until("the mirror stands aside", 5*time.Second, func() bool { return s.Secondary().Phase() == takeover.Deposed })
		}
		order(t, s.Secondary(), takeover.Rejoin)
		s.Until("protected again", 20*time.Second, s.Protected)
	})
}
