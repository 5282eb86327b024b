package agent_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"releve"
	"releve/agent"
	"releve/takeover"
)

// What could not be remembered is not done: the server fences itself, and nobody
// is answered on the strength of a duty that no disk knows of.
func TestAJournalThatRefusesFencesTheServer(t *testing.T) {
	playProtected(t, func(t *testing.T, s *site) {
		s.change(func() { s.secondary().journal.refuses = errors.New("no space left on device") })
		s.main().kill()
		d := s.decided(s.secondary().overflow(t.Context(), "one@pbx", ""))
		checkFenced(t, s, d)
	})
}

// A wedged disk looks alive: a save that does not return within its limit is a
// save that failed (R12).
func TestAJournalThatHangsFencesTheServer(t *testing.T) {
	playProtected(t, func(t *testing.T, s *site) {
		s.change(func() { s.secondary().journal.hangs = true })
		s.main().kill()
		d := s.decided(s.secondary().overflow(t.Context(), "one@pbx", ""))
		checkFenced(t, s, d)
	})
}

// An abdication that could not be written is not told: the owner that took the vote
// back would be alone, and a server that starts from its journal would hold it too (R3).
func TestAnAbdicationThatCouldNotBeWrittenIsNotTold(t *testing.T) {
	playProtected(t, func(t *testing.T, s *site) {
		s.change(func() { s.secondary().journal.hangs = true })
		s.secondary().abdicate()
		s.until("the secondary stands still", 5*time.Second, func() bool { return s.phase(s.secondary()) == takeover.Stuck })
		s.stays("the main is without the vote", 3*time.Second, func() bool { return !s.main().agent.Machine().Vote })
		if kept := s.secondary().diary.of("rule-halted"); len(kept) != 1 {
			t.Errorf("it halted %d times", len(kept))
		}
		s.change(func() { s.secondary().journal.hangs, s.secondary().postgres.broken = false, false })
		s.secondary().kill()
		s.secondary().start()
		s.until("protected again", 10*time.Second, s.protected)
	})
}

// checkFenced: the caller is not kept waiting either. The verdict is asked again,
// and a server without the duty may answer (R13).
func checkFenced(t *testing.T, s *site, d agent.Decision) {
	t.Helper()
	if d != (agent.Decision{Answer: true, WithoutDuty: true}) {
		t.Errorf("the call: %+v", d)
	}
	m := s.secondary().agent.Machine()
	if m.Phase != takeover.Stuck || s.secondary().journal.onDisk().Term != 1 || s.secondary().commit() {
		t.Errorf("phase %s, term %d on disk", m.Phase, s.secondary().journal.onDisk().Term)
	}
	if s.secondary().postgres.running() != stopped || s.secondary().agent.MayRegister(true, true) {
		t.Error("the secondary is not fenced")
	}
	if kept := s.secondary().diary.of("rule-halted"); len(kept) != 1 {
		t.Errorf("the diary does not say it:\n%s", s.minutes())
	}
	if doing := s.secondary().agent.View().Secondary.Doing; doing.Code != "phase-stuck" {
		t.Errorf("the screen says %+v", doing)
	}
}

// A loop that is stuck in a disk without any limit decides nothing: what it said
// before is no longer to be relied on after a second (H10).
func TestAStuckLoopLosesItsStance(t *testing.T) {
	playProtected(t, func(t *testing.T, s *site) {
		deaf := make(chan struct{})
		s.until("the main has the reception", time.Second, func() bool { return s.main().agent.MayRegister(true, true) })
		s.change(func() { s.main().journal.deaf = deaf })
		s.secondary().abdicate()
		s.until("the main saves that the vote is back", 3*time.Second, func() bool { return s.main().journal.saving() })
		if stance, _ := s.main().agent.Stance(); stance != takeover.OnDuty {
			t.Errorf("the stance expired at once: %s", stance)
		}
		s.until("the stance expires", 1100*time.Millisecond, func() bool {
			stance, _ := s.main().agent.Stance()
			return stance == takeover.VerifyingAll
		})
		if s.main().agent.MayRegister(true, false) || s.main().agent.MayStandBy(true, false) {
			t.Error("a server whose loop is stuck refreshes its bindings")
		}
		if reply := s.main().agent.CheckMe(t.Context(), agent.CheckQuestion{}); reply.Well {
			t.Errorf("it says that it can take a call: %+v", reply)
		}
		close(deaf)
		s.until("the main goes on, alone", 2*time.Second, func() bool { return s.main().commit() })
	})
}

// A fence takes its purpose from the job under way; the job's end is not waited
// for and changes nothing.
func TestAFenceCancelsTheJobUnderWay(t *testing.T) {
	playProtected(t, func(t *testing.T, s *site) {
		s.change(func() { s.secondary().postgres.slow = time.Minute })
		s.main().kill()
		if d := s.decided(s.secondary().overflow(t.Context(), "one@pbx", "")); !d.Took {
			t.Fatalf("the call: %+v", d)
		}
		s.until("the promotion is under way", time.Second, func() bool { return s.secondary().agent.Machine().Job == takeover.JobPromote })
		m := s.secondary().agent.Machine()
		later := m.Status()
		later.Seat, later.Owner, later.Term, later.Known = releve.Main, releve.Main, later.Term+1, true
		s.secondary().agent.Heard(t.Context(), agent.Message{Status: later})
		s.until("the secondary stands aside", time.Second, func() bool { return s.phase(s.secondary()) == takeover.Deposed })
		s.until("the promotion was cancelled", time.Second, func() bool { return slices.Contains(s.secondary().postgres.cancelled(), "promote") })
		s.stays("it stays aside", 2*time.Second, func() bool {
			return s.phase(s.secondary()) == takeover.Deposed && s.secondary().postgres.running() == stopped
		})
	})
}

// A server that is stopped gives the vote back and waits until the main has heard
// it, so that the main goes on alone at once (R3).
func TestAStandbyThatIsStoppedGivesTheVoteBack(t *testing.T) {
	playProtected(t, func(t *testing.T, s *site) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		s.secondary().agent.Stop(ctx)
		if m := s.main().agent.Machine(); ctx.Err() != nil || !m.Vote {
			t.Fatalf("the main did not hear it: vote %v", m.Vote)
		}
		s.secondary().kill()
		s.until("the main commits alone", time.Second, s.main().commit)
	})
}

// The vote is issued and has not arrived: it is refused, not taken down with the
// server.
func TestAStandbyThatIsStoppedRefusesAVoteOnItsWay(t *testing.T) {
	play(t, func(t *testing.T, s *site) {
		s.main().start()
		s.secondary().start()
		s.until("the vote is prepared", 10*time.Second, func() bool {
			m := s.main().agent.Machine()
			return m.Owns() && m.Number == 1 && !m.Vote
		})
		s.change(func() { s.cut = true })
		s.until("the vote is on its way", time.Second, func() bool { return s.main().agent.Machine().Issued })
		s.change(func() { s.cut = false })
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		s.secondary().agent.Stop(ctx)
		s.secondary().kill()
		s.until("the main commits alone", 2*time.Second, s.main().commit)
	})
}

func TestAStandbyWithoutTheVoteStopsAtOnce(t *testing.T) {
	playProtected(t, func(t *testing.T, s *site) {
		s.secondary().abdicate()
		s.until("the main is alone", 3*time.Second, s.main().commit)
		s.main().kill()
		time.Sleep(2 * time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		if s.secondary().agent.Stop(ctx); ctx.Err() != nil {
			t.Error("it waits for a main that is dead and owes it nothing")
		}
	})
}

func TestAStandbyThatNobodyHearsStopsAllTheSame(t *testing.T) {
	playProtected(t, func(t *testing.T, s *site) {
		s.change(func() { s.cut = true })
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		s.secondary().agent.Stop(ctx)
		if ctx.Err() == nil || s.main().agent.Machine().Vote || s.secondary().agent.Machine().Vote {
			t.Errorf("the vote is with one of them: %s", s.minutes())
		}
	})
}

func TestAnOwnerIsStoppedAtOnce(t *testing.T) {
	playProtected(t, func(t *testing.T, s *site) {
		began := time.Now()
		s.main().agent.Stop(t.Context())
		if time.Since(began) > 0 || s.main().agent.Machine().Vote {
			t.Errorf("the owner gave something back in %s", time.Since(began))
		}
	})
}

// A decision that was begun when the server was told to stop is remembered; it is
// not a failure of the disk.
func TestAServerStoppedDuringASaveRemembersIt(t *testing.T) {
	playProtected(t, func(t *testing.T, s *site) {
		s.change(func() { s.main().journal.slow = time.Second })
		s.secondary().abdicate()
		s.until("the main saves that the vote is back", 3*time.Second, func() bool { return s.main().journal.saving() })
		s.main().cancel()
		<-s.main().ended
		if disk, decided := s.main().journal.onDisk(), s.main().agent.Machine().Durable; disk != decided || disk.Number < 1 {
			t.Errorf("on disk: %+v\ndecided: %+v", disk, decided)
		}
		if kept := s.main().diary.of("rule-halted"); len(kept) > 0 {
			t.Errorf("the diary says %+v", kept)
		}
	})
}

// A main that dies while nobody calls is relieved all the same: the standby calls
// the reception itself, and the PBX gives that call back to it (H8).
func TestAMainThatDiesAtNightIsRelievedBeforeTheFirstCaller(t *testing.T) {
	playProtected(t, func(t *testing.T, s *site) {
		s.stays("all is well", time.Second, s.protected)
		s.main().kill()
		s.until("the secondary stores", 4*time.Second, s.secondary().commit)
		if kept := s.secondary().diary.of("rule-takeover"); len(kept) != 1 || len(s.secondary().diary.of("rule-own-call")) != 1 {
			t.Errorf("the diary does not say why:\n%s", s.minutes())
		}
	})
}

// A PBX that does not give our own call back proves nothing: the main stays on
// duty as far as anybody knows, it is asked again ever more seldom, and the diary
// holds what was found, once.
func TestADeadMainDoesNotFillTheDiary(t *testing.T) {
	playProtected(t, func(t *testing.T, s *site) {
		s.stays("all is well", time.Second, s.protected)
		s.change(func() { s.secondary().testCall = errOwnCall })
		s.main().kill()
		s.until("the watch finds the main dead", 5*time.Second, func() bool { return s.secondary().agent.Machine().Count.Failed >= 3 })
		rounds := len(s.secondary().diary.of("round-failed"))
		s.stays("the watch goes on", 10*time.Minute, func() bool { return s.secondary().agent.Machine().Term == 1 })
		if more := len(s.secondary().diary.of("round-failed")); more > rounds+1 {
			t.Errorf("the diary goes on and on:\n%s", s.minutes())
		}
		if asked := len(s.secondary().diary.of("rule-own-call")); asked < 3 || asked > 12 {
			t.Errorf("%d calls of our own in ten minutes, want 5, 10, 20 … s apart", asked)
		}
	})
}

// The mirror's disk was full for a moment: it halts, and when there is room again it is
// the mirror again by itself, and holds the vote.
func TestAMirrorThatHaltedComesBackByItself(t *testing.T) {
	playProtected(t, func(t *testing.T, s *site) {
		s.change(func() { s.secondary().journal.refuses = errors.New("no space left on device") })
		s.secondary().abdicate()
		s.until("it halts", 5*time.Second, func() bool { return s.phase(s.secondary()) == takeover.Stuck })
		s.stays("no commit", 15*time.Second, func() bool { return !s.main().commit() })
		s.change(func() { s.secondary().journal.refuses, s.secondary().postgres.broken = nil, false })
		s.until("protected again", 15*time.Second, s.protected)
		if !s.main().commit() {
			t.Error("the main does not acknowledge a row")
		}
	})
}

// The secondary's disk stalls in the middle of a takeover, which is not carried out; the main
// comes back without the vote. Nobody is called: both go on from what their disks hold.
func TestADiskThatStallsInATakeoverLeavesNobodyWaiting(t *testing.T) {
	playProtected(t, func(t *testing.T, s *site) {
		s.change(func() { s.secondary().journal.hangs = true })
		s.main().kill()
		checkFenced(t, s, s.decided(s.secondary().overflow(t.Context(), "one@pbx", "")))
		s.main().start()
		s.change(func() { s.secondary().journal.hangs = false })
		s.until("protected again", 20*time.Second, s.protected)
		if m := s.main().agent.Machine(); m.Term != 1 || !s.main().commit() {
			t.Errorf("term %d", m.Term)
		}
	})
}

// An action that is carried out on a decision that slept looks again (R9, R19): the gate
// that an owner was about to open when its agent was stopped stays shut as it wakes.
func TestAGateIsNotOpenedOnADecisionThatSlept(t *testing.T) {
	playProtected(t, func(t *testing.T, s *site) {
		s.change(func() { s.main().store.slow = 500 * time.Millisecond })
		s.main().kill()
		s.main().start()
		s.until("the main opens its gate", 5*time.Second, func() bool { return s.main().agent.Machine().Job == takeover.JobOpen })
		s.main().freeze()
		if d := s.decided(s.secondary().overflow(t.Context(), "one@pbx", "")); !d.Took {
			t.Fatalf("the call: %+v\n%s", d, s.minutes())
		}
		s.until("the secondary records", 3*time.Second, s.secondary().commit)
		time.Sleep(time.Second) // its decision is more than a second old now
		s.main().wake()
		s.until("the main has lost the duty", 2*time.Second, func() bool { return s.phase(s.main()) == takeover.Deposed })
		if opened := s.main().store.terms; !slices.Equal(opened, []releve.Term{1}) {
			t.Errorf("the main opened its gate in the terms %v\n%s", opened, s.minutes())
		}
	})
}

// The vote comes back while the gate is being opened without it: the first commit waits for a
// mirror that may come no more, and the opening is begun anew, alone.
func TestAGateThatIsBeingOpenedWhenTheVoteComesIsOpenedAlone(t *testing.T) {
	playProtected(t, func(t *testing.T, s *site) {
		s.change(func() { s.main().store.waits = true })
		s.main().kill()
		s.main().start()
		s.until("the main opens its gate", 5*time.Second, func() bool { return s.main().agent.Machine().Job == takeover.JobOpen })
		s.stays("no commit", 5*time.Second, func() bool { return !s.main().commit() })
		if _, err := s.secondary().agent.Abdicate(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.until("the main records alone", 2*time.Second, s.main().commit)
		s.main().mu.Lock()
		defer s.main().mu.Unlock()
		if store := &s.main().store; !store.lone || store.openings != 1 || !slices.Equal(store.terms, []releve.Term{1, 1}) || !slices.Contains(s.main().postgres.canceled, "open") {
			t.Errorf("lone %v, %d at a time, opened in %v, given up %v\n%s", store.lone, store.openings, store.terms, s.main().postgres.canceled, s.minutes())
		}
	})
}
