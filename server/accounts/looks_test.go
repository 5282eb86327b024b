package accounts_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"releve"
)

// Who looks at what is personal stands in both diaries, once for as long as he looks at the same.
func TestWhoLookedIsOneLineOfBothDiaries(t *testing.T) {
	play(t, func(t *testing.T, main, secondary *server) {
		main.does(add("anna", "operator"))
		anna := main.in("anna", good)
		pass(15 * time.Second)
		before := len(main.acts)
		calls := func(caller string) releve.Sentence {
			return releve.Say("event-calls-looked", "by", "anna", "caller", caller)
		}
		for range 5 {
			main.keeper.Looked(anna, home, calls("06"))
			main.keeper.Denied(anna, home, releve.Say("event-denied", "by", "anna", "page", "/users"))
		}
		main.keeper.Looked(anna, home, calls("07"))
		pass(16 * time.Minute)
		main.keeper.Looked(anna, home, calls("06"))
		main.keeper.Looked("nobody's", home, calls("06"))
		pass(15 * time.Second)
		const looked, denied = "main event-calls-looked anna operator 10.0.0.7 audit-done", "main event-denied anna operator 10.0.0.7 audit-no-right"
		want := []string{looked, denied, looked, looked}
		for _, s := range []*server{main, secondary} {
			if got := s.acts[len(s.acts)-len(want):]; !slices.Equal(got, want) || len(main.acts) != before+len(want) {
				t.Errorf("the diary of the %s:\n%s", s.seat, strings.Join(s.acts, "\n"))
			}
		}
	})
}
