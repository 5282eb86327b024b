package accounts_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"releve/screen/view"
)

// Who gives himself another password proves that he knows the one that he has, and who guesses it waits.
func TestSomebodyChangesHisOwnPassword(t *testing.T) {
	play(t, func(t *testing.T, main, secondary *server) {
		main.does(add("anna", "operator"))
		main.does(add("wall", "screen"))
		anna := view.Caller{Session: main.in("anna", good), From: home}
		change := func(by view.Caller, current, fresh string) string {
			return why(main.keeper.ChangeOwn(t.Context(), by, current, fresh))
		}
		if got := change(anna, "a guess that is wrong", good+"!"); got != "user-own-unproven" {
			t.Error(got)
		}
		if got := change(anna, good, "short"); got != "user-password-short" {
			t.Error(got)
		}
		if got := change(view.Caller{Session: main.in("wall", good), From: home}, good, good+"!"); got != "order-no-right" {
			t.Errorf("a wall: %s", got)
		}
		if err := main.keeper.ChangeOwn(t.Context(), view.Caller{Session: "nobody's", From: home}, good, good+"!"); !errors.Is(err, view.ErrNobody) {
			t.Error(err)
		}
		if got := change(anna, good, good+"!"); got != "<nil>" {
			t.Error(got)
		}
		pass(time.Minute)
		secondary.in("anna", good+"!")
		if !strings.Contains(strings.Join(secondary.acts, "\n"), "event-user-own anna operator 10.0.0.7 audit-done") {
			t.Errorf("the other diary has %q", secondary.acts)
		}
		anna = view.Caller{Session: main.in("anna", good+"!"), From: home}
		var last string
		for range 20 {
			last = change(anna, "a guess that is wrong", good)
		}
		if last != "login-wait" {
			t.Errorf("who guesses twenty times is told %s", last)
		}
	})
}
