package comparison

import (
	"time"

	"releve"
)

// Record is what the last comparison found, kept over a restart.
type Record struct {
	Data        releve.DataID `json:"data"` // of the copy that was compared
	At          time.Time     `json:"at"`   // its end
	Rows        int64         `json:"rows"`
	Differences int           `json:"differences"`
}

// Due says whether a comparison is to be made: this copy was not compared since it
// joined, or not since the site's hour, which is a time since midnight.
func (r Record) Due(now time.Time, hour time.Duration, copyOf releve.DataID) bool {
	return r.Data != copyOf || r.At.Before(LastHour(now, hour))
}

// LastHour is when that hour last was, on the clock of the site.
func LastHour(now time.Time, hour time.Duration) time.Time {
	year, month, day := now.Date()
	at := func(day int) time.Time { // the clock's hour, also on the days that have 23 or 25
		return time.Date(year, month, day, int(hour.Hours()), int(hour.Minutes())%60, 0, 0, now.Location())
	}
	if today := at(day); !today.After(now) {
		return today
	}
	return at(day - 1)
}
