package licences_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"releve"
	"releve/rules/licence"
)

// lapsing is a running pair at high availability whose licence for it ended 28 days ago, and the
// faller at its main. Base is licensed.
func lapsing(t *testing.T) (main, secondary *machine, f *faller) {
	main, secondary = newPair(t)
	f = &faller{main: main}
	f.ready.Store(true)
	main.faller = f
	for _, m := range []*machine{main, secondary} {
		m.remembers(licence.Memory{
			Clock: licence.Clock{Ran: time.Now().UTC()}, Lapsed: map[releve.Level]time.Time{ha: time.Now().UTC().Add(-28 * day)},
		})
		m.put("1.licence", of(t, "1", base, 31))
		m.put("2.licence", of(t, "2", ha, -3, func(l *licence.Licence) { l.From = l.From.AddDate(0, 0, -9) }))
		m.start()
	}
	pass(2 * time.Minute)
	return main, secondary, f
}

// remembers has what a server remembers of licences lie in the directory.
func (m *machine) remembers(memory licence.Memory) {
	m.t.Helper()
	raw, err := json.Marshal(memory)
	if err != nil {
		m.t.Fatal(err)
	}
	m.put("seen.json", raw)
}

// The level falls at the moment that was announced from the first, once, in hours of work, to what
// is licensed; both servers say so, and with a licence the operator raises it again.
func TestALevelFallsAtTheAnnouncedMoment(t *testing.T) {
	play(t, func(t *testing.T) {
		main, secondary, f := lapsing(t)
		announced := main.sees().FallsBack.At
		pass(time.Until(announced) - time.Second)
		if got := f.ordered(); len(got) != 0 || main.said() == "" {
			t.Fatalf("before its moment it fell %v", got)
		}
		pass(3 * time.Minute)
		got := f.ordered()
		if len(got) != 1 || got[0].to != base || got[0].at.Before(announced) || got[0].at.Sub(announced) > 2*time.Minute {
			t.Fatalf("announced for %v, it fell %v", announced, got)
		}
		for _, m := range []*machine{main, secondary} {
			if !strings.Contains(m.said(), "licence-fell") || m.sees().Running != base {
				t.Errorf("the %s says %s at %s", m.seat, m.said(), m.sees().Running)
			}
		}
		if told := main.events(); !slices.Contains(told, "major licence-falls") || slices.Contains(told, "cleared licence-left") {
			t.Errorf("told %v", told)
		}
		main.stop()
		main.start()
		if !strings.Contains(main.said(), "licence-fell") {
			t.Errorf("after a restart it says %s", main.said())
		}
		pass(2 * time.Minute)
		if _, refused := main.install(of(t, "3", ha, 20)); refused != "" {
			t.Fatal(refused)
		}
		for _, m := range []*machine{main, secondary} {
			if !strings.Contains(m.said(), "licence-raise") || strings.Contains(m.said(), "licence-fell") || !slices.Contains(m.events(), "cleared licence-again") {
				t.Errorf("licensed again, the %s says %s, told %v", m.seat, m.said(), m.events())
			}
			m.runsAt(ha)
			if m.said() != "" {
				t.Errorf("raised again, the %s says %s", m.seat, m.said())
			}
		}
		if pass(2 * day); len(f.ordered()) != 1 {
			t.Errorf("it fell again: %v", f.ordered())
		}
	})
}

// What speaks against a fall has it wait: nothing is ready, the other server is cut off or has seen
// another time pass, or it is night when both are back.
func TestAFallWaits(t *testing.T) {
	for story, c := range map[string]struct {
		before, after func(main, secondary *machine, f *faller)
		hour          int // of the day of the fall, once nothing speaks against it
	}{
		"a takeover or a procedure": {
			func(_, _ *machine, f *faller) { f.ready.Store(false) },
			func(_, _ *machine, f *faller) { f.ready.Store(true) }, 12,
		},
		"the other server is away": {
			func(_, secondary *machine, _ *faller) { secondary.stop() },
			func(_, secondary *machine, _ *faller) { secondary.start() }, 12,
		},
		"both are off, and back at night": {
			func(main, secondary *machine, _ *faller) { main.stop(); secondary.stop() },
			func(main, secondary *machine, _ *faller) { pass(15 * time.Hour); main.start(); secondary.start() }, 10, // at 3 h
		},
	} {
		play(t, func(t *testing.T) {
			main, secondary, f := lapsing(t)
			announced := main.sees().FallsBack.At
			pass(time.Until(announced) - time.Hour)
			c.before(main, secondary, f)
			pass(3 * time.Hour)
			if got := f.ordered(); len(got) != 0 {
				t.Fatalf("%s: it fell all the same: %v", story, got)
			}
			c.after(main, secondary, f)
			pass(2 * time.Hour)
			if at := time.Now().Hour(); at < 10 && len(f.ordered()) != 0 {
				t.Errorf("%s: it fell at %d h", story, at)
			}
			pass(30 * time.Hour)
			if got := f.ordered(); len(got) != 1 || got[0].at.Hour() != c.hour {
				t.Errorf("%s: announced for %v, it fell %v", story, announced, got)
			}
		})
	}
}

// A server that has seen less time pass says no yet, and then nothing falls: neither a licence of
// another site nor a forged one, nor a clock that leaps, makes it any sooner.
func TestNothingMakesALevelFallSooner(t *testing.T) {
	play(t, func(t *testing.T) {
		main, secondary, f := lapsing(t)
		announced := main.sees().FallsBack.At
		pass(6 * time.Hour)
		good := of(t, "3", ha, 20)
		main.put("forged.licence", []byte(strings.Replace(string(good), "30", "31", 1)))
		secondary.put("other.licence", of(t, "3", base, 20, func(l *licence.Licence) { l.Site += "D" }))
		for _, m := range []*machine{main, secondary} {
			m.set(func(m *machine) { m.clock = 40 * day }) // and the other's shows the same: it is believed
		}
		pass(6 * time.Hour)
		if main.sees().FallsBack.At.Before(announced) || len(f.ordered()) != 0 {
			t.Errorf("announced for %v, and now for %v; it fell %v", announced, main.sees().FallsBack.At, f.ordered())
		}
		for _, m := range []*machine{main, secondary} {
			m.set(func(m *machine) { m.clock = 0 })
		}
		secondary.stop()
		secondary.remembers(licence.Memory{
			Clock: licence.Clock{Ran: time.Now().UTC()}, Lapsed: map[releve.Level]time.Time{ha: time.Now().UTC().Add(-25 * day)},
		})
		secondary.start()
		pass(time.Until(announced) + 2*day)
		if got := f.ordered(); len(got) != 0 {
			t.Errorf("the secondary has seen three days less, and it fell %v", got)
		}
		pass(6 * day)
		if got := f.ordered(); len(got) != 1 || got[0].to != base {
			t.Errorf("once both say so, it fell %v", got)
		}
	})
}

// Of two servers that have not run equally long the later one's moment counts, to the second.
func TestTheLaterServersMomentCounts(t *testing.T) {
	play(t, func(t *testing.T) {
		main, secondary, f := lapsing(t)
		for behind, m := range map[time.Duration]*machine{0: main, 20 * time.Second: secondary} {
			m.stop()
			ahead := time.Now().UTC().Add(3 * day) // of the machine's clock, which is not followed then
			m.remembers(licence.Memory{
				Clock: licence.Clock{Ran: ahead.Add(-behind)}, Lapsed: map[releve.Level]time.Time{ha: ahead.Add(-28 * day)},
			})
			m.start()
		}
		pass(main.sees().FallsBack.At.Sub(main.sees().At) + 19*time.Second)
		if got := f.ordered(); len(got) != 0 {
			t.Fatalf("it fell %v", got)
		}
		if pass(5 * time.Second); len(f.ordered()) != 1 {
			t.Errorf("it has not fallen at %v", time.Now())
		}
	})
}

// A fall that does not come to its end is tried again, not at each beat, and said once each time.
func TestAFallThatFailsIsTriedAgain(t *testing.T) {
	play(t, func(t *testing.T) {
		main, _, f := lapsing(t)
		fails := errors.New("the vote did not come back")
		f.fails.Store(&fails)
		pass(time.Until(main.sees().FallsBack.At) + 25*time.Minute)
		if n := len(f.ordered()); n < 2 || n > 3 || !slices.Contains(main.events(), "warning licence-fall-failed") {
			t.Errorf("in 25 minutes it was tried %d times, told %v", n, main.events())
		}
		if !strings.Contains(main.said(), "licence-over") {
			t.Errorf("it says %s", main.said())
		}
		f.fails.Store(nil)
		if pass(11 * time.Minute); main.sees().Running != releve.Base {
			t.Errorf("it runs at %s", main.sees().Running)
		}
	})
}
