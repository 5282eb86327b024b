package agent_test

import (
	"errors"
	"testing"
	"time"

	"releve/takeover"
	"releve/view"
)

// A database that does not start, and a copy that has no room: the screen says why from the
// second try on, or at once where somebody can do something about it, and the events say it
// ever more seldom.
func TestAJobThatIsInVainSaysWhyFromItsSecondTimeOn(t *testing.T) {
	for story, c := range map[string]struct {
		err   error
		said  string
		first bool // the first time already
	}{
		"a cause of a program's": {errors.New("it does not start"), "job-in-vain", false},
		"a cause with a way out": {&view.Fault{Cause: errors.New("no room"), Why: view.Say("copy-no-place", "free", "1", "needed", "2")}, "copy-no-place", true},
	} {
		t.Run(story, func(t *testing.T) {
			playProtected(t, func(t *testing.T, s *site) {
				s.change(func() { s.secondary().postgres.refuses = c.err; s.secondary().postgres.exit("killed") })
				doing := func() string { return s.secondary().agent.View().Secondary.Doing.Code }
				s.until("the first start fails", 3*time.Second, func() bool { return s.secondary().agent.Machine().Failed == takeover.JobStart })
				if got := doing(); (got == c.said) != c.first {
					t.Errorf("after the first time it says %q", got)
				}
				s.until("it is said why", 5*time.Second, func() bool { return doing() == c.said })
				began := time.Now()
				s.stays("said", 2*time.Minute, func() bool { return s.secondary().agent.Machine().Job != takeover.NoJob || doing() == c.said })
				if said := len(s.secondary().diary.of(c.said)); said < 2 || said > 6 {
					t.Errorf("written down %d times in %s", said, time.Since(began))
				}
				s.change(func() { s.secondary().postgres.refuses = nil })
				s.until("protected again", 15*time.Second, s.protected)
				if got := doing(); got != "" {
					t.Errorf("at rest it says %q", got)
				}
			})
		})
	}
}
