package agent_test

import (
	"testing"
	"time"

	"releve"
	"releve/proof/sim"
	"releve/rules/takeover"
)

// An operator says that the secondary is off: the main goes on alone, and the old vote
// is void when the secondary comes back (M4).
func TestTheMainGoesOnAloneByOrder(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		s.Secondary().Crash()
		s.Stays("no commit", 10*time.Second, func() bool { return !s.Main().Commit() })
		s.Force()
		order(t, s.Main(), takeover.Solo)
		s.Until("commits go on", time.Second, s.Main().Commit)
		s.Secondary().Start()
		s.Until("protected again", 10*time.Second, s.Protected)
		if got := s.Main().Outside().Opened; len(got) != 1 {
			t.Errorf("terms opened: %v", got)
		}
	})
}

// What is heard is not off: nothing is forced.
func TestNothingIsForcedWhileTheOtherIsHeard(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		order(t, s.Main(), takeover.Solo)
		order(t, s.Secondary(), takeover.Take)
		s.Stays("protected", 10*time.Second, s.Protected)
	})
}

// The main had gone on alone and died: an operator has the secondary take the duty,
// with what it has. The main comes back, gives way, and keeps its data to be salvaged.
func TestTheSecondaryTakesTheDutyByOrder(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		s.Secondary().BreakDatabase("disk full")
		s.Until("the main is alone", 3*time.Second, func() bool { return s.Main().Agent().Machine().Alone() })
		s.Main().Crash()
		s.Secondary().MendDatabase()
		s.Until("a copy", 10*time.Second, func() bool { return s.Secondary().Phase() == takeover.Isolated })
		if s.Secondary().Agent().Machine().Holds() {
			t.Fatal("it holds the vote: nothing has to be forced")
		}
		s.Stays("no takeover", 10*time.Second, func() bool { return !s.Secondary().Agent().Machine().Owns() })
		order(t, s.Secondary(), takeover.Take)
		s.Until("the secondary serves", 5*time.Second, s.Secondary().Serves)
		if m := s.Secondary().Agent().Machine(); m.Term != 2 {
			t.Errorf("term %d", m.Term)
		}
		s.Main().Start()
		s.Until("the main stands aside", 5*time.Second, func() bool { return s.Main().Phase() == takeover.Deposed })
	})
}

// A server that was relieved and whose data is whole takes the duty back by order, when
// the one that relieved it is lost.
func TestARelievedMainTakesTheDutyByOrder(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		relieved(t, s)
		s.Secondary().Crash()
		s.Stays("it does nothing by itself", 10*time.Second, func() bool { return s.Main().Phase() == takeover.Deposed })
		s.Force()
		order(t, s.Main(), takeover.Take)
		s.Until("the main serves", 5*time.Second, s.Main().Serves)
		if m := s.Main().Agent().Machine(); m.Term != 3 || !m.Vote {
			t.Errorf("term %d", m.Term)
		}
	})
}

// Both were told that the other is off, and both were on: the main keeps the duty.
func TestTwoThatWereForcedIntoOneTerm(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		s.PartitionLink()
		s.Secondary().PartitionSIP()
		s.Until("neither hears the other", 5*time.Second, func() bool {
			return !s.Main().Agent().View().Secondary.Heard && !s.Secondary().Agent().View().Main.Heard
		})
		order(t, s.Secondary(), takeover.Take)
		s.Until("the secondary serves", 5*time.Second, s.Secondary().Serves)
		s.Main().Crash()
		s.Main().Start()
		s.Until("the main waits", 5*time.Second, func() bool { return s.Main().Phase() == takeover.Unconfirmed })
		s.Force()
		order(t, s.Main(), takeover.Solo)
		s.Until("the main serves", 5*time.Second, s.Main().Serves)
		s.HealLink()
		s.Until("one of them stands aside", 5*time.Second, func() bool {
			return s.Main().Phase() == takeover.Deposed && s.Secondary().Serves()
		})
	})
}

// The link is cut: the mirror gives the vote back, and an operator carries its word (R3).
func TestAnAbdicationIsCarriedByHand(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		s.PartitionLink()
		s.Secondary().BreakStream()
		s.Until("neither hears the other", 5*time.Second, func() bool { return !s.Main().Agent().View().Secondary.Heard })
		s.Stays("no commit", 5*time.Second, func() bool { return !s.Main().Commit() })
		word, err := s.Secondary().Agent().Abdicate(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if m := s.Secondary().Agent().Machine(); m.Holds() || word.Seat != releve.Secondary || word.Term != 1 {
			t.Fatalf("the word: %+v", word)
		}
		s.Main().Agent().Carry(t.Context(), word)
		s.Until("commits go on", time.Second, s.Main().Commit)
		s.Main().Agent().Carry(t.Context(), word) // twice is once
		s.HealLink()
		s.Secondary().MendStream()
		s.Until("protected again", 20*time.Second, s.Protected)
	})
}

func order(t *testing.T, s *sim.Server, c takeover.Command) {
	t.Helper()
	if err := s.Agent().Order(t.Context(), string(c)); err != nil {
		t.Fatal(err)
	}
}
