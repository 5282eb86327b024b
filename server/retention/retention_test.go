package retention_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"releve"
	"releve/rules/alarm"
	"releve/rules/takeover"
	"releve/server/retention"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const keep = 30 * 24 * time.Hour

// world is the server and its database, in virtual time.
type world struct {
	mu      sync.Mutex
	began   time.Time
	machine takeover.Machine
	unknown bool        // nobody knows what time it is
	calls   []time.Time // their beginnings, oldest first
	fails   error
	commits []int // how many calls went in each
	told    []string
	since   func() time.Time
}

func (w *world) locked(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

func (w *world) Machine() (m takeover.Machine) {
	w.locked(func() { m = w.machine })
	m.Now = time.Since(w.began) + time.Second
	return m
}

func (w *world) KeepSince(since func() time.Time) { w.since = since }

func (w *world) Explain(s releve.Sentence) {
	w.locked(func() { w.told = append(w.told, string(alarm.Of(releve.Main, s).Severity)+" "+s.Code) })
}

func (w *world) Oldest(context.Context) (at time.Time, err error) {
	w.locked(func() {
		if len(w.calls) > 0 {
			at = w.calls[0]
		}
	})
	return at, nil
}

func (w *world) Forget(_ context.Context, before time.Time, most int) (n int, err error) {
	w.locked(func() {
		if err = w.fails; err != nil {
			return
		}
		for n < min(most, len(w.calls)) && w.calls[n].Before(before) {
			n++
		}
		w.calls, w.commits = w.calls[n:], append(w.commits, n)
	})
	return n, err
}

// said takes what was told since it was last asked.
func (w *world) said() (all string) {
	w.locked(func() { all, w.told = strings.Join(w.told, ", "), nil })
	return all
}

func (w *world) Now() (now time.Time) {
	w.locked(func() {
		if !w.unknown {
			now = time.Now()
		}
	})
	return now
}

// left is how many calls are there.
func (w *world) left() (n int) { w.locked(func() { n = len(w.calls) }); return n }

// serving is an owner in sync with its mirror, which has the vote.
func serving() takeover.Machine {
	m := takeover.New(takeover.Settings{Level: releve.HighAvailability})
	m.Known, m.Owner, m.Seat, m.Phase, m.Gate, m.Vote = true, releve.Main, releve.Main, takeover.Serving, true, true
	return m
}

// inTime runs a keeper over a world at the beginning of the 1st of a month, in virtual time.
func inTime(t *testing.T, test func(t *testing.T, w *world)) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Now().Truncate(24 * time.Hour).Add(24*time.Hour + time.Minute)))
		w := &world{began: time.Now(), machine: serving()}
		ctx, stop := context.WithCancel(t.Context())
		k := retention.New(keep, w, w, w, slog.New(slog.DiscardHandler))
		var over sync.WaitGroup
		over.Go(func() { k.Run(ctx) })
		defer over.Wait()
		defer stop()
		test(t, w)
	})
}

func (w *world) receive(each time.Duration, n int, age time.Duration) {
	w.locked(func() {
		for i := range n {
			w.calls = append(w.calls, time.Now().Add(-age+time.Duration(i)*each))
		}
	})
}

// Calls go once a day, all of a day that is past, and younger ones stay.
func TestACallIsForgottenWhenItsTimeIsOver(t *testing.T) {
	inTime(t, func(t *testing.T, w *world) {
		w.receive(time.Hour, 72, keep+12*time.Hour) // from half a day past their time on
		time.Sleep(time.Hour)
		if said := w.said(); said != "info event-records-forgotten" || w.left() != 60 {
			t.Fatalf("after an hour: %d calls stay, and it said %q", w.left(), said)
		}
		time.Sleep(22 * time.Hour)
		if said := w.said(); said != "" || w.left() != 60 {
			t.Fatalf("within the same day: %d calls stay, and it said %q", w.left(), said)
		}
		time.Sleep(2 * time.Hour)
		if said := w.said(); said != "info event-records-forgotten" || w.left() != 36 {
			t.Fatalf("a day later: %d calls stay, and it said %q", w.left(), said)
		}
		if since := w.since(); !since.Equal(time.Now().Add(-keep).Truncate(24 * time.Hour)) {
			t.Errorf("a salvage is told that records are kept since %s", since)
		}
	})
}

// Many go in small commits, with time between them for those who record calls.
func TestManyAreForgottenAFewAtATime(t *testing.T) {
	inTime(t, func(t *testing.T, w *world) {
		w.receive(time.Millisecond, 1050, keep+48*time.Hour)
		time.Sleep(20 * time.Minute)
		var commits []int
		w.locked(func() { commits = w.commits })
		if want := []int{200, 200, 200, 200, 200, 50}; !slices.Equal(commits, want) {
			t.Errorf("calls went %d at a time, and not %d", commits, want)
		}
	})
}

// Nothing is deleted by who is not on duty, while a commit would wait, in the middle of a step,
// or while nobody knows what time it is.
func TestNothingIsForgottenInTheWayOfOthers(t *testing.T) {
	for name, change := range map[string]func(*world){
		"off duty":      func(w *world) { w.machine.Owner, w.machine.Phase = releve.Secondary, takeover.Following },
		"no mirror":     func(w *world) { w.machine.Vote = false },
		"in a step":     func(w *world) { w.machine.Job = takeover.Job("any") },
		"being moved":   func(w *world) { w.machine.Order = takeover.HandOver },
		"clock unknown": func(w *world) { w.unknown = true },
		"promoting":     func(w *world) { w.machine.Phase = takeover.Promoting },
	} {
		t.Run(name, func(t *testing.T) {
			inTime(t, func(t *testing.T, w *world) {
				w.receive(time.Hour, 3, keep+48*time.Hour)
				w.locked(func() { change(w) })
				time.Sleep(24 * time.Hour)
				if said := w.said(); said != "" || w.left() != 3 {
					t.Errorf("%d calls stay, and it said %q", w.left(), said)
				}
			})
		})
	}
}

// Records that stay too long are an alarm while that is so, whatever the reason.
func TestWhatStaysTooLongIsAnAlarm(t *testing.T) {
	for name, c := range map[string]struct{ stop, goOn func(*world) }{
		"the database refuses": {func(w *world) { w.fails = errors.New("permission denied") }, func(w *world) { w.fails = nil }},
		"the mirror is away":   {func(w *world) { w.machine.Vote = false }, func(w *world) { w.machine.Vote = true }},
	} {
		t.Run(name, func(t *testing.T) {
			inTime(t, func(t *testing.T, w *world) {
				w.receive(time.Hour, 3, keep+48*time.Hour)
				w.locked(func() { c.stop(w) })
				time.Sleep(47 * time.Hour)
				if said := w.said(); said != "" {
					t.Errorf("before two days are over it said %q", said)
				}
				time.Sleep(24 * time.Hour)
				if said := w.said(); said != "warning event-records-old" {
					t.Errorf("after two days it said %q", said)
				}
				w.locked(func() { c.goOn(w) })
				time.Sleep(time.Hour)
				if said := w.said(); said != "cleared event-records-old-over, info event-records-forgotten" {
					t.Errorf("when they go it said %q", said)
				}
			})
		})
	}
}
