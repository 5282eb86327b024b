package view

import "time"

// Periods are what calls are counted by.
var Periods = []string{"hour", "day", "week", "month"}

// PeriodsMost is how many are counted at once.
const PeriodsMost = 1000

// Calendar are the times at which the periods begin that have something of the time between from
// and to, by the calendar of from's place, and the time at which the last of them ends. Weeks begin
// on Monday (ISO 8601). ok: there is at least one, and no more than PeriodsMost.
func Calendar(by string, from, to time.Time) (times []time.Time, ok bool) {
	begin, next := periods(by)
	if begin == nil || !from.Before(to) {
		return nil, false
	}
	at := begin(from)
	for times = []time.Time{at}; at.Before(to); {
		if at = next(at); len(times) > PeriodsMost {
			return nil, false
		}
		times = append(times, at)
	}
	return times, true
}

// periods are how one begins that a time lies in, and the one after it.
func periods(by string) (begin, next func(time.Time) time.Time) {
	day := func(t time.Time, days int) time.Time {
		return time.Date(t.Year(), t.Month(), t.Day()+days, 0, 0, 0, 0, t.Location())
	}
	switch by {
	case "hour": // the clock's: where it is put back one hour comes twice, as two
		begin = func(t time.Time) time.Time {
			return t.Add(-time.Duration(t.Minute())*time.Minute - time.Duration(t.Second())*time.Second - time.Duration(t.Nanosecond()))
		}
		return begin, func(t time.Time) time.Time { return t.Add(time.Hour) }
	case "day":
		return func(t time.Time) time.Time { return day(t, 0) }, func(t time.Time) time.Time { return day(t, 1) }
	case "week":
		begin = func(t time.Time) time.Time { return day(t, -(int(t.Weekday())+6)%7) }
		return begin, func(t time.Time) time.Time { return day(t, 7) }
	case "month":
		begin = func(t time.Time) time.Time { return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, t.Location()) }
		return begin, func(t time.Time) time.Time { return begin(t).AddDate(0, 1, 0) }
	}
	return nil, nil
}
