package agent_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"releve"
	"releve/proof/sim"
	"releve/rules/takeover"
	"releve/screen/view"
)

// codesOf are the codes of sentences.
func codesOf(all []releve.Sentence) string {
	var codes []string
	for _, s := range all {
		codes = append(codes, s.Code)
	}
	return strings.Join(codes, " ")
}

// cost is the sentence of that code.
func cost(t *testing.T, p *told, code string) releve.Sentence {
	t.Helper()
	i := slices.IndexFunc(p.last().Costs, func(s releve.Sentence) bool { return s.Code == code })
	if i < 0 {
		t.Fatalf("there is no %s in %s", code, codesOf(p.last().Costs))
	}
	return p.last().Costs[i]
}

// went are the steps that were done, by this run or by the site itself meanwhile.
func went(p *told) string {
	return strings.NewReplacer(" done", "", " skipped", "").Replace(p.states())
}

// forbids says that a procedure may not begin, for the reason of that code.
func forbids(t *testing.T, s *sim.Server, w view.Wish, code string) {
	t.Helper()
	forbidsOn(t, s, w, takeover.Return{}, code)
}

// forbidsOn says so of one that the other server's word was brought for.
func forbidsOn(t *testing.T, s *sim.Server, w view.Wish, brought takeover.Return, code string) {
	t.Helper()
	var p told
	err := s.Agent().Wish(t.Context(), w, brought, p.emit)
	if failed := p.last().Failed; !errors.Is(err, releve.ErrForbidden) || failed == nil || failed.Code != code {
		t.Errorf("%s of the %s: %v, %+v, want %s", w.Name, s.Seat(), err, failed, code)
	}
}

// alone, by the operator's word: the mirror died without one of its own (M4).
func TestGoingAloneByTheOperatorsWord(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		s.Until("both are heard by both", 2*time.Second, bothSettled(s))
		forbids(t, s.Main(), view.Wish{Name: "solo", OtherIsOff: true}, "before-other-on")
		forbids(t, s.Secondary(), view.Wish{Name: "solo", OtherIsOff: true}, "before-not-on-duty")
		s.Secondary().Crash()
		s.Stays("no commit", 10*time.Second, func() bool { return !s.Main().Commit() })
		s.Main().Record(12)
		forbids(t, s.Main(), view.Wish{Name: "solo"}, "before-word-needed")
		if s.Main().Agent().Machine().Vote {
			t.Fatal("it went alone without the word")
		}
		var rehearsed told
		if err := s.Main().Agent().Wish(t.Context(), view.Wish{Name: "solo", DryRun: true}, takeover.Return{}, rehearsed.emit); err != nil || s.Main().Agent().Machine().Vote {
			t.Fatalf("the rehearsal: %v, %+v", err, rehearsed.last().Failed)
		}
		if got := cost(t, &rehearsed, "cost-waiting").Args["records"]; got != "12" {
			t.Errorf("%s records wait", got)
		}
		if since, err := time.ParseDuration(cost(t, &rehearsed, "cost-heard").Args["since"]); err != nil || since < 10*time.Second || since > time.Minute {
			t.Errorf("last heard %s ago: %v", since, err)
		}
		s.Force()
		var p told
		if err := s.Main().Agent().Wish(t.Context(), view.Wish{Name: "solo", OtherIsOff: true}, takeover.Return{}, p.emit); err != nil {
			t.Fatalf("%v, %s, %+v\n%s", err, p.states(), p.last().Failed, s.Trace())
		}
		if got, want := went(&p), "alone, commits, drained"; got != want || p.last().Steps[0].State != "done" {
			t.Errorf("%s, want %s", p.states(), want)
		}
		if next := p.last().Next; next == nil || next.Code != "next-mirror-back" {
			t.Errorf("what is left to do: %+v", next)
		}
		if !s.Main().Commit() {
			t.Error("it does not commit")
		}
		forbids(t, s.Main(), view.Wish{Name: "solo", OtherIsOff: true}, "before-holds-vote")
		s.Secondary().Start()
		s.Until("protected again", 10*time.Second, s.Protected)
	})
}

// The link is cut and the telephones still hear each other: the other is not off.
func TestAServerThatAnswersByTelephoneIsNotOff(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		s.PartitionLink()
		s.Secondary().BreakStream()
		s.Until("the link is silent", 5*time.Second, func() bool { return !s.Main().Agent().View().Secondary.Heard })
		var p told
		err := s.Main().Agent().Wish(t.Context(), view.Wish{Name: "solo", OtherIsOff: true}, takeover.Return{}, p.emit)
		if failed := p.last().Failed; !errors.Is(err, releve.ErrForbidden) || failed == nil || failed.Args["path"] != "sip" {
			t.Errorf("%v, %+v", err, failed)
		}
	})
}

// The other is heard again at the very moment of the order, and is the mirror again soon
// after: nothing is forced, then or on another day when it is lost.
func TestWhatWasForcedInVainIsForgotten(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		s.PartitionLink()
		s.Secondary().PartitionSIP()
		s.Secondary().Crash()
		s.Secondary().Start()
		s.Until("it is silent", 5*time.Second, func() bool { return !s.Main().Agent().View().Secondary.Heard })
		var p told
		err := s.Main().Agent().Wish(t.Context(), view.Wish{Name: "solo", OtherIsOff: true}, takeover.Return{}, func(v view.Procedure) {
			p.emit(v)
			if v.Steps[0].State == "running" {
				s.HealLink()
				s.Secondary().HealSIP()
				s.Until("it is heard", 5*time.Second, func() bool { return s.Main().Agent().View().Secondary.Heard })
			}
		})
		if err != nil || s.Main().Agent().Machine().Vote {
			t.Fatalf("%v, %s\n%s", err, p.states(), s.Trace())
		}
		s.Until("protected", 5*time.Second, s.Protected)
		s.Secondary().Crash()
		s.Stays("nothing is forced", time.Minute, func() bool { return !s.Main().Agent().Machine().Vote })
	})
}

// The mirror gives the vote back and an operator carries its word: nothing is forced (R3).
func TestGoingAloneByTheMirrorsWord(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		s.PartitionLink()
		s.Secondary().BreakStream()
		s.Until("the link is silent", 5*time.Second, func() bool { return !s.Main().Agent().View().Secondary.Heard })
		word, err := s.Secondary().Agent().Abdicate(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		late, other := word, word
		late.Number--
		other.Term++
		forbidsOn(t, s.Main(), view.Wish{Name: "solo-carried"}, late, "before-word-old")
		forbidsOn(t, s.Main(), view.Wish{Name: "solo-carried"}, other, "before-word-unknown")
		var p told
		if err := s.Main().Agent().Wish(t.Context(), view.Wish{Name: "solo-carried"}, word, p.emit); err != nil {
			t.Fatalf("%v, %s, %+v\n%s", err, p.states(), p.last().Failed, s.Trace())
		}
		if got, want := went(&p), "carried, commits, drained"; got != want || p.last().Steps[0].State != "done" {
			t.Errorf("%s, want %s", p.states(), want)
		}
		if !s.Main().Commit() {
			t.Error("it does not commit")
		}
		s.HealLink()
		s.Secondary().MendStream()
		s.Until("protected again", 20*time.Second, s.Protected)
		forbidsOn(t, s.Main(), view.Wish{Name: "solo-carried"}, word, "before-word-old")
	})
}

// The main was alone and died: the secondary takes the duty on the operator's word, told
// what is missing; the old main gives way and keeps what only it has (H9).
func TestTakingTheDutyByTheOperatorsWord(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		s.Secondary().BreakDatabase("disk full")
		s.Until("the main is alone", 3*time.Second, func() bool { return s.Main().Agent().Machine().Alone() })
		s.Main().Agent().Stored([]releve.Fact{{ID: "f1", Call: "one@pbx"}, {ID: "f2", Call: "two@pbx"}, {ID: "over-run"}})
		s.Main().LockRecords()
		s.Main().Record(3)
		s.Until("the secondary has heard of it", 2*time.Second, func() bool {
			v := s.Secondary().Agent().View()
			return v.Mirror.LostCalls == 2 && v.Main.SpoolWaiting == 3
		})
		s.Main().Crash()
		s.Secondary().MendDatabase()
		s.Until("a copy without the vote", 10*time.Second, func() bool { return s.Secondary().Phase() == takeover.Isolated })
		forbids(t, s.Secondary(), view.Wish{Name: "takeover"}, "before-word-needed")
		var p told
		if err := s.Secondary().Agent().Wish(t.Context(), view.Wish{Name: "takeover", OtherIsOff: true}, takeover.Return{}, p.emit); err != nil {
			t.Fatalf("%v, %s, %+v\n%s", err, p.states(), p.last().Failed, s.Trace())
		}
		if got, want := went(&p), "taken, promoted, registration, answers"; got != want || p.last().Steps[0].State != "done" {
			t.Errorf("%s, want %s", p.states(), want)
		}
		last := cost(t, &p, "cost-last-word").Args
		if last["alone"] != "true" || last["calls"] != "2" || last["records"] != "3" {
			t.Errorf("the last word: %v", last)
		}
		if found := p.last().Steps[3].Found; found == nil || found.Code != "found-registered" {
			t.Errorf("found %+v", found)
		}
	})
}

// At level mirroring a lost database is brought back by hand, then mirroring (M5).
func TestADatabaseIsRestoredAndMirroringResumed(t *testing.T) {
	playMirroring(t, func(t *testing.T, s *sim.Site) {
		s.Main().Commit()
		forbids(t, s.Main(), view.Wish{Name: "restore"}, "before-database-well")
		s.Main().BreakDatabase("its files are gone")
		s.Main().Record(5)
		s.Until("it is seen", 2*time.Second, func() bool { return !s.Main().Agent().Machine().DB.Up })
		var restored told
		if err := s.Main().Agent().Procedure(t.Context(), "restore", false, restored.emit); err != nil {
			t.Fatalf("%v, %s, %+v\n%s", err, restored.states(), restored.last().Failed, s.Trace())
		}
		if got, want := went(&restored), "restore, in-service, drained"; got != want || restored.last().Steps[0].State != "done" {
			t.Errorf("%s, want %s", restored.states(), want)
		}
		if next := restored.last().Next; next == nil || next.Code != "next-resume" || cost(t, &restored, "cost-kept").Args["records"] != "5" {
			t.Errorf("left to do: %+v", next)
		}
		if !s.Main().Commit() {
			t.Error("it does not commit")
		}
		s.Until("the mirror keeps what it had", 5*time.Second, func() bool { return s.Secondary().Phase() == takeover.Deposed })
		forbids(t, s.Main(), view.Wish{Name: "return"}, "before-duty-stays")
		var p told
		if err := s.Main().Agent().Procedure(t.Context(), "mirror-resume", false, p.emit); err != nil {
			t.Fatalf("%v, %s, %+v\n%s", err, p.states(), p.last().Failed, s.Trace())
		}
		s.Until("protected again", 20*time.Second, s.Protected)
	})
}

// A restore during which the main dies is asked for again, and goes on (P1).
func TestAnInterruptedRestoreGoesOn(t *testing.T) {
	playMirroring(t, func(t *testing.T, s *sim.Site) {
		s.Main().SlowDatabase(5 * time.Second)
		s.Main().BreakDatabase("its files are gone")
		s.Until("it is seen", 2*time.Second, func() bool { return !s.Main().Agent().Machine().DB.Up })
		ended := make(chan error, 1)
		var cut told
		go func() { ended <- s.Main().Agent().Procedure(t.Context(), "restore", false, cut.emit) }()
		s.Until("the copy begins", 10*time.Second, func() bool { return s.Main().Phase() == takeover.Restoring })
		s.Main().Crash()
		s.Main().SlowDatabase(0)
		s.Main().Start()
		s.Until("it stands still", 5*time.Second, func() bool { return s.Main().Phase() == takeover.Stuck })
		var p told
		if err := s.Main().Agent().Procedure(t.Context(), "restore", false, p.emit); err != nil {
			t.Fatalf("%v, %s, %+v\n%s", err, p.states(), p.last().Failed, s.Trace())
		}
		if !s.Main().Commit() {
			t.Error("it does not commit")
		}
	})
}

func TestNothingIsRestoredWhereTheOtherRelieves(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		s.Until("both are heard by both", 2*time.Second, bothSettled(s))
		forbids(t, s.Main(), view.Wish{Name: "restore"}, "before-relieved")
	})
}

// A site moves to its witness and back while it runs, asked of either server (R5).
func TestTheArbiterIsChangedWhileRunning(t *testing.T) {
	for _, at := range []releve.Seat{releve.Main, releve.Secondary} {
		sim.Play(t, sim.Config{Witness: true}, func(t *testing.T, s *sim.Site) {
			s.Main().Start()
			s.Secondary().Start()
			s.Until("a new site is protected", 10*time.Second, s.Protected)
			s.Until("both are heard by both", 2*time.Second, bothSettled(s))
			for _, to := range []string{"arbiter-witness", "arbiter-pair", "arbiter-witness"} {
				var p told
				if err := s.At(at).Agent().Procedure(t.Context(), to, false, p.emit); err != nil {
					t.Fatalf("%s, asked of the %s: %v, %s, %+v\n%s", to, at, err, p.states(), p.last().Failed, s.Trace())
				}
				want := releve.Arbiter(strings.TrimPrefix(to, "arbiter-"))
				for _, srv := range s.Both() {
					if got := srv.Agent().View().Arbiter; got != want {
						t.Errorf("after %s the %s goes by the %s", to, srv.Seat(), got)
					}
				}
				s.Until("protected", 2*time.Second, s.Protected)
			}
			if !s.Main().Commit() {
				t.Error("it does not commit")
			}
		})
	}
}

func TestASiteDoesNotMoveToAWitnessThatIsSilent(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		s.Until("both are heard by both", 2*time.Second, bothSettled(s))
		forbids(t, s.Secondary(), view.Wish{Name: "arbiter-witness"}, "before-no-witness")
	})
}
