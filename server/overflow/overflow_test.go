package overflow

import (
	"testing"
	"time"

	"releve/config"
)

// The night's hour is that of the clock on the wall, on the days of 23 and 25 hours too.
func TestTheHourOfALesson(t *testing.T) {
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		at   config.Clock
		now  string
		want bool
	}{
		{"03:30", "2026-11-29 03:29", false}, {"03:30", "2026-11-29 03:30", true}, {"03:30", "2026-11-29 04:29", true},
		{"03:30", "2026-11-29 04:30", false}, {"03:30", "2026-11-29 15:30", false},
		{"23:30", "2026-11-29 23:45", true}, {"23:30", "2026-11-30 00:15", true}, {"23:30", "2026-11-30 00:30", false},
		{"03:30", "2026-03-29 03:40", true}, {"03:30", "2026-03-29 02:40", true}, {"03:30", "2026-03-29 05:00", false}, // 02:40 is not there: 03:40
		{"03:30", "2026-10-25 03:29", false}, {"03:30", "2026-10-25 03:30", true}, {"03:30", "2026-10-25 04:30", false},
	} {
		now, err := time.ParseInLocation("2006-01-02 15:04", c.now, paris)
		if err != nil {
			t.Fatal(err)
		}
		if got := nightly(now, c.at.SinceMidnight()); got != c.want {
			t.Errorf("at %s the hour after %s: %v, want %v", now, c.at, got, c.want)
		}
	}
}
