package agent_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"releve"
	"releve/takeover"
	"releve/view"
)

// playMirroring runs a story at level mirroring: only the main answers calls.
func playMirroring(t *testing.T, story func(*testing.T, *site)) {
	t.Helper()
	play(t, func(t *testing.T, s *site) {
		s.level = releve.Mirroring
		s.main().start()
		s.secondary().start()
		s.until("a new site is protected", 10*time.Second, s.protected)
		time.Sleep(time.Millisecond) // as in playProtected
		story(t, s)
	})
}

// At level mirroring nobody could take over: the main keeps the vote, waits for its
// mirror while it is there, and goes on alone by itself when it is not (M4).
func TestAtLevelMirroringTheMainGoesSoloByItself(t *testing.T) {
	playMirroring(t, func(t *testing.T, s *site) {
		if s.main().store.lone {
			t.Error("in sync, the main acknowledges alone")
		}
		s.secondary().freeze()
		s.until("commits go on", 2*time.Second, s.main().commit)
		s.stays("on duty", time.Minute, s.main().serves)
		s.secondary().wake()
		s.until("protected again", 10*time.Second, s.protected)
		if s.main().store.lone {
			t.Error("in sync again, the main acknowledges alone")
		}
	})
}

// The main dies: the mirror stays one, and nobody is asked anything.
func TestAtLevelMirroringTheSecondaryNeverTakesTheDuty(t *testing.T) {
	playMirroring(t, func(t *testing.T, s *site) {
		s.main().kill()
		s.stays("a mirror", time.Minute, func() bool {
			m := s.secondary().agent.Machine()
			return m.Term == 1 && !m.Owns() && !m.WithoutDuty && m.Users() == takeover.Users{}
		})
		s.main().start()
		s.until("protected again", 10*time.Second, s.protected)
	})
}

// The main's database is lost: calls go on, and it comes back from the mirror by hand,
// in two steps (M5).
func TestALostDatabaseIsRestoredFromTheMirror(t *testing.T) {
	playMirroring(t, func(t *testing.T, s *site) {
		s.main().commit()
		s.change(func() { s.main().postgres.ill = errors.New("the disk is full"); s.main().postgres.broken = true })
		s.until("it is seen", 2*time.Second, func() bool { return !s.main().agent.Machine().DB.Up })
		if stance, _ := s.main().agent.Stance(); stance != takeover.OnDuty {
			t.Errorf("calls: %s", stance)
		}
		_, copied, _ := s.secondary().postgres.Disk()
		if err := s.main().agent.Order(t.Context(), string(takeover.Restore)); err != nil {
			t.Fatal(err)
		}
		s.until("the main commits again", 20*time.Second, s.main().commit)
		if m := s.main().agent.Machine(); m.Term != 2 {
			t.Errorf("term %d", m.Term)
		}
		s.stays("the mirror keeps what the database came from", 10*time.Second, func() bool {
			_, now, _ := s.secondary().postgres.Disk()
			return now == copied && s.phase(s.secondary()) == takeover.Deposed
		})
		if err := s.secondary().agent.Order(t.Context(), string(takeover.Rejoin)); err != nil {
			t.Fatal(err)
		}
		s.until("protected again", 20*time.Second, s.protected)
	})
}

// A disk stays full: the database starts, and proves each time that it is not well. It is
// down all the while, and is back by itself once there is room (R12).
func TestAnIllDatabaseIsNotWellBetweenTwoProofs(t *testing.T) {
	playMirroring(t, func(t *testing.T, s *site) {
		s.change(func() { s.main().postgres.ill = errors.New("the disk is full") })
		well := func() bool { return s.main().agent.View().Main.Data.State == view.TierWell }
		s.until("it is seen", 2*time.Second, func() bool { return !well() && !s.main().agent.Machine().Gate })
		s.stays("not well", 20*time.Second, func() bool { return !well() && !s.main().agent.Machine().Gate })
		s.change(func() { s.main().postgres.ill = nil })
		s.until("protected again", 10*time.Second, s.protected)
		s.until("it is said", 2*time.Second, func() bool {
			return slices.ContainsFunc(s.main().agent.View().Events, func(e view.Event) bool { return e.What.Code == "event-database-well" })
		})
	})
}

// A restore that is killed in the middle is begun again by hand, and ends.
func TestARestoreIsBegunAgain(t *testing.T) {
	playMirroring(t, func(t *testing.T, s *site) {
		s.change(func() {
			s.main().postgres.broken, s.main().postgres.slow = true, 5*time.Second
			s.main().postgres.exit("its files are gone")
		})
		s.until("it is seen", 2*time.Second, func() bool { return !s.main().agent.Machine().DB.Up })
		restore := func() {
			if err := s.main().agent.Order(t.Context(), string(takeover.Restore)); err != nil {
				t.Fatal(err)
			}
		}
		restore()
		s.until("the copy begins", 5*time.Second, func() bool { return s.phase(s.main()) == takeover.Restoring })
		s.main().kill()
		s.change(func() { s.main().postgres.kind, s.main().postgres.slow = takeover.DiskUnusable, 0 })
		s.main().start()
		s.until("it stands still", 5*time.Second, func() bool { return s.phase(s.main()) == takeover.Stuck })
		if stance, _ := s.main().agent.Stance(); stance != takeover.NoDuty {
			t.Errorf("calls: %s", stance)
		}
		s.until("the mirror is heard", time.Second, func() bool { return s.main().agent.View().Secondary.Heard }) // an order before is refused
		restore()
		s.until("the main commits again", 20*time.Second, s.main().commit)
	})
}

// What was copied back is lost again before mirroring was put back in service: the copy
// that the mirror kept is there to be copied once more (M5).
func TestALostDatabaseIsRestoredTwice(t *testing.T) {
	playMirroring(t, func(t *testing.T, s *site) {
		s.main().commit()
		for range 2 {
			s.change(func() { s.main().postgres.broken = true; s.main().postgres.exit("its files are gone") })
			s.until("it is seen", 3*time.Second, func() bool { return s.main().agent.Machine().Failed == takeover.JobStart })
			s.until("the main serves again", 20*time.Second, func() bool { // what it commits now is on its disk alone
				order(t, s.main(), takeover.Restore)
				time.Sleep(time.Second)
				return s.main().serves()
			})
			s.until("the mirror stands aside", 5*time.Second, func() bool { return s.phase(s.secondary()) == takeover.Deposed })
		}
		order(t, s.secondary(), takeover.Rejoin)
		s.until("protected again", 20*time.Second, s.protected)
	})
}
