package agent_test

import (
	"testing"
	"time"

	"releve"
	"releve/proof/sim"
	"releve/rules/takeover"
)

// playWitness runs a story that begins on a protected site with a witness.
func playWitness(t *testing.T, story func(*testing.T, *sim.Site)) {
	t.Helper()
	sim.PlayProtected(t, sim.Config{Witness: true, Arbiter: releve.Witness}, story)
}

func TestANewSiteMovesToItsWitness(t *testing.T) {
	playWitness(t, func(t *testing.T, s *sim.Site) {
		if !s.Main().Commit() {
			t.Error("the main does not acknowledge a row")
		}
		if v := s.Main().Agent().View(); v.Arbiter != releve.Witness {
			t.Errorf("the screen names the arbiter %s", v.Arbiter)
		}
		s.Stays("protected", time.Minute, s.Protected)
	})
}

// The main dies: the standby asks the witness, and answers the call that found it.
func TestTheWitnessGrantsATakeover(t *testing.T) {
	playWitness(t, func(t *testing.T, s *sim.Site) {
		s.Main().Commit()
		s.Main().Crash()
		d := s.Decided(s.Secondary().Overflow(t.Context(), "one@pbx", ""))
		if !d.Answer || d.WithoutDuty {
			t.Errorf("the call: %+v\n%s", d, s.Trace())
		}
		s.Until("the secondary serves", 5*time.Second, s.Secondary().Serves)
		if !s.Secondary().Commit() {
			t.Error("the new owner does not acknowledge a row")
		}
		if r := s.Register(); r.Owner != releve.Secondary || r.Term != 2 || !r.Alone {
			t.Errorf("the register: %+v", r)
		}
	})
}

// What the pair cannot: the secondary is gone without a word, and commits go on
// within two seconds (M4). Then the main dies too: nobody may take over.
func TestTheWitnessLetsTheMainGoOnAlone(t *testing.T) {
	playWitness(t, func(t *testing.T, s *sim.Site) {
		s.Secondary().Pause()
		gone := time.Now()
		s.Until("commits go on", 2*time.Second, s.Main().Commit)
		t.Logf("commits waited %v", time.Since(gone))
		s.Main().Crash()
		s.Secondary().Resume()
		if d := s.Decided(s.Secondary().Overflow(t.Context(), "one@pbx", "")); !d.Answer || !d.WithoutDuty {
			t.Errorf("the call: %+v\n%s", d, s.Trace())
		}
		s.Main().Start()
		s.Until("protected again", time.Minute, func() bool { return s.Protected() && s.Lodged() })
	})
}

// Neither may decide without the witness once the other is silent, and both go on as
// soon as it is back.
func TestWithoutItsWitnessTheSiteWaits(t *testing.T) {
	playWitness(t, func(t *testing.T, s *sim.Site) {
		s.PauseWitness()
		s.Until("the screen says so", 5*time.Second, func() bool {
			return s.Main().Agent().View().Why.Code == "why-witness-silent"
		})
		if why, ok := releve.Inner(s.Main().Agent().Arbiter().Witness.Why); !ok || why.Code != "cause-late" {
			t.Errorf("of its witness it shows %+v", s.Main().Agent().Arbiter().Witness)
		}
		if !s.Main().Commit() {
			t.Error("in sync, the main needs no witness to acknowledge")
		}
		s.Secondary().Pause()
		s.Stays("no commit", 10*time.Second, func() bool { return !s.Main().Commit() })
		s.ResumeWitness()
		s.Until("commits go on", 3*time.Second, s.Main().Commit)
	})
}

// The mirror's own word is enough, heard by the owner alone: the witness may be away.
func TestAMirrorGivesItsVoteBackWithoutTheWitness(t *testing.T) {
	playWitness(t, func(t *testing.T, s *sim.Site) {
		s.PauseWitness()
		s.Secondary().BreakDatabase("disk full")
		s.Until("commits go on", 2*time.Second, s.Main().Commit)
	})
}

// The answer to the claim is lost: the register says what came of it.
func TestAGrantWhoseAnswerIsLostIsFound(t *testing.T) {
	playWitness(t, func(t *testing.T, s *sim.Site) {
		s.Main().Crash()
		s.Secondary().LoseAnswers()
		d := s.Decided(s.Secondary().Overflow(t.Context(), "one@pbx", ""))
		if !d.Answer {
			t.Errorf("the call: %+v\n%s", d, s.Trace())
		}
		s.Secondary().HearAnswers()
		s.Until("the secondary serves", 5*time.Second, s.Secondary().Serves)
	})
}

// Granted, and killed before it could remember: it takes the duty when it starts.
func TestAGrantIsTakenUpAfterARestart(t *testing.T) {
	playWitness(t, func(t *testing.T, s *sim.Site) {
		s.Main().Crash()
		s.CrashAtGrant()
		s.Secondary().Overflow(t.Context(), "one@pbx", "")
		s.Until("the witness grants it", 5*time.Second, func() bool { return s.Register().Owner == releve.Secondary })
		if d := s.Secondary().Journal(); d.Owns() || d.Claimed == 0 {
			t.Fatalf("it remembers %+v", d)
		}
		s.Secondary().Start()
		s.Until("the secondary serves", 10*time.Second, s.Secondary().Serves)
		if m := s.Secondary().Agent().Machine(); m.Term != 2 {
			t.Errorf("term %d", m.Term)
		}
		s.Main().Start()
		s.Until("the main stands aside", 10*time.Second, func() bool { return s.Main().Phase() == takeover.Deposed })
	})
}

// A main that is cut from the other learns from the witness that it was relieved.
func TestARelievedMainLearnsItFromTheWitness(t *testing.T) {
	playWitness(t, func(t *testing.T, s *sim.Site) {
		s.PartitionLink()
		s.Main().PartitionSIP()
		if d := s.Decided(s.Secondary().Overflow(t.Context(), "one@pbx", "")); !d.Answer {
			t.Fatalf("the call: %+v\n%s", d, s.Trace())
		}
		s.Until("the main stands aside", 3*time.Second, func() bool { return s.Main().Phase() == takeover.Deposed })
		if s.Main().Commit() {
			t.Error("the old main acknowledges a row")
		}
		s.Until("its own page says so", 5*time.Second, func() bool {
			v := s.Main().Agent().View()
			return v.Why.Code == "why-witness-names-other" && v.Owner == releve.Secondary && v.Term == 2
		})
	})
}

// A witness that lost its memory grants nothing; both servers give it a new one.
func TestAWipedWitnessIsGivenANewMemoryByBoth(t *testing.T) {
	playWitness(t, func(t *testing.T, s *sim.Site) {
		before := s.Register().Incarnation
		s.WipeWitness()
		s.Until("protected again", 10*time.Second, func() bool { return s.Protected() && s.Lodged() })
		if r := s.Register(); r.Incarnation <= before {
			t.Errorf("the register: %+v", r)
		}
		if !s.Main().Commit() {
			t.Error("the main does not acknowledge a row")
		}
	})
}

// A site moves to a witness and back while callers are answered and rows are written.
func TestASiteMovesToAWitnessAndBack(t *testing.T) {
	sim.Play(t, sim.Config{Witness: true}, func(t *testing.T, s *sim.Site) {
		s.Main().Start()
		s.Secondary().Start()
		s.Until("a pair is protected", 10*time.Second, s.Protected)
		ask := func(c takeover.Command) {
			if err := s.Main().Agent().Order(t.Context(), string(c)); err != nil {
				t.Fatal(err)
			}
		}
		ask(takeover.UseWitness)
		s.Until("protected, with the witness", 10*time.Second, func() bool { return s.Protected() && s.Lodged() })
		s.PauseWitness()
		ask(takeover.UsePair)
		s.Until("protected as a pair, though the witness is gone", 10*time.Second, func() bool {
			m := s.Secondary().Agent().Machine()
			return s.Protected() && !m.Witnessed() && m.Vote
		})
		if got := s.Main().Outside().Opened; len(got) != 1 {
			t.Errorf("terms opened: %v", got)
		}
	})
}

// The secondary's machine freezes, and PostgreSQL takes it for connected: whoever may go on
// alone does so when its server is silent and a commit waits (M4).
func TestAFrozenMachineIsNotWaitedForUntilPostgreSQLNotices(t *testing.T) {
	stories := map[string]func(*testing.T, func(*testing.T, *sim.Site)){"mirroring": playMirroring, "witness": playWitness}
	for name, play := range stories {
		t.Run(name, func(t *testing.T) {
			play(t, func(t *testing.T, s *sim.Site) {
				s.Secondary().HalfOpen(true)
				s.Secondary().Pause()
				s.Main().Commit()
				s.Until("commits go on", 2*time.Second, s.Main().Commit)
				s.Secondary().HalfOpen(false)
				s.Secondary().Resume()
				s.Until("protected again", 20*time.Second, s.Protected)
			})
		})
	}
}

// A main that is cut off from the PBX as well as from its mirror leaves the vote where it
// lies: who reaches the PBX is to have it, however late the first caller comes.
func TestAMainThatIsCutOffDoesNotGoOnAlone(t *testing.T) {
	playWitness(t, func(t *testing.T, s *sim.Site) {
		s.PartitionLink()
		s.Main().PartitionSIP()
		s.Secondary().BreakStream()
		s.Main().Commit()
		s.Stays("the main has no vote", 5*time.Second, func() bool { return !s.Main().Agent().Machine().Vote })
		if d := s.Decided(s.Secondary().Overflow(t.Context(), "one@pbx", "")); !d.Answer || d.WithoutDuty {
			t.Errorf("the call: %+v\n%s", d, s.Trace())
		}
	})
}
