package agent_test

import (
	"errors"
	"testing"
	"time"

	"releve"
	"releve/rules/takeover"
)

// A mirror is rebuilt by the operator's word, asked of either server (M7): it has another
// copy, and the site is protected again.
func TestTheMirrorIsRebuilt(t *testing.T) {
	for _, at := range []releve.Seat{releve.Main, releve.Secondary} {
		playProtected(t, func(t *testing.T, s *site) {
			s.until("both are heard by both", 2*time.Second, s.bothSettled)
			_, copied, _ := s.secondary().postgres.Disk()
			var p told
			if err := s.servers[at].agent.Procedure(t.Context(), "mirror-rebuild", false, p.emit); err != nil {
				t.Fatalf("asked of the %s: %v, %s\n%s", at, err, p.states(), s.minutes())
			}
			if got, want := p.states(), "anew done, in-sync done"; got != want {
				t.Errorf("%s, want %s", got, want)
			}
			if _, now, _ := s.secondary().postgres.Disk(); now == copied {
				t.Error("the secondary has the copy that it had")
			}
			s.until("protected again", 2*time.Second, s.protected)
		})
	}
}

func TestAnOldMainIsBroughtBackAsTheMirrorWithoutTheDuty(t *testing.T) {
	playProtected(t, func(t *testing.T, s *site) {
		relieved(t, s)
		var p told
		if err := s.main().agent.Procedure(t.Context(), "mirror-rebuild", false, p.emit); !errors.Is(err, releve.ErrForbidden) {
			t.Errorf("what is no mirror was to be rebuilt: %v", err)
		}
		if err := s.main().agent.Procedure(t.Context(), "mirror-resume", false, p.emit); err != nil {
			t.Fatalf("%v, %s\n%s", err, p.states(), s.minutes())
		}
		if got, want := p.states(), "mirror-again done, receives skipped, in-sync done"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
		s.until("protected, the secondary on duty", 2*time.Second, func() bool { return s.protected() && s.phase(s.secondary()) == takeover.Serving })
	})
}

// A mirror whose database does not run any more is copied anew, once it had its time to
// come back by itself (M5).
func TestAMirrorThatReceivesNothingIsCopiedAnew(t *testing.T) {
	playProtected(t, func(t *testing.T, s *site) {
		_, copied, _ := s.secondary().postgres.Disk()
		s.change(func() { s.secondary().postgres.deafness = true })
		s.until("the main is alone", 5*time.Second, func() bool { return s.main().agent.Machine().Alone() })
		var p told
		began := time.Now()
		if err := s.main().agent.Procedure(t.Context(), "mirror-resume", false, p.emit); err != nil {
			t.Fatalf("%v, %s\n%s", err, p.states(), s.minutes())
		}
		if _, now, _ := s.secondary().postgres.Disk(); now == copied || time.Since(began) < 30*time.Second {
			t.Errorf("copy %s, before %s, after %s", now, copied, time.Since(began))
		}
		s.until("protected again", 2*time.Second, s.protected)
	})
}

// A mirror that was away for so long that its owner no longer keeps the log it needs is
// copied anew by itself (M4).
func TestAMirrorThatIsTooOldIsCopiedAnewByItself(t *testing.T) {
	playProtected(t, func(t *testing.T, s *site) {
		_, copied, _ := s.secondary().postgres.Disk()
		s.change(func() { s.secondary().postgres.lacks = true })
		s.until("commits go on", 2*time.Second, s.main().commit)
		s.until("protected again", 10*time.Second, s.protected)
		if _, now, _ := s.secondary().postgres.Disk(); now == copied {
			t.Error("it is the same copy")
		}
		if got := s.main().store.terms; len(got) != 1 {
			t.Errorf("terms opened: %v", got)
		}
	})
}

func TestAMirrorThatIsInSyncHasNothingToResume(t *testing.T) {
	playProtected(t, func(t *testing.T, s *site) {
		s.until("both are heard by both", 2*time.Second, s.bothSettled)
		var p told
		if err := s.secondary().agent.Procedure(t.Context(), "mirror-resume", false, p.emit); err != nil {
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
	playProtected(t, func(t *testing.T, s *site) {
		for range 10 {
			s.secondary().abdicate()
			s.until("the secondary abdicates", 5*time.Second, func() bool { return !s.secondary().agent.Machine().Holds() })
			s.until("the main knows it", 100*time.Millisecond, func() bool { return s.main().agent.Machine().Vote })
			s.change(func() { s.secondary().postgres.broken = false })
			s.until("protected again", 10*time.Second, s.protected)
		}
	})
}
