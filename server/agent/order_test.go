package agent_test

import (
	"testing"
	"time"

	"releve"
	"releve/rules/takeover"
)

// An operator says that the secondary is off: the main goes on alone, and the old vote
// is void when the secondary comes back (M4).
func TestTheMainGoesOnAloneByOrder(t *testing.T) {
	playProtected(t, func(t *testing.T, s *site) {
		s.secondary().kill()
		s.stays("no commit", 10*time.Second, func() bool { return !s.main().commit() })
		s.forced = true
		order(t, s.main(), takeover.Solo)
		s.until("commits go on", time.Second, s.main().commit)
		s.secondary().start()
		s.until("protected again", 10*time.Second, s.protected)
		if got := s.main().store.terms; len(got) != 1 {
			t.Errorf("terms opened: %v", got)
		}
	})
}

// What is heard is not off: nothing is forced.
func TestNothingIsForcedWhileTheOtherIsHeard(t *testing.T) {
	playProtected(t, func(t *testing.T, s *site) {
		order(t, s.main(), takeover.Solo)
		order(t, s.secondary(), takeover.Take)
		s.stays("protected", 10*time.Second, s.protected)
	})
}

// The main had gone on alone and died: an operator has the secondary take the duty,
// with what it has. The main comes back, gives way, and keeps its data to be salvaged.
func TestTheSecondaryTakesTheDutyByOrder(t *testing.T) {
	playProtected(t, func(t *testing.T, s *site) {
		s.secondary().abdicate()
		s.until("the main is alone", 3*time.Second, func() bool { return s.main().agent.Machine().Alone() })
		s.main().kill()
		s.change(func() { s.secondary().postgres.broken = false })
		s.until("a copy", 10*time.Second, func() bool { return s.phase(s.secondary()) == takeover.Isolated })
		if s.secondary().agent.Machine().Holds() {
			t.Fatal("it holds the vote: nothing has to be forced")
		}
		s.stays("no takeover", 10*time.Second, func() bool { return !s.secondary().agent.Machine().Owns() })
		order(t, s.secondary(), takeover.Take)
		s.until("the secondary serves", 5*time.Second, s.secondary().serves)
		if m := s.secondary().agent.Machine(); m.Term != 2 {
			t.Errorf("term %d", m.Term)
		}
		s.main().start()
		s.until("the main stands aside", 5*time.Second, func() bool { return s.phase(s.main()) == takeover.Deposed })
	})
}

// A server that was relieved and whose data is whole takes the duty back by order, when
// the one that relieved it is lost.
func TestARelievedMainTakesTheDutyByOrder(t *testing.T) {
	playProtected(t, func(t *testing.T, s *site) {
		relieved(t, s)
		s.secondary().kill()
		s.stays("it does nothing by itself", 10*time.Second, func() bool { return s.phase(s.main()) == takeover.Deposed })
		order(t, s.main(), takeover.Take)
		s.until("the main serves", 5*time.Second, s.main().serves)
		if m := s.main().agent.Machine(); m.Term != 3 || !m.Vote {
			t.Errorf("term %d", m.Term)
		}
	})
}

// Both were told that the other is off, and both were on: the main keeps the duty.
func TestTwoThatWereForcedIntoOneTerm(t *testing.T) {
	playProtected(t, func(t *testing.T, s *site) {
		s.change(func() { s.cut = true; s.secondary().mute = true })
		s.until("neither hears the other", 5*time.Second, func() bool {
			return !s.main().agent.View().Secondary.Heard && !s.secondary().agent.View().Main.Heard
		})
		order(t, s.secondary(), takeover.Take)
		s.until("the secondary serves", 5*time.Second, s.secondary().serves)
		s.main().kill()
		s.main().start()
		s.until("the main waits", 5*time.Second, func() bool { return s.phase(s.main()) == takeover.Unconfirmed })
		s.forced = true
		order(t, s.main(), takeover.Solo)
		s.until("the main serves", 5*time.Second, s.main().serves)
		s.change(func() { s.cut = false })
		s.until("one of them stands aside", 5*time.Second, func() bool {
			return s.phase(s.main()) == takeover.Deposed && s.secondary().serves()
		})
	})
}

// The link is cut: the mirror gives the vote back, and an operator carries its word (R3).
func TestAnAbdicationIsCarriedByHand(t *testing.T) {
	playProtected(t, func(t *testing.T, s *site) {
		s.change(func() { s.cut = true; s.secondary().postgres.deafness = true })
		s.until("neither hears the other", 5*time.Second, func() bool { return !s.main().agent.View().Secondary.Heard })
		s.stays("no commit", 5*time.Second, func() bool { return !s.main().commit() })
		word, err := s.secondary().agent.Abdicate(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if m := s.secondary().agent.Machine(); m.Holds() || word.Seat != releve.Secondary || word.Term != 1 {
			t.Fatalf("the word: %+v", word)
		}
		s.main().agent.Carry(t.Context(), word)
		s.until("commits go on", time.Second, s.main().commit)
		s.main().agent.Carry(t.Context(), word) // twice is once
		s.change(func() { s.cut = false; s.secondary().postgres.deafness = false })
		s.until("protected again", 20*time.Second, s.protected)
	})
}

func order(t *testing.T, s *server, c takeover.Command) {
	t.Helper()
	if err := s.agent.Order(t.Context(), string(c)); err != nil {
		t.Fatal(err)
	}
}
