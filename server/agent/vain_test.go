package agent_test

import (
	"errors"
	"testing"
	"time"

	"releve"
	"releve/proof/sim"

	"releve/rules/takeover"
)

// A copy that fails, and one that has no room: the screen says why from the
// second try on, or at once where somebody can do something about it, and the events say it
// ever more seldom.
func TestAJobThatIsInVainSaysWhyFromItsSecondTimeOn(t *testing.T) {
	for story, c := range map[string]struct {
		err   error
		said  string
		first bool // the first time already
	}{
		"a cause of a program's": {errors.New("it ended"), "job-in-vain", false},
		"a cause with a way out": {&releve.Fault{Cause: errors.New("no room"), Why: releve.Say("copy-no-place", "free", "1", "needed", "2")}, "copy-no-place", true},
	} {
		t.Run(story, func(t *testing.T) {
			playProtected(t, func(t *testing.T, s *sim.Site) {
				s.Secondary().RefuseDatabase(c.err)
				if err := s.Secondary().Agent().Order(t.Context(), string(takeover.Rebuild)); err != nil {
					t.Fatal(err)
				}
				doing := func() string { return s.Secondary().Agent().View().Secondary.Doing.Code }
				s.Until("the first copy fails", 3*time.Second, func() bool { return s.Secondary().Agent().Machine().Failed == takeover.JobRejoin })
				if got := doing(); (got == c.said) != c.first {
					t.Errorf("after the first time it says %q", got)
				}
				s.Until("it is said why", 10*time.Second, func() bool { return doing() == c.said })
				began := time.Now()
				s.Stays("said", 10*time.Minute, func() bool { return s.Secondary().Agent().Machine().Job != takeover.NoJob || doing() == c.said })
				if said := len(s.Secondary().Said(c.said)); said < 2 || said > 6 {
					t.Errorf("written down %d times in %s", said, time.Since(began))
				}
				s.Secondary().RefuseDatabase(nil)
				s.Until("protected again", 6*time.Minute, s.Protected)
				if got := doing(); got != "" {
					t.Errorf("at rest it says %q", got)
				}
			})
		})
	}
}
