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
	"releve/proof/sim"
	"releve/rules/takeover"
	"releve/server/agent"
)

func TestANewSiteGetsProtected(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		if !s.Main().Commit() {
			t.Error("the main does not acknowledge a row")
		}
		s.Until("each server has its user", time.Second, func() bool {
			return s.Reception() == releve.Main && s.Standby() == releve.Secondary
		})
		if got := s.Main().Outside().Opened; !slices.Equal(got, []releve.Term{1}) {
			t.Errorf("terms opened: %v", got)
		}
	})
}

func TestAQuietSiteDecidesNothing(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		s.Until("the vote is told", time.Second, func() bool { return s.Main().Agent().Machine().Other.Vote })
		before := s.Trace()
		s.Stays("protected", time.Minute, s.Protected)
		if after := s.Trace(); after != before {
			t.Errorf("something was decided on a quiet site:\n%s", after)
		}
	})
}

func TestAnOverflowWhileTheMainIsWellIsRefusedAndKept(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		answered(s, 1)
		d := s.Decided(s.Secondary().Overflow(t.Context(), "one@pbx", releve.ReasonNoAnswer))
		if d != (releve.Decision{Code: 486}) {
			t.Errorf("the call: %+v\n%s", d, s.Trace())
		}
		if m := s.Secondary().Agent().Machine(); m.Term != 1 || m.Owns() {
			t.Errorf("term %d, owner %s", m.Term, m.Owner)
		}
		kept := s.Secondary().Said("rule-in-service")
		if len(kept) != 1 || kept[0].Call != "one@pbx" || !slices.Contains(evidence(kept[0]), "evidence-well") {
			t.Errorf("the diary holds %+v", kept)
		}
		rounds := s.Secondary().Said("round-good")
		if len(rounds) == 0 || rounds[0].Kind != "non-decision" {
			t.Errorf("the round that refused is not in the diary: %+v", rounds)
		}
	})
}

// The main says that it is well and never saw the call that it is said not to have
// answered, nor the one that the standby then made: the PBX has lost the way to it (H4, K3).
func TestACallThatTheMainNeverSawCountsAgainstItOnceOurOwnIsLostToo(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		s.LoseCalls()
		if d := s.Decided(s.Secondary().Overflow(t.Context(), "one@pbx", releve.ReasonNoAnswer)); !d.Took {
			t.Errorf("the call: %+v\n%s", d, s.Trace())
		}
		kept := s.Secondary().Said("rule-takeover")
		if len(kept) != 1 || !slices.Contains(evidence(kept[0]), "evidence-unseen") || len(s.Secondary().Said("rule-call-unseen")) != 1 {
			t.Errorf("the diary holds %+v", kept)
		}
		s.Until("the main has lost the duty", time.Second, func() bool { return s.Main().Phase() == takeover.Deposed })
	})
}

// A main that was dead when the standby's own call left, and is well when it comes back, has
// missed it for that reason.
func TestAnOwnCallFromBeforeTheMainCameBackProvesNothing(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		s.LoseCalls()
		s.Main().Crash()
		s.Until("the standby calls the reception", 5*time.Second, func() bool { return s.Secondary().Agent().Machine().Own.Out > 0 })
		s.Main().Start()
		s.Until("the main serves again", 3*time.Second, s.Main().Serves)
		s.Stays("the main has the duty", 16*time.Second, func() bool { return s.Main().Agent().Machine().Term == 1 && s.Main().Serves() })
		if back := s.Secondary().Said("event-own-call-failed"); len(back) == 0 {
			t.Errorf("the call never came back\n%s", s.Trace())
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
			playProtected(t, func(t *testing.T, s *sim.Site) {
				s.RefuseOwnCalls(c.calls)
				for range 180 {
					d := s.Decided(s.Secondary().Overflow(t.Context(), "forged@nowhere", c.reason))
					if d != (releve.Decision{Code: 486}) || s.Secondary().Agent().Machine().Term != 1 || !s.Main().Serves() {
						t.Fatalf("the call: %+v\n%s", d, s.Trace())
					}
					time.Sleep(time.Second)
				}
				if own := len(s.Secondary().Said("rule-call-unseen")); own > c.most || own == 0 && c.most > 0 {
					t.Errorf("the standby made %d calls of its own", own)
				}
			})
		})
	}
}

// A call that passes for one of ours proves nothing while the main sees ours, or while
// there is none.
func TestAForgedReturnOfOurOwnCallProvesNothing(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		forged := make(chan releve.Decision, 1)
		go func() { forged <- s.Secondary().Agent().Verify(t.Context(), "own@pbx", releve.ReasonNoAnswer, true) }()
		if d := s.Decided(forged); d.Answer {
			t.Errorf("the call: %+v\n%s", d, s.Trace())
		}
		if !s.Protected() {
			t.Errorf("not protected\n%s", s.Trace())
		}
	})
}

// A call that overflows because every channel of the main is busy is refused: the
// main is in service (H4).
func TestAMainWithAllChannelsBusyIsInService(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		answered(s, 30)
		d := s.Decided(s.Secondary().Overflow(t.Context(), "one@pbx", ""))
		kept := s.Secondary().Said("rule-in-service")
		if d.Answer || len(kept) != 1 || !slices.Contains(evidence(kept[0]), "evidence-busy") {
			t.Errorf("the call: %+v, the diary: %+v", d, kept)
		}
	})
}

// The main job (H2, H9): the call that overflowed is the call that is answered,
// nothing acknowledged is lost, and the diary says why.
func TestTheMainDiesAndThatCallIsAnswered(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		for range 20 {
			if !s.Main().Commit() {
				t.Fatal("the main does not acknowledge a row")
			}
		}
		s.Main().Crash()
		d := s.Decided(s.Secondary().Overflow(t.Context(), "one@pbx", releve.ReasonUnavailable))
		if d != (releve.Decision{Answer: true, Took: true}) {
			t.Fatalf("the call: %+v", d)
		}
		if stance, term := s.Secondary().Agent().Stance(); stance != takeover.OnDuty || term != 2 {
			t.Errorf("after the answer: %s in term %d", stance, term)
		}
		s.Until("the secondary stores", 2*time.Second, s.Secondary().Commit)
		s.Until("callers reach the secondary", time.Second, func() bool {
			return s.Reception() == releve.Secondary && s.Standby() == releve.Secondary
		})
		kept := s.Secondary().Said("rule-takeover")
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
	playProtected(t, func(t *testing.T, s *sim.Site) {
		s.RefuseOwnCalls(errOwnCall)
		s.Main().Crash()
		ctx, hangUp := context.WithTimeout(t.Context(), 150*time.Millisecond)
		defer hangUp()
		if d := s.Decided(s.Secondary().Overflow(ctx, "gone@pbx", "")); d.Answer {
			t.Fatalf("a caller who hung up is answered: %+v", d)
		}
		s.Until("the rounds go on", 2*time.Second, func() bool { return s.Secondary().Agent().Machine().Count.Failed >= 3 })
		s.Stays("the secondary is passive", 2*time.Second, func() bool { return s.Secondary().Agent().Machine().Term == 1 })
		second := s.Secondary().Overflow(t.Context(), "second@pbx", "")
		if d := s.Decided(second); !d.Answer || !d.Took {
			t.Errorf("the second call: %+v", d)
		}
		if kept := s.Secondary().Said("rule-takeover"); len(kept) != 1 || kept[0].Call != "second@pbx" {
			t.Errorf("the diary names %+v", kept)
		}
	})
}

func TestFiveHundredWaitersGetOneVerdict(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		s.Main().Crash()
		var waiters []<-chan releve.Decision
		for i := range 500 {
			waiters = append(waiters, s.Secondary().Overflow(t.Context(), releve.CallID(fmt.Sprintf("%d@pbx", i)), ""))
		}
		for i, c := range waiters {
			if d := s.Decided(c); d != (releve.Decision{Answer: true, Took: true}) {
				t.Fatalf("call %d: %+v", i, d)
			}
		}
		kept := s.Secondary().Said("rule-takeover")
		if len(kept) != 1 || kept[0].What.Args["calls"] != "500" {
			t.Errorf("the diary holds %d verdicts: %+v", len(kept), kept)
		}
	})
}

// The PBX may offer the same Call-ID twice, when it retries or forks: each offer
// has its own decision, and who hangs up takes nobody with him.
func TestTwoOffersOfOneCallEachGetTheirVerdict(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		s.Main().Crash()
		ctx, hangUp := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer hangUp()
		first := s.Secondary().Overflow(ctx, "one@pbx", "")
		second := s.Secondary().Overflow(t.Context(), "one@pbx", "")
		third := s.Secondary().Overflow(t.Context(), "one@pbx", "")
		if d := s.Decided(first); d.Answer {
			t.Errorf("the offer that was taken back: %+v", d)
		}
		for _, c := range []<-chan releve.Decision{second, third} {
			if d := s.Decided(c); !d.Answer {
				t.Errorf("an offer that still waits: %+v", d)
			}
		}
	})
}

// Busy at the main by the PBX's own word, and a good round just before: that call
// is refused at once, by its name, and the one that waits goes on waiting (H5).
func TestABusyCallIsRefusedAloneByItsName(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		well := func() bool {
			age := s.Secondary().Now() - s.Secondary().Agent().Machine().Count.Good
			return age > 0 && age < 100*time.Millisecond // a call of that very instant would count as seen by it
		}
		s.Until("the watch has just found the main well", 2*time.Second, well)
		s.Main().Crash()
		waiting := s.Secondary().Overflow(t.Context(), "waits@pbx", "")
		s.Until("it waits", time.Second, func() bool { return s.Secondary().Agent().Machine().Waiters == 1 })
		busy := s.Secondary().Overflow(t.Context(), "busy@pbx", releve.ReasonBusy)
		if d := s.Decided(busy); d != (releve.Decision{Code: 486}) {
			t.Errorf("the busy call: %+v", d)
		}
		kept := s.Secondary().Said("rule-busy-refused")
		if len(kept) != 1 || kept[0].Call != "busy@pbx" {
			t.Errorf("the diary names %+v", kept)
		}
		if d := s.Decided(waiting); !d.Answer {
			t.Errorf("the call that waits: %+v", d)
		}
	})
}

// A stopped process finds, when it goes on, that it may have been relieved: it
// takes no call, commits nothing, and leaves the reception to who has it (H10).
func TestAFrozenMainWakesUpAndHasLostTheDuty(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		s.Main().Commit()
		before := s.Secondary().Agent().Message()
		s.Main().Pause()
		if d := s.Decided(s.Secondary().Overflow(t.Context(), "one@pbx", releve.ReasonNoAnswer)); !d.Answer || !d.Took {
			t.Fatalf("the call: %+v", d)
		}
		s.Until("the secondary stores", 2*time.Second, s.Secondary().Commit)
		s.PartitionLink()
		time.Sleep(time.Second) // what waits for the main to run again is given up
		s.Main().Resume()
		s.Until("the main knows that it slept", time.Second, func() bool { return s.Main().Agent().Machine().Suspended })
		time.Sleep(time.Millisecond)
		s.Main().Agent().Heard(t.Context(), before) // it waited in a socket all the time
		s.Stays("the main takes no call and commits nothing", 3*time.Second, func() bool {
			stance, _ := s.Main().Agent().Stance()
			return stance != takeover.OnDuty && !s.Main().Commit() && !s.Main().Agent().MayRegister(false, true)
		})
		s.HealLink()
		s.Until("the main knows that it lost the duty", time.Second, func() bool { return s.Main().Phase() == takeover.Deposed })
		if s.Main().Outside().HungUp != 1 || s.Main().Outside().Fenced == 0 {
			t.Errorf("calls dropped %d times, fenced %d times", s.Main().Outside().HungUp, s.Main().Outside().Fenced)
		}
		if kept := s.Main().Said("rule-duty-lost"); len(kept) != 1 {
			t.Errorf("the diary holds %+v", kept)
		}
	})
}

// The mirror was away, the main committed alone and died: nobody may take over,
// and the call is answered all the same, without the duty (H9, R13).
func TestWithoutTheVoteTheCallIsAnsweredWithoutTheDuty(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		s.Secondary().BreakDatabase("disk full")
		s.Until("the main commits alone", 2*time.Second, s.Main().Commit)
		s.Main().Crash()
		if d := s.Decided(s.Secondary().Overflow(t.Context(), "one@pbx", "")); d != (releve.Decision{Answer: true, WithoutDuty: true}) {
			t.Fatalf("the call: %+v", d)
		}
		if m := s.Secondary().Agent().Machine(); m.Term != 1 || m.Owns() || s.Secondary().Commit() {
			t.Errorf("the secondary took a duty that it may not have: term %d, owner %s", m.Term, m.Owner)
		}
		if kept := s.Secondary().Said("rule-answered-without-duty"); len(kept) != 1 || kept[0].Call != "one@pbx" {
			t.Errorf("the diary holds %+v", kept)
		}
		s.Main().Start()
		s.Until("the main serves again", 5*time.Second, s.Main().Serves)
		s.Secondary().Crash()
		s.Secondary().MendDatabase()
		s.Secondary().Start()
		s.Until("protected again", 10*time.Second, s.Protected)
	})
}

// A PBX that answers neither server proves nothing against the main (R16).
func TestAStandbyThatIsItselfCutOffAnswersNobody(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		s.PausePBX()
		s.PartitionLink()
		s.Main().PartitionSIP()
		s.Stays("a round that began before the cut has ended", time.Second, func() bool { return true })
		ctx, hangUp := context.WithTimeout(t.Context(), 10*time.Second)
		defer hangUp()
		if d := s.Decided(s.Secondary().Overflow(ctx, "one@pbx", "")); d.Answer {
			t.Errorf("the call: %+v", d)
		}
		if len(s.Secondary().Said("round-void")) == 0 {
			t.Errorf("the diary does not say that the rounds prove nothing:\n%s", s.Trace())
		}
	})
}

func TestTheMainsDatabaseDiesAndItHandsOver(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		s.Main().Commit()
		s.Main().BreakDatabase("corrupt")
		s.Until("the secondary stores", 3*time.Second, s.Secondary().Commit)
		s.Until("the main stands aside", 3*time.Second, func() bool { return s.Main().Phase() == takeover.Deposed })
		if len(s.Main().Said("rule-database-lost")) != 1 || len(s.Secondary().Said("rule-duty-taken-from-released")) != 1 {
			t.Errorf("the diaries do not say why:\n%s", s.Trace())
		}
	})
}

func TestTheMainsVoiceFailsAndItHandsOver(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		s.Main().BreakCalls(errors.New("the RTP ports are gone"))
		s.Until("the secondary serves", 5*time.Second, s.Secondary().Serves)
		if len(s.Main().Said("rule-voice-lost")) != 1 {
			t.Errorf("the diary does not say why:\n%s", s.Trace())
		}
	})
}

func TestThePBXIsSilentToTheMainAloneAndItHandsOver(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		s.Main().PartitionSIP()
		s.Until("the secondary serves", 5*time.Second, s.Secondary().Serves)
		if len(s.Main().Said("rule-pbx-lost")) != 1 {
			t.Errorf("the diary does not say why:\n%s", s.Trace())
		}
	})
}

// A main that slept and was missed by nobody goes on: the other's fresh word says
// so, and with the link cut the PBX does, which still shows its binding.
func TestAFrozenMainThatNobodyRelievedGoesOn(t *testing.T) {
	for _, cut := range []bool{false, true} {
		playProtected(t, func(t *testing.T, s *sim.Site) {
			s.Until("the main has the reception", time.Second, func() bool { return s.Main().Agent().MayRegister(true, true) })
			if cut {
				s.PartitionLink()
			}
			s.Main().Pause()
			time.Sleep(3 * time.Second)
			s.Main().Resume()
			if stance, _ := s.Main().Agent().Stance(); stance == takeover.OnDuty {
				t.Error("it takes calls before it knows")
			}
			s.Until("it takes calls again", time.Second, func() bool {
				stance, _ := s.Main().Agent().Stance()
				return stance == takeover.OnDuty
			})
			if len(s.Main().Said("rule-duty-still-ours")) != 1 {
				t.Errorf("the diary does not say it:\n%s", s.Trace())
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
			playProtected(t, func(t *testing.T, s *sim.Site) {
				s.RefuseOwnCalls(errOwnCall) // nobody relieves it
				s.Main().Pause()
				time.Sleep(frozen / 2)
				waits := s.Main().Overflow(t.Context(), "waits@pbx", "")
				time.Sleep(frozen / 2)
				s.Main().Resume()
				for late := range 20 { // those that it reads next from its socket
					if stance, _ := s.Main().Agent().Stance(); stance == takeover.Closed {
						t.Errorf("%d ms after it woke it refuses calls", late)
					}
					time.Sleep(time.Millisecond)
				}
				if d := s.Decided(waits); !d.Answer || d.WithoutDuty {
					t.Errorf("the call that waited: %+v\n%s", d, s.Trace())
				}
				if d := s.Decided(s.Secondary().Overflow(t.Context(), "overflowed@pbx", "")); d.Answer {
					t.Errorf("a call that had overflowed: %+v\n%s", d, s.Trace())
				}
				s.Stays("the main has the duty", 3*time.Second, func() bool { return s.Main().Agent().Machine().Term == 1 && s.Main().Serves() })
			})
		})
	}
}

// The question whether it can take a call reaches a main that wakes up before it knows
// whether it is on duty: it waits for that, a moment, and does not say no.
func TestAMainThatWakesUpDoesNotSayNo(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		s.Main().Pause()
		time.Sleep(2 * time.Second)
		s.Main().Resume()
		reply := s.Main().Agent().CheckMe(t.Context(), releve.CheckQuestion{Term: 1, Call: true})
		if !reply.Well {
			t.Errorf("as it wakes it says: %+v", reply)
		}
	})
}

// Why a server can take no call stands inside a sentence of the other's: it is one itself.
func TestAServerThatTakesNoCallSaysWhyInWords(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		aside := s.Secondary().Agent().CheckMe(t.Context(), releve.CheckQuestion{Term: 1})
		if why, ok := releve.Inner(aside.Why); aside.Well || !ok || why.Code != "phase-following" {
			t.Errorf("a mirror answers %+v", aside)
		}
		s.PausePBX()
		limited, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		reply := s.Main().Agent().CheckMe(limited, releve.CheckQuestion{Term: 1})
		if why, ok := releve.Inner(reply.Why); reply.Well || !ok || why.Code != "cause-pbx-silent" || why.Args["why"] == "" {
			t.Errorf("with a silent PBX it answers %+v", reply)
		}
	})
}

// The PBX restarts: silent to both, it answers the secondary first. A silence that was
// everybody's is no evidence against one (R17), whenever between two questions it began.
func TestAPBXThatAnswersTheSecondaryFirstMovesNoDuty(t *testing.T) {
	for _, silent := range []time.Duration{time.Second, 1600 * time.Millisecond, 2 * time.Second, 3 * time.Second, 20 * time.Second} {
		for _, first := range []time.Duration{100 * time.Millisecond, 500 * time.Millisecond, 900 * time.Millisecond} {
			for after := time.Duration(0); after < 700*time.Millisecond; after += 140 * time.Millisecond {
				t.Run(fmt.Sprintf("%s, then %s, from %s on", silent, first, after), func(t *testing.T) {
					playProtected(t, func(t *testing.T, s *sim.Site) {
						time.Sleep(after)
						s.PausePBX()
						time.Sleep(silent)
						s.Main().PartitionSIP()
						s.ResumePBX()
						time.Sleep(first)
						s.Main().HealSIP()
						s.Stays("the main has the duty", 10*time.Second, func() bool { return s.Main().Agent().Machine().Term == 1 && s.Main().Serves() })
					})
				})
			}
		}
	}
}

// The PBX keeps the reception for a dead main, and calls come to the standby user. Who took
// over and is started again keeps that one until it has the reception, and takes it from
// nobody (T3, H2).
func TestWhoTookOverKeepsTheStandbyUserOverARestart(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		s.KeepBindings()
		s.Main().Crash()
		s.Decided(s.Secondary().Overflow(t.Context(), "one@pbx", releve.ReasonNoAnswer))
		s.Until("the secondary serves", 5*time.Second, s.Secondary().Serves)
		s.Secondary().Crash()
		s.Secondary().Start()
		s.Until("it serves again", 5*time.Second, s.Secondary().Serves)
		s.Stays("it has the standby user", 10*time.Second, func() bool {
			return s.Standby() == releve.Secondary
		})
		if may := s.Secondary().Agent().MayStandBy; !may(true, true) || may(false, true) || may(false, false) {
			t.Error("it does not only keep the standby user")
		}
		s.GiveBindings()
		s.Until("it has the reception alone", 8*time.Second, func() bool { // it asks ever more seldom
			return s.Reception() == releve.Secondary && s.Standby() != releve.Secondary
		})
	})
}

// Two words of the other are on their way at a time. One that comes behind a later one says
// nothing: a server that handed its duty over took the reception user back for it (R9).
func TestAWordThatWasOvertakenIsNoNews(t *testing.T) {
	const mark = 77
	playProtected(t, func(t *testing.T, s *sim.Site) {
		word := s.Secondary().Agent().Message()
		word.Status.Spooled, word.Server.SpoolWaiting = mark, mark
		marked := func() bool {
			synctest.Wait()
			return s.Main().Agent().Machine().Other.Spooled == mark || s.Main().Agent().View().Secondary.SpoolWaiting == mark
		}
		time.Sleep(2 * time.Second)
		s.Main().Agent().Heard(t.Context(), word)
		if marked() {
			t.Error("it is taken for what the other is now")
		}
		word.Told += time.Hour
		s.Main().Agent().Heard(t.Context(), word)
		if !marked() {
			t.Error("a later word is not heard")
		}
		time.Sleep(2 * time.Second)
		word.Life, word.Told = "another", 0 // the other was started again, perhaps on a machine that was
		s.Main().Agent().Heard(t.Context(), word)
		if !marked() {
			t.Error("a process that was started again is not heard")
		}
	})
}

// What comes by itself may have waited in a process that slept: of the PBX it says nothing
// new. A restart of the PBX passed for a silence of the main's alone (R17). It is as fresh as
// the word of ours that it was told upon, and that one of the version before names none.
func TestAWordThatNobodyAskedForIsNotFresh(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		s.Until("the word before tells of an answer that is not young", 5*time.Second, func() bool {
			m := s.Main().Agent().Machine()
			return m.Other.PBXAgo > 200*time.Millisecond
		})
		word := s.Secondary().Agent().Message()
		word.Status.PBXAgo = 0
		const waited = 100 * time.Millisecond
		time.Sleep(waited) // on its way
		m := s.Main().Agent().Machine()
		known := m.Other.PBXAgo + m.Now - m.OtherAt
		heard := func(upon agent.Upon) time.Duration {
			word.Upon = upon
			s.Main().Agent().Heard(t.Context(), word)
			synctest.Wait()
			return s.Main().Agent().Machine().Other.PBXAgo
		}
		told := word.Upon
		for story, upon := range map[string]agent.Upon{"none": {}, "another life": {Life: "another", Said: m.Now}} {
			if age := heard(upon); known <= waited || age < known {
				t.Errorf("upon %s, the PBX is taken to have answered the other %s ago, it was known for %s ago", story, age, known)
			}
		}
		if age := heard(told); age < waited || age != s.Main().Agent().Machine().Now-told.Said {
			t.Errorf("the PBX is taken to have answered the other %s ago, which was told upon our word of %s at %s", age, told.Said, m.Now)
		}
		s.Until("an answer of the other tells it anew", 5*time.Second, func() bool {
			m := s.Main().Agent().Machine()
			return m.Other.PBXAgo+m.Now-m.OtherAt < known
		})
	})
}

// A database that dies again, of the same cause, before anybody has looked at it is
// started again all the same.
func TestADatabaseThatDiesAgainAtOnceIsStartedAgain(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		die := func() {
			s.Secondary().CrashDatabase("no space left on device")
		}
		die()
		s.Until("it runs again", 5*time.Second, func() bool { return s.Secondary().Outside().Runs == "copy" })
		die()
		s.Until("protected again", 10*time.Second, s.Protected)
	})
}

// The mirror's database dies and comes back: the main is alone meanwhile, and the
// site is protected again by itself (M4).
func TestAMirrorWhoseDatabaseRestartsFollowsAgain(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		s.Secondary().CrashDatabase("killed")
		s.Until("the main commits", 2*time.Second, s.Main().Commit)
		s.Until("protected again", 10*time.Second, s.Protected)
		if !s.Main().Commit() {
			t.Error("the main does not acknowledge a row")
		}
	})
}

// A main that was relieved keeps the standby line. When its successor is lost too, it
// answers, without the duty (R13).
func TestARelievedMainAnswersWhenItsSuccessorIsLost(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		relieved(t, s)
		if d := s.Decided(s.Main().Overflow(t.Context(), "one@pbx", "")); d.Answer {
			t.Errorf("its successor is well, and the call: %+v", d)
		}
		s.Secondary().Crash()
		if d := s.Decided(s.Main().Overflow(t.Context(), "two@pbx", "")); !d.Answer || !d.WithoutDuty {
			t.Errorf("the call: %+v\n%s", d, s.Trace())
		}
		if m := s.Main().Agent().Machine(); m.Owns() && m.Term > 1 {
			t.Errorf("it took the duty, of term %d", m.Term)
		}
	})
}
