package view_test

import (
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // machines may have none

	"releve/screen/view"
)

func TestPeriodsFollowTheCalendar(t *testing.T) {
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ by, from, to, want string }{
		{"hour", "2026-11-24 03:25", "2026-11-24 05:00", "24T03:00+01 24T04:00+01 24T05:00+01"},
		{"hour", "2026-10-25 01:30", "2026-10-25 03:30", "25T01:00+02 25T02:00+02 25T02:00+01 25T03:00+01 25T04:00+01"}, // clocks go back
		{"day", "2026-10-24 12:00", "2026-10-26 00:00", "24T00:00+02 25T00:00+02 26T00:00+01"},
		{"day", "2026-03-28 12:00", "2026-03-29 12:00", "28T00:00+01 29T00:00+01 30T00:00+02"},
		{"week", "2026-11-29 23:00", "2026-11-30 01:00", "23T00:00+01 30T00:00+01 07T00:00+01"}, // a Sunday and a Monday
		{"month", "2026-01-31 12:00", "2026-03-01 00:00", "01T00:00+01 01T00:00+01 01T00:00+01"},
		{"day", "2026-11-24 03:00", "2026-11-24 03:00", ""},
		{"hour", "2026-01-01 00:00", "2026-03-01 00:00", ""}, // too many
		{"fortnight", "2026-11-24 03:00", "2026-11-25 03:00", ""},
	} {
		from, errFrom := time.ParseInLocation("2006-01-02 15:04", c.from, paris)
		to, errTo := time.ParseInLocation("2006-01-02 15:04", c.to, paris)
		if errFrom != nil || errTo != nil {
			t.Fatal(errFrom, errTo)
		}
		times, ok := view.Calendar(c.by, from, to)
		var got []string
		for _, at := range times {
			got = append(got, at.Format("02T15:04-07"))
		}
		if text := strings.Join(got, " "); text != c.want || ok != (c.want != "") {
			t.Errorf("by %s from %s to %s:\n%s, expected\n%s", c.by, c.from, c.to, text, c.want)
		}
	}
}
