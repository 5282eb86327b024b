package agent_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"releve"
	"releve/proof/sim"
	"releve/rules/takeover"
	"releve/server/agent"
)

// What could not be remembered is not done: the server fences itself, and nobody
// is answered on the strength of a duty that no disk knows of.
func TestAJournalThatRefusesFencesTheServer(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		s.Secondary().RefuseJournal(errors.New("no space left on device"))
		s.Main().Crash()
		d := s.Decided(s.Secondary().Overflow(t.Context(), "one@pbx", ""))
		checkFenced(t, s, d)
	})
}

// A wedged disk looks alive: a save that does not return within its limit is a
// save that failed (R12).
func TestAJournalThatHangsFencesTheServer(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		s.Secondary().HangJournal()
		s.Main().Crash()
		d := s.Decided(s.Secondary().Overflow(t.Context(), "one@pbx", ""))
		checkFenced(t, s, d)
	})
}

// An abdication that could not be written is not told: the owner that took the vote
// back would be alone, and a server that starts from its journal would hold it too (R3).
func TestAnAbdicationThatCouldNotBeWrittenIsNotTold(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		s.Secondary().HangJournal()
		s.Secondary().BreakDatabase("disk full")
		s.Until("the secondary stands still", 5*time.Second, func() bool { return s.Secondary().Phase() == takeover.Stuck })
		s.Stays("the main is without the vote", 3*time.Second, func() bool { return !s.Main().Agent().Machine().Vote })
		if kept := s.Secondary().Said("rule-halted"); len(kept) != 1 {
			t.Errorf("it halted %d times", len(kept))
		}
		s.Secondary().MendJournal()
		s.Secondary().MendDatabase()
		s.Secondary().Crash()
		s.Secondary().Start()
		s.Until("protected again", 10*time.Second, s.Protected)
	})
}

// checkFenced: the caller is not kept waiting either. The verdict is asked again,
// and a server without the duty may answer (R13).
func checkFenced(t *testing.T, s *sim.Site, d releve.Decision) {
	t.Helper()
	if d != (releve.Decision{Answer: true, WithoutDuty: true}) {
		t.Errorf("the call: %+v", d)
	}
	m := s.Secondary().Agent().Machine()
	if m.Phase != takeover.Stuck || s.Secondary().Journal().Term != 1 || s.Secondary().Commit() {
		t.Errorf("phase %s, term %d on disk", m.Phase, s.Secondary().Journal().Term)
	}
	if s.Secondary().Outside().Runs != "" || s.Secondary().Agent().MayRegister(true, true) {
		t.Error("the secondary is not fenced")
	}
	if kept := s.Secondary().Said("rule-halted"); len(kept) != 1 {
		t.Errorf("the diary does not say it:\n%s", s.Trace())
	}
	if doing := s.Secondary().Agent().View().Secondary.Doing; doing.Code != "phase-stuck" {
		t.Errorf("the screen says %+v", doing)
	}
}

// A loop that is stuck in a disk without any limit decides nothing: what it said
// before is no longer to be relied on after a second (H10).
func TestAStuckLoopLosesItsStance(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		s.Until("the main has the reception", time.Second, func() bool { return s.Main().Agent().MayRegister(true, true) })
		s.Main().WedgeJournal()
		s.Secondary().BreakDatabase("disk full")
		s.Until("the main saves that the vote is back", 3*time.Second, func() bool { return s.Main().Saving() })
		if stance, _ := s.Main().Agent().Stance(); stance != takeover.OnDuty {
			t.Errorf("the stance expired at once: %s", stance)
		}
		s.Until("the stance expires", 1100*time.Millisecond, func() bool {
			stance, _ := s.Main().Agent().Stance()
			return stance == takeover.VerifyingAll
		})
		if s.Main().Agent().MayRegister(true, false) || s.Main().Agent().MayStandBy(true, false) {
			t.Error("a server whose loop is stuck refreshes its bindings")
		}
		reply := s.Main().Agent().CheckMe(t.Context(), releve.CheckQuestion{})
		if why, _ := releve.Inner(reply.Why); reply.Well || why.Code != "phase-unconfirmed" {
			t.Errorf("it says that it can take a call, or that it is on duty: %+v", reply)
		}
		s.Main().MendJournal()
		s.Until("the main goes on, alone", 2*time.Second, func() bool { return s.Main().Commit() })
	})
}

// A fence takes its purpose from the job under way; the job's end is not waited
// for and changes nothing.
func TestAFenceCancelsTheJobUnderWay(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		s.Secondary().SlowDatabase(time.Minute)
		s.Main().Crash()
		if d := s.Decided(s.Secondary().Overflow(t.Context(), "one@pbx", "")); !d.Took {
			t.Fatalf("the call: %+v", d)
		}
		s.Until("the promotion is under way", time.Second, func() bool { return s.Secondary().Agent().Machine().Job == takeover.JobPromote })
		m := s.Secondary().Agent().Machine()
		later := m.Status()
		later.Seat, later.Owner, later.Term, later.Known = releve.Main, releve.Main, later.Term+1, true
		s.Secondary().Agent().Heard(t.Context(), agent.Message{Status: later})
		s.Until("the secondary stands aside", time.Second, func() bool { return s.Secondary().Phase() == takeover.Deposed })
		s.Until("the promotion was cancelled", time.Second, func() bool { return s.Secondary().Outside().Abandoned == 1 })
		s.Stays("it stays aside", 2*time.Second, func() bool {
			return s.Secondary().Phase() == takeover.Deposed && s.Secondary().Outside().Runs == ""
		})
	})
}

// A server that is stopped gives the vote back and waits until the main has heard
// it, so that the main goes on alone at once (R3).
func TestAStandbyThatIsStoppedGivesTheVoteBack(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		s.Secondary().Agent().Stop(ctx)
		if m := s.Main().Agent().Machine(); ctx.Err() != nil || !m.Vote {
			t.Fatalf("the main did not hear it: vote %v", m.Vote)
		}
		s.Secondary().Crash()
		s.Until("the main commits alone", time.Second, s.Main().Commit)
	})
}

// The vote is issued and has not arrived: it is refused, not taken down with the
// server.
func TestAStandbyThatIsStoppedRefusesAVoteOnItsWay(t *testing.T) {
	sim.Play(t, sim.Config{}, func(t *testing.T, s *sim.Site) {
		s.Main().Start()
		s.Secondary().Start()
		s.Until("the vote is prepared", 10*time.Second, func() bool {
			m := s.Main().Agent().Machine()
			return m.Owns() && m.Number == 1 && !m.Vote
		})
		s.PartitionLink()
		s.Until("the vote is on its way", time.Second, func() bool { return s.Main().Agent().Machine().Issued })
		s.HealLink()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		s.Secondary().Agent().Stop(ctx)
		s.Secondary().Crash()
		s.Until("the main commits alone", 2*time.Second, s.Main().Commit)
	})
}

func TestAStandbyWithoutTheVoteStopsAtOnce(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		s.Secondary().BreakDatabase("disk full")
		s.Until("the main is alone", 3*time.Second, s.Main().Commit)
		s.Main().Crash()
		time.Sleep(2 * time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		if s.Secondary().Agent().Stop(ctx); ctx.Err() != nil {
			t.Error("it waits for a main that is dead and owes it nothing")
		}
	})
}

func TestAStandbyThatNobodyHearsStopsAllTheSame(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		s.PartitionLink()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		s.Secondary().Agent().Stop(ctx)
		if ctx.Err() == nil || s.Main().Agent().Machine().Vote || s.Secondary().Agent().Machine().Vote {
			t.Errorf("the vote is with one of them: %s", s.Trace())
		}
	})
}

func TestAnOwnerIsStoppedAtOnce(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		began := time.Now()
		s.Main().Agent().Stop(t.Context())
		if time.Since(began) > 0 || s.Main().Agent().Machine().Vote {
			t.Errorf("the owner gave something back in %s", time.Since(began))
		}
	})
}

// A decision that was begun when the server was told to stop is remembered; it is
// not a failure of the disk.
func TestAServerStoppedDuringASaveRemembersIt(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		s.Main().StallJournal(time.Second)
		s.Secondary().BreakDatabase("disk full")
		s.Until("the main saves that the vote is back", 3*time.Second, func() bool { return s.Main().Saving() })
		s.Main().Exit()
		if disk, decided := s.Main().Journal(), s.Main().Agent().Machine().Durable; disk != decided || disk.Number < 1 {
			t.Errorf("on disk: %+v\ndecided: %+v", disk, decided)
		}
		if kept := s.Main().Said("rule-halted"); len(kept) > 0 {
			t.Errorf("the diary says %+v", kept)
		}
	})
}

// A main that dies while nobody calls is relieved all the same: the standby calls
// the reception itself, and the PBX gives that call back to it (H8).
func TestAMainThatDiesAtNightIsRelievedBeforeTheFirstCaller(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		s.Stays("all is well", time.Second, s.Protected)
		s.Main().Crash()
		s.Until("the secondary stores", 4*time.Second, s.Secondary().Commit)
		if kept := s.Secondary().Said("rule-takeover"); len(kept) != 1 || len(s.Secondary().Said("rule-own-call")) != 1 {
			t.Errorf("the diary does not say why:\n%s", s.Trace())
		}
	})
}

// A PBX that does not give our own call back proves nothing: the main stays on
// duty as far as anybody knows, it is asked again ever more seldom, and the diary
// holds what was found, once.
func TestADeadMainDoesNotFillTheDiary(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		s.Stays("all is well", time.Second, s.Protected)
		s.RefuseOwnCalls(errOwnCall)
		s.Main().Crash()
		s.Until("the watch finds the main dead", 5*time.Second, func() bool { return s.Secondary().Agent().Machine().Count.Failed >= 3 })
		rounds := len(s.Secondary().Said("round-failed"))
		s.Stays("the watch goes on", 10*time.Minute, func() bool { return s.Secondary().Agent().Machine().Term == 1 })
		if more := len(s.Secondary().Said("round-failed")); more > rounds+1 {
			t.Errorf("the diary goes on and on:\n%s", s.Trace())
		}
		if asked := len(s.Secondary().Said("rule-own-call")); asked < 3 || asked > 12 {
			t.Errorf("%d calls of our own in ten minutes, want 5, 10, 20 … s apart", asked)
		}
	})
}

// The mirror's disk was full for a moment: it halts, and when there is room again it is
// the mirror again by itself, and holds the vote.
func TestAMirrorThatHaltedComesBackByItself(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		s.Secondary().RefuseJournal(errors.New("no space left on device"))
		s.Secondary().BreakDatabase("disk full")
		s.Until("it halts", 5*time.Second, func() bool { return s.Secondary().Phase() == takeover.Stuck })
		s.Stays("no commit", 15*time.Second, func() bool { return !s.Main().Commit() })
		s.Secondary().RefuseJournal(nil)
		s.Secondary().MendDatabase()
		s.Until("protected again", 15*time.Second, s.Protected)
		if !s.Main().Commit() {
			t.Error("the main does not acknowledge a row")
		}
	})
}

// The secondary's disk stalls in the middle of a takeover, which is not carried out; the main
// comes back without the vote. Nobody is called: both go on from what their disks hold.
func TestADiskThatStallsInATakeoverLeavesNobodyWaiting(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		s.Secondary().HangJournal()
		s.Main().Crash()
		checkFenced(t, s, s.Decided(s.Secondary().Overflow(t.Context(), "one@pbx", "")))
		s.Main().Start()
		s.Secondary().MendJournal()
		s.Until("protected again", 20*time.Second, s.Protected)
		if m := s.Main().Agent().Machine(); m.Term != 1 || !s.Main().Commit() {
			t.Errorf("term %d", m.Term)
		}
	})
}

// An action that is carried out on a decision that slept looks again (R9, R19): the gate
// that an owner was about to open when its agent was stopped stays shut as it wakes.
func TestAGateIsNotOpenedOnADecisionThatSlept(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		s.Main().DelayGate(500 * time.Millisecond)
		s.Main().Crash()
		s.Main().Start()
		s.Until("the main opens its gate", 5*time.Second, func() bool { return s.Main().Agent().Machine().Job == takeover.JobOpen })
		time.Sleep(200 * time.Millisecond) // its first commit is acknowledged, and it does not know it yet
		s.Main().Pause()
		if d := s.Decided(s.Secondary().Overflow(t.Context(), "one@pbx", "")); !d.Took {
			t.Fatalf("the call: %+v\n%s", d, s.Trace())
		}
		s.Until("the secondary records", 3*time.Second, s.Secondary().Commit)
		time.Sleep(time.Second) // its decision is more than a second old now
		s.Main().Resume()
		s.Until("the main has lost the duty", 2*time.Second, func() bool { return s.Main().Phase() == takeover.Deposed })
		if opened := s.Main().Outside().Opened; !slices.Equal(opened, []releve.Term{1}) {
			t.Errorf("the main opened its gate in the terms %v\n%s", opened, s.Trace())
		}
	})
}

// The vote comes back while the gate is being opened without it: the first commit waits for a
// mirror that may come no more, and the opening is begun anew, alone (R6).
func TestAGateThatIsBeingOpenedWhenTheVoteComesIsOpenedAlone(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		s.Main().DelayGate(24 * time.Hour)
		s.Main().Crash()
		s.Main().Start()
		s.Until("the main opens its gate", 5*time.Second, func() bool { return s.Main().Agent().Machine().Job == takeover.JobOpen })
		s.Stays("no commit", 5*time.Second, func() bool { return !s.Main().Commit() })
		s.Main().DelayGate(0)
		if _, err := s.Secondary().Agent().Abdicate(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.Until("the main records", 2*time.Second, s.Main().Commit)
		if said := s.Main().Said("rule-gate-opened-alone"); len(said) != 1 {
			t.Errorf("opened alone %d times\n%s", len(said), s.Trace())
		}
	})
}
