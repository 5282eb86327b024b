package agent_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"releve"
	"releve/proof/sim"
	"releve/rules/takeover"
	"releve/screen/view"
	"releve/server/guide"
)

// told is what a procedure emitted, the latest last.
type told struct {
	mu  sync.Mutex
	all []view.Procedure
}

func (p *told) emit(v view.Procedure) {
	p.mu.Lock()
	defer p.mu.Unlock()
	v.Steps = slices.Clone(v.Steps)
	p.all = append(p.all, v)
}

func (p *told) last() view.Procedure {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.all) == 0 {
		return view.Procedure{}
	}
	return p.all[len(p.all)-1]
}

// states are the steps that ran, were passed over, or wait, in one line.
func (p *told) states() string {
	var all []string
	for _, s := range p.last().Steps {
		all = append(all, strings.TrimPrefix(s.What.Code, "step-")+" "+s.State)
	}
	return strings.Join(all, ", ")
}

// relieved is a site whose secondary took over after its main died; the old main
// is back and stands aside.
func relieved(t *testing.T, s *sim.Site) {
	t.Helper()
	s.Main().Crash()
	s.Decided(s.Secondary().Overflow(t.Context(), "one@pbx", ""))
	s.Until("the secondary stores", 2*time.Second, s.Secondary().Commit)
	s.Main().Start()
	s.Until("the old main stands aside", 5*time.Second, func() bool { return s.Main().Phase() == takeover.Deposed })
	s.Until("both are heard by both", 2*time.Second, bothSettled(s))
	s.Until("the old main has the standby line", 2*time.Second, func() bool {
		return s.Standby() == releve.Main && s.Reception() == releve.Secondary
	})
}

// bothSettled: each server has heard the other, and of the PBX.
func bothSettled(s *sim.Site) func() bool {
	return func() bool {
		return s.Main().Agent().View().Secondary.Heard && s.Secondary().Agent().View().Main.Heard &&
			s.Main().Agent().Machine().PBX.Heard && s.Secondary().Agent().Machine().Other.PBXAgo >= 0
	}
}

func normal(s *sim.Site) func() bool {
	return func() bool { return s.Protected() && s.Main().Phase() == takeover.Serving }
}

const returned = "copy done, in-sync done, spool skipped, duty done, registration done, mirror done, test-call done"

// The return (H12), asked of either server: the main has the duty and all that the
// secondary acknowledged, the secondary is its mirror, and a call proved it.
func TestReturnToNormal(t *testing.T) {
	for _, at := range []releve.Seat{releve.Main, releve.Secondary} {
		playProtected(t, func(t *testing.T, s *sim.Site) {
			relieved(t, s)
			var p told
			if err := s.At(at).Agent().Procedure(t.Context(), "return", false, p.emit); err != nil {
				t.Fatalf("asked of the %s: %v, %s\n%s", at, err, p.states(), s.Trace())
			}
			checkReturned(t, s, &p)
			if kept := s.At(at).Agent().View().Procedure; kept == nil || kept.Finished.IsZero() || kept.Failed != nil {
				t.Errorf("the screen shows %+v", kept)
			}
		})
	}
}

func checkReturned(t *testing.T, s *sim.Site, p *told) {
	t.Helper()
	if got := p.states(); got != returned && got != strings.Replace(returned, "registration done", "registration skipped", 1) {
		t.Errorf("steps: %s", got)
	}
	found := p.last().Steps[6].Found
	if found == nil || found.Args["by"] != "main" {
		t.Errorf("the test call found %+v", found)
	}
	s.Until("normal", time.Second, normal(s))
	if m := s.Main().Agent().Machine(); m.Term != 3 || m.Owner != releve.Main || !s.Main().Commit() {
		t.Errorf("term %d of the %s", m.Term, m.Owner)
	}
}

// A rehearsal changes nothing and says what there is to do (P1).
func TestARehearsedReturnChangesNothing(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		relieved(t, s)
		time.Sleep(20 * time.Second) // what the takeover began has ended, calls of our own too
		before, phases := s.Trace(), [2]takeover.Phase{s.Main().Phase(), s.Secondary().Phase()}
		var p told
		if err := s.Main().Agent().Procedure(t.Context(), "return", true, p.emit); err != nil {
			t.Fatal(err)
		}
		want := "copy waiting, in-sync waiting, spool skipped, duty waiting, registration waiting, mirror waiting, test-call waiting"
		if got := p.states(); got != want || !p.last().DryRun {
			t.Errorf("steps: %s", got)
		}
		s.Stays("as it was", 5*time.Second, func() bool {
			return s.Trace() == before && phases == [2]takeover.Phase{s.Main().Phase(), s.Secondary().Phase()}
		})
		if kept := s.Main().Agent().View().Procedure; kept != nil {
			t.Errorf("a rehearsal stays on the screen: %+v", kept)
		}
	})
}

// On a site that is normal a return has nothing to do but the proof.
func TestAReturnOfANormalSiteOnlyProvesIt(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		s.Until("settled", 2*time.Second, bothSettled(s))
		s.Until("bound", 2*time.Second, func() bool { return len(s.Secondary().Agent().View().Secondary.Registered) == 1 })
		var p told
		if err := s.Secondary().Agent().Procedure(t.Context(), "return", false, p.emit); err != nil {
			t.Fatal(err)
		}
		want := "copy skipped, in-sync skipped, spool skipped, duty skipped, registration skipped, mirror skipped, test-call done"
		if got := p.states(); got != want {
			t.Errorf("steps: %s", got)
		}
	})
}

func TestSwitchoverAndBack(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		s.Until("settled", 2*time.Second, bothSettled(s))
		for i, seat := range []releve.Seat{releve.Secondary, releve.Main} {
			var p told
			if err := s.Main().Agent().Procedure(t.Context(), "switchover", false, p.emit); err != nil {
				t.Fatalf("%v: %s\n%s", err, p.states(), s.Trace())
			}
			s.Until("protected, the duty moved", time.Second, func() bool { return s.Protected() && s.At(seat).Serves() })
			if term := s.Main().Agent().Machine().Term; term != releve.Term(i+2) {
				t.Errorf("term %d after %d switchovers", term, i+1)
			}
			if !s.At(seat).Commit() {
				t.Errorf("the %s does not store", seat)
			}
		}
	})
}

// What forbids a procedure is said before anything is touched.
func TestAProcedureThatMayNotBegin(t *testing.T) {
	for _, c := range []struct {
		name, procedure, why string
		given                func(*sim.Site)
	}{
		{"the other is not heard", "return", "before-not-heard", func(s *sim.Site) { s.PartitionLink() }},
		{"the other is off", "switchover", "before-not-heard", func(s *sim.Site) { s.Secondary().Crash() }},
		{"no PBX", "return", "before-no-pbx", func(s *sim.Site) { s.PausePBX() }},
		{"the mirror is broken", "switchover", "before-not-in-sync", func(s *sim.Site) { s.Secondary().BreakDatabase("disk full") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			playProtected(t, func(t *testing.T, s *sim.Site) {
				c.given(s)
				time.Sleep(3 * time.Second)
				term := s.Main().Agent().Machine().Term
				var p told
				err := s.Main().Agent().Procedure(t.Context(), c.procedure, false, p.emit)
				if !errors.Is(err, releve.ErrForbidden) || p.last().Failed == nil || p.last().Failed.Code != c.why {
					t.Errorf("%v: %+v", err, p.last().Failed)
				}
				if m := s.Main().Agent().Machine(); m.Term != term || !m.Owns() {
					t.Errorf("it was touched: term %d", m.Term)
				}
				var again told
				if err := s.Main().Agent().Procedure(t.Context(), c.procedure, true, again.emit); !errors.Is(err, releve.ErrForbidden) {
					t.Errorf("its rehearsal: %v", err)
				}
			})
		})
	}
}

func TestAnUnknownProcedureIsRefused(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		if err := s.Main().Agent().Procedure(t.Context(), "dance", false, func(view.Procedure) {}); !errors.Is(err, releve.ErrUnknown) {
			t.Error(err)
		}
		if err := s.Main().Agent().Order(t.Context(), "stop"); !errors.Is(err, releve.ErrUnknown) {
			t.Errorf("an order that no procedure gives: %v", err)
		}
	})
}

func TestOneProcedureAtATime(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		relieved(t, s)
		s.Main().SlowDatabase(20 * time.Second)
		var p told
		ended := make(chan error, 1)
		go func() { ended <- s.Main().Agent().Procedure(t.Context(), "return", false, p.emit) }()
		for _, srv := range s.Both() {
			s.Until("both screens show it", 5*time.Second, func() bool {
				shown := srv.Agent().View().Procedure
				return shown != nil && shown.Steps[0].State == "running"
			})
			if err := srv.Agent().Procedure(t.Context(), "switchover", false, func(view.Procedure) {}); !errors.Is(err, releve.ErrBusy) {
				t.Errorf("a second one, asked of the %s: %v", srv.Seat(), err)
			}
		}
		s.Until("the copy is made", time.Minute, func() bool { return s.Main().Phase() == takeover.Following })
		s.Main().SlowDatabase(0)
		if err := <-ended; err != nil {
			t.Fatalf("the first: %v, %s", err, p.states())
		}
		checkReturned(t, s, &p)
	})
}

// An interrupted procedure is run again and goes on from where it was (P1): the
// operator's terminal is lost, or the server under copy dies, at any moment.
func TestAnInterruptedReturnGoesOn(t *testing.T) {
	for after := 50 * time.Millisecond; after < 1500*time.Millisecond; after += 100 * time.Millisecond {
		playProtected(t, func(t *testing.T, s *sim.Site) {
			relieved(t, s)
			ctx, cancel := context.WithTimeout(t.Context(), after)
			defer cancel()
			var p told
			err := s.Secondary().Agent().Procedure(ctx, "return", false, p.emit)
			if err != nil && !errors.Is(err, guide.ErrInterrupted) && ctx.Err() == nil {
				t.Fatalf("interrupted after %s: %v", after, err)
			}
			if p.last().Finished.IsZero() {
				t.Errorf("interrupted after %s, and shown as if it ran: %+v", after, p.last())
			}
			runAgain(t, s, "return")
			s.Until("normal", 10*time.Second, normal(s))
		})
	}
}

func TestAReturnDuringWhichTheOldMainDiesGoesOn(t *testing.T) {
	for after := 50 * time.Millisecond; after < 1500*time.Millisecond; after += 100 * time.Millisecond {
		playProtected(t, func(t *testing.T, s *sim.Site) {
			relieved(t, s)
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() {
				ended <- s.Secondary().Agent().Procedure(ctx, "return", false, func(view.Procedure) {})
			}()
			time.Sleep(after)
			s.Main().Crash()
			s.Main().Start()
			time.Sleep(time.Second)
			cancel()
			<-ended
			s.Until("somebody is on duty", 10*time.Second, func() bool { return s.Main().Serves() || s.Secondary().Serves() })
			s.Until("settled", 10*time.Second, bothSettled(s))
			runAgain(t, s, "return")
			s.Until("normal", 10*time.Second, normal(s))
		})
	}
}

// runAgain runs a procedure as an operator does who is told to: until it ends.
func runAgain(t *testing.T, s *sim.Site, name string) {
	t.Helper()
	var p told
	var err error
	for range 5 {
		limit, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		err = s.Secondary().Agent().Procedure(limit, name, false, p.emit)
		cancel()
		if err == nil {
			return
		}
		time.Sleep(time.Second)
	}
	t.Fatalf("%v: %s, %+v\n%s", err, p.states(), p.last().Failed, s.Trace())
}

// A test call that fails is a step that failed: the reason is told, and the site
// is as it is.
func TestAFailedProofIsTold(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		s.Until("settled", 2*time.Second, bothSettled(s))
		s.RefuseOwnCalls(errors.New("403 Forbidden"))
		var p told
		err := s.Main().Agent().Procedure(t.Context(), "return", false, p.emit)
		if err == nil || !strings.Contains(err.Error(), "403 Forbidden") {
			t.Errorf("the error: %v", err)
		}
		failed := p.last().Failed
		if failed == nil || failed.Args["step"] != "step-test-call" || p.last().Steps[6].State != "failed" {
			t.Errorf("told: %+v, %s", failed, p.states())
		}
		if !s.Protected() {
			t.Error("the site is no longer protected")
		}
	})
}

// Somebody answers with sound who is not the server on duty: that proves nothing of it.
func TestATestCallProvesTheServerOnDuty(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		s.Until("settled", 2*time.Second, bothSettled(s))
		s.Voicemail("192.0.2.5:5060")
		var p told
		err := s.Main().Agent().Procedure(t.Context(), "return", false, p.emit)
		if err == nil || !strings.Contains(err.Error(), "192.0.2.5:5060") || p.last().Steps[6].State != "failed" {
			t.Errorf("%v, told: %s", err, p.states())
		}
	})
}

// The main is lost again while the return waits for the mirror behind it: the return does
// not wait for what cannot come. Run again, it goes on.
func TestAReturnEndsWhenTheDutyChangesUnderIt(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		relieved(t, s)
		s.Secondary().SlowDatabase(5 * time.Second)
		var p told
		ended := make(chan error, 1)
		go func() { ended <- s.Secondary().Agent().Procedure(t.Context(), "return", false, p.emit) }()
		running := func() bool { return strings.Contains(p.states(), "mirror running") }
		s.Until("the return waits for the mirror", 30*time.Second, running)
		s.Main().Crash()
		select {
		case err := <-ended:
			if !errors.Is(err, guide.ErrInterrupted) {
				t.Errorf("it ended with %v", err)
			}
		case <-time.After(time.Minute):
			t.Fatalf("it waits for ever: %s\n%s", p.states(), s.Trace())
		}
	})
}
