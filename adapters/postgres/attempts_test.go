package postgres

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"releve"
	"releve/rules/alarm"
)

// operator is what an operator was told, and a clock that only the test moves.
type operator struct {
	words []string
	clock time.Time
}

func watchedStarts() (*attempts, *operator) {
	w := &operator{clock: time.Unix(0, 0)}
	a := newAttempts(releve.Main, func(what releve.Sentence) {
		w.words = append(w.words, string(alarm.Of(releve.Main, what).Severity)+" "+what.Code)
	})
	a.now = func() time.Time { return w.clock }
	return a, w
}

// A database that does not start is tried ever less often, up to a bound, and it is said why
// from the second time on.
func TestStartsInVainGrowRarer(t *testing.T) {
	a, w := watchedStarts()
	var tried []time.Duration
	wrong := &releve.Fault{Cause: ErrOtherMajor, Why: releve.Say("database-other-major")}
	for range 60 {
		err := a.try(t.Context(), Primary, func() error {
			tried = append(tried, w.clock.Sub(time.Unix(0, 0)))
			return wrong
		})
		if !errors.Is(err, ErrOtherMajor) {
			t.Fatal(err)
		}
		w.clock = w.clock.Add(time.Second)
	}
	seconds := []time.Duration{0, 1, 3, 7, 15, 30, 45}
	for i := range seconds {
		seconds[i] *= time.Second
	}
	if !slices.Equal(tried, seconds) {
		t.Errorf("tried after %v, want %v", tried, seconds)
	}
	if want := []string{"critical database-other-major"}; !slices.Equal(w.words, want) {
		t.Errorf("said %v, want %v", w.words, want)
	}
	w.clock = w.clock.Add(mostWait)
	if err := a.try(t.Context(), Primary, func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	if want := []string{"critical database-other-major", "cleared event-database-well"}; !slices.Equal(w.words, want) {
		t.Errorf("said %v, want %v", w.words, want)
	}
}

// Another cause is news, another kind of start has a row of its own, and a start that
// nobody wanted any more counts for nothing.
func TestWhatIsOneRowOfStarts(t *testing.T) {
	a, w := watchedStarts()
	fails := func(why string) func() error { return func() error { return errors.New(why) } }
	for _, why := range []string{"one", "one", "one", "two"} {
		_ = a.try(t.Context(), Primary, fails(why))
		w.clock = w.clock.Add(mostWait)
	}
	const never = "critical event-database-not-started"
	if want := []string{never, never}; !slices.Equal(w.words, want) {
		t.Errorf("said %v, want %v", w.words, want)
	}
	a, w = watchedStarts()
	_ = a.try(t.Context(), Primary, fails("one"))
	began := false
	_ = a.try(t.Context(), Isolated, func() error { began = true; return nil })
	if !began {
		t.Error("a copy waited for what an owner did in vain")
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for range 3 {
		_ = a.try(gone, Primary, fails("cancelled"))
		_ = a.try(t.Context(), Isolated, func() error { return ErrFenced })
	}
	if len(w.words) > 0 {
		t.Errorf("said %v", w.words)
	}
}
