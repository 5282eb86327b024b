package agent_test

import (
	"errors"
	"testing"
	"time"

	"releve"
	"releve/proof/sim"
	"releve/rules/takeover"
)

// A mirror is rebuilt by the operator's word, asked of either server (M7): it has another
// copy, and the site is protected again.
func TestTheMirrorIsRebuilt(t *testing.T) {
	for _, at := range []releve.Seat{releve.Main, releve.Secondary} {
		playProtected(t, func(t *testing.T, s *sim.Site) {
			s.Until("both are heard by both", 2*time.Second, bothSettled(s))
			copied := s.Secondary().Outside().Data
			var p told
			if err := s.At(at).Agent().Procedure(t.Context(), "mirror-rebuild", false, p.emit); err != nil {
				t.Fatalf("asked of the %s: %v, %s\n%s", at, err, p.states(), s.Trace())
			}
			if got, want := p.states(), "anew done, in-sync done"; got != want {
				t.Errorf("%s, want %s", got, want)
			}
			if now := s.Secondary().Outside().Data; now == copied {
				t.Error("the secondary has the copy that it had")
			}
			s.Until("protected again", 2*time.Second, s.Protected)
		})
	}
}

func TestAnOldMainIsBroughtBackAsTheMirrorWithoutTheDuty(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		relieved(t, s)
		var p told
		if err := s.Main().Agent().Procedure(t.Context(), "mirror-rebuild", false, p.emit); !errors.Is(err, releve.ErrForbidden) {
			t.Errorf("what is no mirror was to be rebuilt: %v", err)
		}
		if err := s.Main().Agent().Procedure(t.Context(), "mirror-resume", false, p.emit); err != nil {
			t.Fatalf("%v, %s\n%s", err, p.states(), s.Trace())
		}
		if got, want := p.states(), "mirror-again done, receives skipped, in-sync done"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
		s.Until("protected, the secondary on duty", 2*time.Second, func() bool { return s.Protected() && s.Secondary().Phase() == takeover.Serving })
	})
}

// A mirror whose database does not run any more is copied anew, once it had its time to
// come back by itself (M5).
func TestAMirrorThatReceivesNothingIsCopiedAnew(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		copied := s.Secondary().Outside().Data
		s.Secondary().BreakStream()
		s.Until("the main is alone", 5*time.Second, func() bool { return s.Main().Agent().Machine().Alone() })
		var p told
		began := time.Now()
		if err := s.Main().Agent().Procedure(t.Context(), "mirror-resume", false, p.emit); err != nil {
			t.Fatalf("%v, %s\n%s", err, p.states(), s.Trace())
		}
		if now := s.Secondary().Outside().Data; now == copied || time.Since(began) < 30*time.Second {
			t.Errorf("copy %s, before %s, after %s", now, copied, time.Since(began))
		}
		s.Until("protected again", 2*time.Second, s.Protected)
	})
}

// A mirror that was away for so long that its owner no longer keeps the log it needs is
// copied anew by itself (M4).
func TestAMirrorThatIsTooOldIsCopiedAnewByItself(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		copied := s.Secondary().Outside().Data
		s.Secondary().OutliveLog()
		s.Until("commits go on", 2*time.Second, s.Main().Commit)
		s.Until("protected again", 10*time.Second, s.Protected)
		if now := s.Secondary().Outside().Data; now == copied {
			t.Error("it is the same copy")
		}
		if got := s.Main().Outside().Opened; len(got) != 1 {
			t.Errorf("terms opened: %v", got)
		}
	})
}

func TestAMirrorThatIsInSyncHasNothingToResume(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		s.Until("both are heard by both", 2*time.Second, bothSettled(s))
		var p told
		if err := s.Secondary().Agent().Procedure(t.Context(), "mirror-resume", false, p.emit); err != nil {
			t.Fatal(err)
		}
		if got, want := p.states(), "mirror-again skipped, receives skipped, in-sync skipped"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	})
}

// What the other is told is what was decided, and not the state of a moment before: it
// would wait for the next exchange to hear the news.
func TestADecisionIsToldAtOnce(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		for range 10 {
			s.Secondary().BreakDatabase("disk full")
			s.Until("the secondary abdicates", 5*time.Second, func() bool { return !s.Secondary().Agent().Machine().Holds() })
			s.Until("the main knows it", 100*time.Millisecond, func() bool { return s.Main().Agent().Machine().Vote })
			s.Secondary().MendDatabase()
			s.Until("protected again", 10*time.Second, s.Protected)
		}
	})
}
