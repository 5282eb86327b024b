package sip

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// Where a challenge cannot be answered the questions pause, longer each time, and the last
// answer counts meanwhile; silence and any other answer end that at once.
func TestQuestionsThatAreChallengedInVainPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w wary
		begin := time.Now()
		var at []string
		ask := func(outcome func()) {
			if w.answer() == nil {
				at = append(at, fmt.Sprint(time.Since(begin).Round(time.Second)))
				outcome()
			}
			time.Sleep(100 * time.Millisecond)
		}
		vain := func() { w.challenged(new(Response)) }
		for time.Since(begin) < 2*time.Minute {
			ask(vain)
		}
		if want := []string{"0s", "1s", "3s", "7s", "15s", "31s", "1m1s", "1m31s"}; !slices.Equal(at, want) {
			t.Errorf("asked after %q, not %q", at, want)
		}
		time.Sleep(mostWary)
		if w.answer() != nil || w.answer() == nil {
			t.Error("not one asks when the pause is over")
		}
		w.takenBack()
		time.Sleep(firstWary)
		at = nil
		for range 5 {
			ask(w.clear)
		}
		if len(at) != 5 {
			t.Errorf("asked %d times of 5, although the PBX is silent, or answers", len(at))
		}
	})
}
