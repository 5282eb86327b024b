package agent_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"releve"
	"releve/rules/takeover"
	"releve/server/agent"
)

func TestANewSiteGetsProtected(t *testing.T) {
	playProtected(t, func(t *testing.T, s *site) {
		if !s.main().commit() {
			t.Error("the main does not acknowledge a row")
		}
		s.until("each server has its user", time.Second, func() bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.reception == releve.Main && s.secondary().standby && !s.main().standby
		})
		if got := s.main().store.terms; !slices.Equal(got, []releve.Term{1}) {
			t.Errorf("terms opened: %v", got)
		}
	})
}

func TestAQuietSiteDecidesNothing(t *testing.T) {
	playProtected(t, func(t *testing.T, s *site) {
		s.until("the vote is told", time.Second, func() bool { return s.main().agent.Machine().Other.Vote })
		before := s.minutes()
		s.stays("protected", time.Minute, s.protected)
		if after := s.minutes(); after != before {
			t.Errorf("something was decided on a quiet site:\n%s", after)
		}
	})
}

func TestAnOverflowWhileTheMainIsWellIsRefusedAndKept(t *testing.T) {
	playProtected(t, func(t *testing.T, s *site) {
		s.change(func() { s.main().voice.load.LastInvite = time.Now() })
		d := s.decided(s.secondary().overflow(t.Context(), "one@pbx", releve.ReasonNoAnswer))
		if d != (releve.Decision{Code: 486}) {
			t.Errorf("the call: %+v\n%s", d, s.minutes())
		}
		if m := s.secondary().agent.Machine(); m.Term != 1 || m.Owns() {
			t.Errorf("term %d, owner %s", m.Term, m.Owner)
		}
		kept := s.secondary().diary.of("rule-in-service")
		if len(kept) != 1 || kept[0].Call != "one@pbx" || !slices.Contains(evidence(kept[0]), "evidence-well") {
			t.Errorf("the diary holds %+v", kept)
		}
		rounds := s.secondary().diary.of("round-good")
		if len(rounds) == 0 || rounds[0].Kind != "non-decision" {
			t.Errorf("the round that refused is not in the diary: %+v", rounds)
		}
	})
}

// The main says that it is well and never saw the call that it is said not to have
// answered, nor the one that the standby then made: the PBX has lost the way to it (H4, K3).
func TestACallThatTheMainNeverSawCountsAgainstItOnceOurOwnIsLostToo(t *testing.T) {
	playProtected(t, func(t *testing.T, s *site) {
		s.change(func() { s.lost = true })
		if d := s.decided(s.secondary().overflow(t.Context(), "one@pbx", releve.ReasonNoAnswer)); !d.Took {
			t.Errorf("the call: %+v\n%s", d, s.minutes())
		}
		kept := s.secondary().diary.of("rule-takeover")
		if len(kept) != 1 || !slices.Contains(evidence(kept[0]), "evidence-unseen") || len(s.secondary().diary.of("rule-call-unseen")) != 1 {
			t.Errorf("the diary holds %+v", kept)
		}
		s.until("the main has lost the duty", time.Second, func() bool { return s.phase(s.main()) == takeover.Deposed })
	})
}

// A main that was dead when the standby's own call left, and is well when it comes back, has
// missed it for that reason.
func TestAnOwnCallFromBeforeTheMainCameBackProvesNothing(t *testing.T) {
	playProtected(t, func(t *testing.T, s *site) {
		s.change(func() { s.lost = true })
		s.main().kill()
		s.until("the standby calls the reception", 5*time.Second, func() bool { return s.secondary().agent.Machine().Own.Out > 0 })
		s.main().start()
		s.until("the main serves again", 3*time.Second, s.main().serves)
		s.stays("the main has the duty", 5*time.Second, func() bool { return s.main().agent.Machine().Term == 1 && s.main().serves() })
		if back := s.secondary().diary.of("event-own-call-failed"); len(back) == 0 {
			t.Errorf("the call never came back\n%s", s.minutes())
		}
	})
}

// A header is no evidence (K3): whatever overflows are forged, a main that says over the
// link that it is well keeps the duty, and nobody calls it more often than he must.
func TestAForgedOverflowMovesNoDuty(t *testing.T) {
	for _, c := range []struct {
		name   string
		reason releve.OverflowReason
		calls  error // what comes of our own
		most   int   // of them, in three minutes
	}{
		{"no answer", releve.ReasonNoAnswer, nil, 5},
		{"no answer, and the PBX takes no call of ours", releve.ReasonNoAnswer, errOwnCall, 7},
		{"not reached", releve.ReasonUnavailable, nil, 0},
		{"busy", releve.ReasonBusy, nil, 0},
		{"no reason", releve.ReasonUnknown, nil, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			playProtected(t, func(t *testing.T, s *site) {
				s.change(func() { s.secondary().testCall = c.calls })
				for range 180 {
					d := s.decided(s.secondary().overflow(t.Context(), "forged@nowhere", c.reason))
					if d != (releve.Decision{Code: 486}) || s.secondary().agent.Machine().Term != 1 || !s.main().serves() {
						t.Fatalf("the call: %+v\n%s", d, s.minutes())
					}
					time.Sleep(time.Second)
				}
				if own := len(s.secondary().diary.of("rule-call-unseen")); own > c.most || own == 0 && c.most > 0 {
					t.Errorf("the standby made %d calls of its own", own)
				}
			})
		})
	}
}

// A call that passes for one of ours proves nothing while the main sees ours, or while
// there is none.
func TestAForgedReturnOfOurOwnCallProvesNothing(t *testing.T) {
	playProtected(t, func(t *testing.T, s *site) {
		forged := make(chan releve.Decision, 1)
		go func() { forged <- s.secondary().agent.Verify(t.Context(), "own@pbx", releve.ReasonNoAnswer, true) }()
		if d := s.decided(forged); d.Answer {
			t.Errorf("the call: %+v\n%s", d, s.minutes())
		}
		if !s.protected() {
			t.Errorf("not protected\n%s", s.minutes())
		}
	})
}

// A call that overflows because every channel of the main is busy is refused: the
// main is in service (H4).
func TestAMainWithAllChannelsBusyIsInService(t *testing.T) {
	playProtected(t, func(t *testing.T, s *site) {
		s.change(func() { s.main().voice.load.Busy = 30 })
		d := s.decided(s.secondary().overflow(t.Context(), "one@pbx", ""))
		kept := s.secondary().diary.of("rule-in-service")
		if d.Answer || len(kept) != 1 || !slices.Contains(evidence(kept[0]), "evidence-busy") {
			t.Errorf("the call: %+v, the diary: %+v", d, kept)
		}
	})
}

// The main job (H2, H9): the call that overflowed is the call that is answered,
// nothing acknowledged is lost, and the diary says why.
func TestTheMainDiesAndThatCallIsAnswered(t *testing.T) {
	playProtected(t, func(t *testing.T, s *site) {
		for range 20 {
			if !s.main().commit() {
				t.Fatal("the main does not acknowledge a row")
			}
		}
		s.main().kill()
		d := s.decided(s.secondary().overflow(t.Context(), "one@pbx", releve.ReasonUnavailable))
		if d != (releve.Decision{Answer: true, Took: true}) {
			t.Fatalf("the call: %+v", d)
		}
		if stance, term := s.secondary().agent.Stance(); stance != takeover.OnDuty || term != 2 {
			t.Errorf("after the answer: %s in term %d", stance, term)
		}
		s.until("the secondary stores", 2*time.Second, s.secondary().commit)
		s.until("callers reach the secondary", time.Second, func() bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.reception == releve.Secondary && s.secondary().standby
		})
		kept := s.secondary().diary.of("rule-takeover")
		if len(kept) != 1 || kept[0].Call != "one@pbx" || kept[0].What.Args["calls"] != "1" {
			t.Fatalf("the diary holds %+v", kept)
		}
		for _, code := range []string{"evidence-silent", "evidence-control-answered"} {
			if !slices.Contains(evidence(kept[0]), code) {
				t.Errorf("%s is not in the evidence %v", code, evidence(kept[0]))
			}
		}
	})
}

// A caller who hangs up does not stop a verification (H3): the next finds the
// rounds already counted.
func TestACallerHangsUpDuringTheVerification(t *testing.T) {
	playProtected(t, func(t *testing.T, s *site) {
		s.change(func() { s.secondary().testCall = errOwnCall })
		s.main().kill()
		ctx, hangUp := context.WithTimeout(t.Context(), 150*time.Millisecond)
		defer hangUp()
		if d := s.decided(s.secondary().overflow(ctx, "gone@pbx", "")); d.Answer {
			t.Fatalf("a caller who hung up is answered: %+v", d)
		}
		s.until("the rounds go on", 2*time.Second, func() bool { return s.secondary().agent.Machine().Count.Failed >= 3 })
		s.stays("the secondary is passive", 2*time.Second, func() bool { return s.secondary().agent.Machine().Term == 1 })
		second := s.secondary().overflow(t.Context(), "second@pbx", "")
		if d := s.decided(second); !d.Answer || !d.Took {
			t.Errorf("the second call: %+v", d)
		}
		if kept := s.secondary().diary.of("rule-takeover"); len(kept) != 1 || kept[0].Call != "second@pbx" {
			t.Errorf("the diary names %+v", kept)
		}
	})
}

func TestFiveHundredWaitersGetOneVerdict(t *testing.T) {
	playProtected(t, func(t *testing.T, s *site) {
		s.main().kill()
		var waiters []<-chan releve.Decision
		for i := range 500 {
			waiters = append(waiters, s.secondary().overflow(t.Context(), releve.CallID(fmt.Sprintf("%d@pbx", i)), ""))
		}
		for i, c := range waiters {
			if d := s.decided(c); d != (releve.Decision{Answer: true, Took: true}) {
				t.Fatalf("call %d: %+v", i, d)
			}
		}
		kept := s.secondary().diary.of("rule-takeover")
		if len(kept) != 1 || kept[0].What.Args["calls"] != "500" {
			t.Errorf("the diary holds %d verdicts: %+v", len(kept), kept)
		}
	})
}

// The PBX may offer the same Call-ID twice, when it retries or forks: each offer
// has its own decision, and who hangs up takes nobody with him.
func TestTwoOffersOfOneCallEachGetTheirVerdict(t *testing.T) {
	playProtected(t, func(t *testing.T, s *site) {
		s.main().kill()
		ctx, hangUp := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer hangUp()
		first := s.secondary().overflow(ctx, "one@pbx", "")
		second := s.secondary().overflow(t.Context(), "one@pbx", "")
		third := s.secondary().overflow(t.Context(), "one@pbx", "")
		if d := s.decided(first); d.Answer {
			t.Errorf("the offer that was taken back: %+v", d)
		}
		for _, c := range []<-chan releve.Decision{second, third} {
			if d := s.decided(c); !d.Answer {
				t.Errorf("an offer that still waits: %+v", d)
			}
		}
	})
}

// Busy at the main by the PBX's own word, and a good round just before: that call
// is refused at once, by its name, and the one that waits goes on waiting (H5).
func TestABusyCallIsRefusedAloneByItsName(t *testing.T) {
	playProtected(t, func(t *testing.T, s *site) {
		well := func() bool {
			age := s.secondary().now() - s.secondary().agent.Machine().Count.Good
			return age > 0 && age < 100*time.Millisecond // a call of that very instant would count as seen by it
		}
		s.until("the watch has just found the main well", 2*time.Second, well)
		s.main().kill()
		waiting := s.secondary().overflow(t.Context(), "waits@pbx", "")
		s.until("it waits", time.Second, func() bool { return s.secondary().agent.Machine().Waiters == 1 })
		busy := s.secondary().overflow(t.Context(), "busy@pbx", releve.ReasonBusy)
		if d := s.decided(busy); d != (releve.Decision{Code: 486}) {
			t.Errorf("the busy call: %+v", d)
		}
		kept := s.secondary().diary.of("rule-busy-refused")
		if len(kept) != 1 || kept[0].Call != "busy@pbx" {
			t.Errorf("the diary names %+v", kept)
		}
		if d := s.decided(waiting); !d.Answer {
			t.Errorf("the call that waits: %+v", d)
		}
	})
}

// A stopped process finds, when it goes on, that it may have been relieved: it
// takes no call, commits nothing, and leaves the reception to who has it (H10).
func TestAFrozenMainWakesUpAndHasLostTheDuty(t *testing.T) {
	playProtected(t, func(t *testing.T, s *site) {
		s.main().commit()
		before := s.secondary().agent.Message()
		s.main().freeze()
		if d := s.decided(s.secondary().overflow(t.Context(), "one@pbx", releve.ReasonNoAnswer)); !d.Answer || !d.Took {
			t.Fatalf("the call: %+v", d)
		}
		s.until("the secondary stores", 2*time.Second, s.secondary().commit)
		s.change(func() { s.cut = true })
		s.main().wake()
		s.until("the main knows that it slept", time.Second, func() bool { return s.main().agent.Machine().Suspended })
		time.Sleep(time.Millisecond)
		s.main().agent.Heard(t.Context(), before) // it waited in a socket all the time
		s.stays("the main takes no call and commits nothing", 3*time.Second, func() bool {
			stance, _ := s.main().agent.Stance()
			return stance != takeover.OnDuty && !s.main().commit() && !s.main().agent.MayRegister(false, true)
		})
		s.change(func() { s.cut = false })
		s.until("the main knows that it lost the duty", time.Second, func() bool { return s.phase(s.main()) == takeover.Deposed })
		if s.main().voice.drops != 1 || s.main().postgres.fenced == 0 {
			t.Errorf("calls dropped %d times, fenced %d times", s.main().voice.drops, s.main().postgres.fenced)
		}
		if kept := s.main().diary.of("rule-duty-lost"); len(kept) != 1 {
			t.Errorf("the diary holds %+v", kept)
		}
	})
}

// The mirror was away, the main committed alone and died: nobody may take over,
// and the call is answered all the same, without the duty (H9, R13).
func TestWithoutTheVoteTheCallIsAnsweredWithoutTheDuty(t *testing.T) {
	playProtected(t, func(t *testing.T, s *site) {
		s.secondary().abdicate()
		s.until("the main commits alone", 2*time.Second, s.main().commit)
		s.main().kill()
		if d := s.decided(s.secondary().overflow(t.Context(), "one@pbx", "")); d != (releve.Decision{Answer: true, WithoutDuty: true}) {
			t.Fatalf("the call: %+v", d)
		}
		if m := s.secondary().agent.Machine(); m.Term != 1 || m.Owns() || s.secondary().commit() {
			t.Errorf("the secondary took a duty that it may not have: term %d, owner %s", m.Term, m.Owner)
		}
		if kept := s.secondary().diary.of("rule-answered-without-duty"); len(kept) != 1 || kept[0].Call != "one@pbx" {
			t.Errorf("the diary holds %+v", kept)
		}
		s.main().start()
		s.until("the main serves again", 5*time.Second, s.main().serves)
		s.secondary().kill()
		s.change(func() { s.secondary().postgres.broken = false })
		s.secondary().start()
		s.until("protected again", 10*time.Second, s.protected)
	})
}

// A PBX that answers neither server proves nothing against the main (R16).
func TestAStandbyThatIsItselfCutOffAnswersNobody(t *testing.T) {
	playProtected(t, func(t *testing.T, s *site) {
		s.change(func() { s.pbxDown, s.cut, s.main().mute = true, true, true })
		s.stays("a round that began before the cut has ended", time.Second, func() bool { return true })
		ctx, hangUp := context.WithTimeout(t.Context(), 10*time.Second)
		defer hangUp()
		if d := s.decided(s.secondary().overflow(ctx, "one@pbx", "")); d.Answer {
			t.Errorf("the call: %+v", d)
		}
		if len(s.secondary().diary.of("round-void")) == 0 {
			t.Errorf("the diary does not say that the rounds prove nothing:\n%s", s.minutes())
		}
	})
}

func TestTheMainsDatabaseDiesAndItHandsOver(t *testing.T) {
	playProtected(t, func(t *testing.T, s *site) {
		s.main().commit()
		s.change(func() { s.main().postgres.broken = true; s.main().postgres.exit("corrupt") })
		s.until("the secondary stores", 3*time.Second, s.secondary().commit)
		s.until("the main stands aside", 3*time.Second, func() bool { return s.phase(s.main()) == takeover.Deposed })
		if len(s.main().diary.of("rule-database-lost")) != 1 || len(s.secondary().diary.of("rule-duty-taken-from-released")) != 1 {
			t.Errorf("the diaries do not say why:\n%s", s.minutes())
		}
	})
}

func TestTheMainsVoiceFailsAndItHandsOver(t *testing.T) {
	playProtected(t, func(t *testing.T, s *site) {
		s.change(func() { s.main().voice.well = errors.New("the RTP ports are gone") })
		s.until("the secondary serves", 5*time.Second, s.secondary().serves)
		if len(s.main().diary.of("rule-voice-lost")) != 1 {
			t.Errorf("the diary does not say why:\n%s", s.minutes())
		}
	})
}

func TestThePBXIsSilentToTheMainAloneAndItHandsOver(t *testing.T) {
	playProtected(t, func(t *testing.T, s *site) {
		s.change(func() { s.main().mute = true })
		s.until("the secondary serves", 5*time.Second, s.secondary().serves)
		if len(s.main().diary.of("rule-pbx-lost")) != 1 {
			t.Errorf("the diary does not say why:\n%s", s.minutes())
		}
	})
}

// A main that slept and was missed by nobody goes on: the other's fresh word says
// so, and with the link cut the PBX does, which still shows its binding.
func TestAFrozenMainThatNobodyRelievedGoesOn(t *testing.T) {
	for _, cut := range []bool{false, true} {
		playProtected(t, func(t *testing.T, s *site) {
			s.until("the main has the reception", time.Second, func() bool { return s.main().agent.MayRegister(true, true) })
			s.change(func() { s.cut = cut })
			s.main().freeze()
			time.Sleep(3 * time.Second)
			s.main().wake()
			if stance, _ := s.main().agent.Stance(); stance == takeover.OnDuty {
				t.Error("it takes calls before it knows")
			}
			s.until("it takes calls again", time.Second, func() bool {
				stance, _ := s.main().agent.Stance()
				return stance == takeover.OnDuty
			})
			if len(s.main().diary.of("rule-duty-still-ours")) != 1 {
				t.Errorf("the diary does not say it:\n%s", s.minutes())
			}
		})
	}
}

// A main that was frozen for a while, and that nobody relieved, answers the calls that
// waited for it and keeps the duty, however long it was: given back, they would overflow to
// a standby that has just counted its failed rounds.
func TestAFrozenMainAnswersTheCallsThatWaited(t *testing.T) {
	for frozen := 1100 * time.Millisecond; frozen <= 4700*time.Millisecond; frozen += 300 * time.Millisecond {
		t.Run(frozen.String(), func(t *testing.T) {
			playProtected(t, func(t *testing.T, s *site) {
				s.main().freeze()
				time.Sleep(frozen / 2)
				waits := s.main().overflow(t.Context(), "waits@pbx", "")
				time.Sleep(frozen / 2)
				s.main().wake()
				for late := range 20 { // those that it reads next from its socket
					if stance, _ := s.main().agent.Stance(); stance == takeover.Closed {
						t.Errorf("%d ms after it woke it refuses calls", late)
					}
					time.Sleep(time.Millisecond)
				}
				if d := s.decided(waits); !d.Answer || d.WithoutDuty {
					t.Errorf("the call that waited: %+v\n%s", d, s.minutes())
				}
				if d := s.decided(s.secondary().overflow(t.Context(), "overflowed@pbx", "")); d.Answer {
					t.Errorf("a call that had overflowed: %+v\n%s", d, s.minutes())
				}
				s.stays("the main has the duty", 3*time.Second, func() bool { return s.main().agent.Machine().Term == 1 && s.main().serves() })
			})
		})
	}
}

// The question whether it can take a call reaches a main that wakes up before it knows
// whether it is on duty: it waits for that, a moment, and does not say no.
func TestAMainThatWakesUpDoesNotSayNo(t *testing.T) {
	playProtected(t, func(t *testing.T, s *site) {
		s.main().freeze()
		time.Sleep(2 * time.Second)
		s.main().wake()
		reply := s.main().agent.CheckMe(t.Context(), agent.CheckQuestion{Term: 1, Call: true})
		if !reply.Well {
			t.Errorf("as it wakes it says: %+v", reply)
		}
	})
}

// The PBX restarts: silent to both, it answers the secondary first. A silence that was
// everybody's is no evidence against one (R17).
func TestAPBXThatAnswersTheSecondaryFirstMovesNoDuty(t *testing.T) {
	for _, silent := range []time.Duration{time.Second, 2 * time.Second, 3 * time.Second, 20 * time.Second} {
		for _, first := range []time.Duration{100 * time.Millisecond, 500 * time.Millisecond, 900 * time.Millisecond} {
			t.Run(fmt.Sprintf("%s, then %s", silent, first), func(t *testing.T) {
				playProtected(t, func(t *testing.T, s *site) {
					s.change(func() { s.pbxDown = true })
					time.Sleep(silent)
					s.change(func() { s.pbxDown, s.main().mute = false, true })
					time.Sleep(first)
					s.change(func() { s.main().mute = false })
					s.stays("the main has the duty", 10*time.Second, func() bool { return s.main().agent.Machine().Term == 1 && s.main().serves() })
				})
			})
		}
	}
}

// The PBX keeps the reception for a dead main, and calls come to the standby user. Who took
// over and is started again keeps that one until it has the reception, and takes it from
// nobody (T3, H2).
func TestWhoTookOverKeepsTheStandbyUserOverARestart(t *testing.T) {
	playProtected(t, func(t *testing.T, s *site) {
		s.change(func() { s.protects = true })
		s.main().kill()
		s.decided(s.secondary().overflow(t.Context(), "one@pbx", releve.ReasonNoAnswer))
		s.until("the secondary serves", 5*time.Second, s.secondary().serves)
		s.secondary().kill()
		s.secondary().start()
		s.until("it serves again", 5*time.Second, s.secondary().serves)
		s.stays("it has the standby user", 10*time.Second, func() bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.secondary().standby
		})
		if may := s.secondary().agent.MayStandBy; !may(true, true) || may(false, true) || may(false, false) {
			t.Error("it does not only keep the standby user")
		}
		s.change(func() { s.protects = false })
		s.until("it has the reception alone", time.Second, func() bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.reception == releve.Secondary && !s.secondary().standby
		})
	})
}

// Two words of the other are on their way at a time. One that comes behind a later one says
// nothing: a server that handed its duty over took the reception user back for it (R9).
func TestAWordThatWasOvertakenIsNoNews(t *testing.T) {
	const mark = 77
	playProtected(t, func(t *testing.T, s *site) {
		word := s.secondary().agent.Message()
		word.Status.Spooled, word.Server.SpoolWaiting = mark, mark
		marked := func() bool {
			synctest.Wait()
			return s.main().agent.Machine().Other.Spooled == mark || s.main().agent.View().Secondary.SpoolWaiting == mark
		}
		time.Sleep(2 * time.Second)
		s.main().agent.Heard(t.Context(), word)
		if marked() {
			t.Error("it is taken for what the other is now")
		}
		word.Told += time.Hour
		s.main().agent.Heard(t.Context(), word)
		if !marked() {
			t.Error("a later word is not heard")
		}
		time.Sleep(2 * time.Second)
		word.Life, word.Told = "another", 0 // the other was started again, perhaps on a machine that was
		s.main().agent.Heard(t.Context(), word)
		if !marked() {
			t.Error("a process that was started again is not heard")
		}
	})
}

// What comes by itself may have waited in a process that slept: of the PBX it says nothing
// new. A restart of the PBX passed for a silence of the main's alone (R17).
func TestAWordThatNobodyAskedForIsNotFresh(t *testing.T) {
	playProtected(t, func(t *testing.T, s *site) {
		word := s.secondary().agent.Message()
		m := s.main().agent.Machine()
		known := m.Other.PBXAgo + m.Now - m.OtherAt
		word.Status.PBXAgo = 0
		s.main().agent.Heard(t.Context(), word)
		synctest.Wait()
		if now := s.main().agent.Machine().Other; known <= 0 || now.PBXAgo < known {
			t.Errorf("the PBX is taken to have answered the other %s ago, it was known for %s ago", now.PBXAgo, known)
		}
		s.until("an answer of the other tells it anew", 5*time.Second, func() bool {
			m := s.main().agent.Machine()
			return m.Other.PBXAgo+m.Now-m.OtherAt < known
		})
	})
}

// A database that dies again, of the same cause, before anybody has looked at it is
// started again all the same.
func TestADatabaseThatDiesAgainAtOnceIsStartedAgain(t *testing.T) {
	playProtected(t, func(t *testing.T, s *site) {
		die := func() {
			s.change(func() { s.secondary().postgres.exit("no space left on device") })
		}
		die()
		s.until("it runs again", 5*time.Second, func() bool { return s.secondary().postgres.running() == standby })
		die()
		s.until("protected again", 10*time.Second, s.protected)
	})
}

// The mirror's database dies and comes back: the main is alone meanwhile, and the
// site is protected again by itself (M4).
func TestAMirrorWhoseDatabaseRestartsFollowsAgain(t *testing.T) {
	playProtected(t, func(t *testing.T, s *site) {
		s.change(func() { s.secondary().postgres.exit("killed") })
		s.until("the main commits", 2*time.Second, s.main().commit)
		s.until("protected again", 10*time.Second, s.protected)
		if !s.main().commit() {
			t.Error("the main does not acknowledge a row")
		}
	})
}

// A main that was relieved keeps the standby line. When its successor is lost too, it
// answers, without the duty (R13).
func TestARelievedMainAnswersWhenItsSuccessorIsLost(t *testing.T) {
	playProtected(t, func(t *testing.T, s *site) {
		relieved(t, s)
		if d := s.decided(s.main().overflow(t.Context(), "one@pbx", "")); d.Answer {
			t.Errorf("its successor is well, and the call: %+v", d)
		}
		s.secondary().kill()
		if d := s.decided(s.main().overflow(t.Context(), "two@pbx", "")); !d.Answer || !d.WithoutDuty {
			t.Errorf("the call: %+v\n%s", d, s.minutes())
		}
		if m := s.main().agent.Machine(); m.Owns() && m.Term > 1 {
			t.Errorf("it took the duty, of term %d", m.Term)
		}
	})
}
