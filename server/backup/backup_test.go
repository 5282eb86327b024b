package backup_test

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
	"releve/server/backup"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is the server that keeps the copy, in virtual time.
type world struct {
	mu      sync.Mutex
	machine takeover.Machine
	copied  time.Time // as of when the copy on its disk is
	other   time.Time // … and the other server's, as it says
	makes   bool      // a copy that is ordered is made, at once
	fails   error     // reading and counting
	counted int
	told    []string
	shown   time.Time
	since   int
	notice  string
	orders  []time.Time
}

func (w *world) locked(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

func (w *world) Machine() (m takeover.Machine)      { w.locked(func() { m = w.machine }); return m }
func (w *world) OtherCopyAt() (at time.Time)        { w.locked(func() { at = w.other }); return at }
func (w *world) CopyAt(at time.Time)                { w.locked(func() { w.shown = at }) }
func (w *world) SinceCopy(calls int)                { w.locked(func() { w.since = calls }) }
func (w *world) Notice(_ string, s releve.Sentence) { w.locked(func() { w.notice = s.Code }) }
func (w *world) Explain(s releve.Sentence) {
	w.locked(func() { w.told = append(w.told, string(alarm.Of(releve.Main, s).Severity)+" "+s.Code) })
}

// said takes what was told since it was last asked.
func (w *world) said() (all string) {
	w.locked(func() { all, w.told = strings.Join(w.told, ", "), nil })
	return all
}

// passive is a server off duty at level backup, with a copy of now.
func passive() *world {
	m := takeover.New(takeover.Settings{Seat: releve.Secondary, Level: releve.Backup})
	m.Known, m.Owner, m.DataID, m.Phase = true, releve.Main, "D", takeover.Isolated
	return &world{machine: m, copied: time.Now(), makes: true}
}

// run keeps the copy until the test ends: each night at half past two, and no older than 26 hours.
func (w *world) run(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	keeper := backup.New(backup.Options{
		At: 150 * time.Minute, Oldest: 26 * time.Hour, Front: w, Log: slog.New(slog.DiscardHandler),
		Copied: func() (at time.Time, err error) { w.locked(func() { at, err = w.copied, w.fails }); return at, err },
		Since: func(_ context.Context, at time.Time) (n int, err error) {
			w.locked(func() { w.counted, n, err = w.counted+1, int(time.Since(at)/time.Hour), w.fails })
			return n, err
		},
		Order: func(_ context.Context, order string) error {
			w.locked(func() {
				if order == string(takeover.Renew) {
					w.orders = append(w.orders, time.Now())
				}
				if w.makes {
					w.copied = time.Now()
				}
			})
			return nil
		},
	})
	go func() {
		defer close(ended)
		keeper.Run(ctx)
	}()
	t.Cleanup(func() { stop(); <-ended })
}

func play(t *testing.T, story func(*testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2027, 1, 4, 12, 0, 0, 0, time.Local)))
		story(t)
	})
}

func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// The copy is made anew once each night, at its hour, and what is shown of its age follows.
func TestACopyIsMadeEachNight(t *testing.T) {
	play(t, func(t *testing.T) {
		w := passive()
		w.run(t)
		pass(72 * time.Hour)
		var hours []string
		w.locked(func() {
			for _, at := range w.orders {
				hours = append(hours, at.Format("02 15:04"))
			}
		})
		if want := []string{"05 02:30", "06 02:30", "07 02:30"}; !slices.Equal(hours, want) {
			t.Errorf("copies were ordered at %v, expected %v", hours, want)
		}
		if w.said() != "" || !w.shown.Equal(w.copied) {
			t.Errorf("said %q; shown %s of a copy of %s", w.told, w.shown, w.copied)
		}
	})
}

// Copies that come to nothing are tried ever more seldom, which is said; one that is too old is an
// alarm until a newer one is there.
func TestACopyThatIsNotMadeIsAnAlarm(t *testing.T) {
	play(t, func(t *testing.T) {
		w := passive()
		w.makes = false
		w.run(t)
		pass(15 * time.Hour) // three o'clock
		if n := len(w.orders); n < 2 || n > 3 || !strings.Contains(w.said(), "major event-copy-in-vain") {
			t.Errorf("by three o'clock a copy was ordered %d times", n)
		}
		pass(12 * time.Hour)
		if n := len(w.orders); n > 12 {
			t.Errorf("by the next day it was ordered %d times", n)
		}
		if said := w.said(); !strings.Contains(said, "major event-copy-old") || strings.Count(said, "event-copy-old") != 1 || w.notice != "event-copy-old" {
			t.Errorf("a copy of 27 hours: %q, shown %q", said, w.notice)
		}
		w.locked(func() { w.makes = true })
		pass(4 * time.Hour)
		if said := w.said(); !strings.Contains(said, "cleared event-copy-young") || w.notice != "" {
			t.Errorf("with a new copy: %q, shown %q", said, w.notice)
		}
	})
}

// A server whose copy cannot be renewed now is not asked to, and one without a copy shows none.
func TestWhenNoCopyIsOrdered(t *testing.T) {
	play(t, func(t *testing.T) {
		for name, change := range map[string]func(*world){
			"it follows":           func(w *world) { w.machine.Phase = takeover.Following },
			"a copy is being made": func(w *world) { w.machine.Phase = takeover.Copying },
			"something is done":    func(w *world) { w.machine.Job = takeover.JobStart },
			"it has the duty":      func(w *world) { w.machine.Owner = releve.Secondary },
			"another level":        func(w *world) { w.machine.Level = releve.HighAvailability },
			"its age is not known": func(w *world) { w.fails = errors.New("no such file") },
			"it has no copy":       func(w *world) { w.machine.DataID = "" },
		} {
			w := passive()
			change(w)
			w.copied = time.Now().Add(-20 * time.Hour)
			w.run(t)
			pass(3 * time.Second)
			if len(w.orders) > 0 {
				t.Errorf("%s: a copy was ordered", name)
			}
		}
	})
}

// The server on duty counts what the other's copy lacks, at once where there is another copy, and
// goes on showing the last count while it cannot.
func TestWhatACopyLacksIsCounted(t *testing.T) {
	play(t, func(t *testing.T) {
		w := passive()
		w.machine.Owner, w.other = releve.Secondary, time.Now().Add(-5*time.Hour)
		w.run(t)
		pass(1500 * time.Millisecond)
		if w.since != 5 || w.counted != 1 {
			t.Errorf("%d calls, counted %d times", w.since, w.counted)
		}
		w.locked(func() { w.other = time.Now().Add(-2 * time.Hour) })
		pass(time.Second)
		if w.since != 2 {
			t.Errorf("of a new copy: %d calls", w.since)
		}
		w.locked(func() { w.fails = errors.New("away") })
		pass(time.Minute)
		if w.since != 2 {
			t.Errorf("without the database: %d calls", w.since)
		}
	})
}
