package releve_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"releve"
)

// Whatever the clock tells, the next look is on a multiple of the period and half a period from
// one period away at most; and who looks twice as often is there too.
func TestLooksFallTogether(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Unix(0, rapid.Int64Range(0, 1<<62).Draw(t, "now"))
		period := time.Duration(rapid.Int64Range(2, int64(time.Hour)).Draw(t, "period")) * 2
		wait := releve.UntilBeat(now, period)
		if wait < period/2 || wait > period+period/2 {
			t.Fatalf("%s, for a period of %s", wait, period)
		}
		if due := now.Add(wait); !due.Truncate(period/2).Equal(due) || !due.Truncate(period).Equal(due) {
			t.Fatalf("looked at %s, for a period of %s", due, period)
		}
	})
}
