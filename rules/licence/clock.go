package licence

import "time"

// Clock is what time it is for licences. A machine's clock may be reset to 1970 by a dead
// battery, or be years ahead for an hour: neither may end a licence (SPEC K6), and setting a
// clock back must not prolong one. So time is what this server has seen pass, and what the
// machine's clock adds to that is believed only when it is little or confirmed:
//
//   - What has run by CLOCK_BOOTTIME since the last look has passed.
//   - A clock up to a day ahead of that is believed at once: it was set, or the server was off.
//   - A clock that is further ahead has leapt. The leap is believed when the other server's
//     clock shows the same, or when the clock has stayed there for a week of running; until
//     then, and as long as the other server's clock shows otherwise, it counts for nothing.
//   - A clock that is behind is not followed: time goes on by what runs.
//   - A leap that was believed wrongly is taken back when the clock is again where it would be
//     without it. Nobody gains by that but the time for which his server was off.
//
// It is kept on disk, by each server for itself: one server's wrong clock is not the other's.
type Clock struct {
	Ran    time.Time     `json:"ran"`                 // what was seen to pass; it never goes back
	Leap   time.Duration `json:"leap_ns,omitempty"`   // of the machine's clock ahead of that, believed
	Doubt  time.Duration `json:"doubt_ns,omitempty"`  // a leap that is not believed yet
	Stayed time.Duration `json:"stayed_ns,omitempty"` // how long the clock has been there
}

// Look is one look at the machine's clock.
type Look struct {
	Wall  time.Time
	Ran   time.Duration // since the look before, by CLOCK_BOOTTIME; 0 at the first since a start
	Other time.Time     // what the other server's clock showed at this moment; zero: not heard
}

const (
	little   = 24 * time.Hour     // clocks that are this far apart show the same
	longTime = 7 * 24 * time.Hour // a clock that is wrong by more is set right meanwhile
)

// written is before all licences: a clock that never showed more was never right.
var written = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// Now is the time for licences.
func (c Clock) Now() time.Time { return c.Ran.Add(c.Leap) }

// Wrong says that the machine's clock shows another time than the one that counts.
func (c Clock) Wrong(wall time.Time) bool { return wall.Sub(c.Now()).Abs() > little }

// After is the clock after one more look.
func (c Clock) After(l Look) Clock {
	wall := l.Wall.UTC().Round(0) // without its monotonic part, which no file keeps
	if c.Ran.Before(written) {
		return Clock{Ran: wall}
	}
	c.Ran = c.Ran.Add(max(0, l.Ran))
	switch ahead := wall.Sub(c.Ran); {
	case ahead.Abs() <= little:
		c = Clock{Ran: later(c.Ran, wall)}
	case c.Leap > 0 && (ahead-c.Leap).Abs() <= little:
		c = Clock{Ran: c.Ran, Leap: max(c.Leap, ahead)}
	case ahead > 0:
		c = c.leapt(ahead, l)
	default:
		c.Doubt, c.Stayed = 0, 0
	}
	return c
}

// leapt weighs a clock that is far ahead.
func (c Clock) leapt(ahead time.Duration, l Look) Clock {
	if (ahead - c.Doubt).Abs() > little {
		c.Doubt, c.Stayed = ahead, 0
	}
	c.Stayed += max(0, l.Ran)
	if !l.Other.IsZero() {
		if l.Other.Sub(l.Wall).Abs() > little {
			c.Stayed = 0
			return c
		}
		c.Stayed = longTime
	}
	if c.Stayed >= longTime {
		return Clock{Ran: c.Ran, Leap: ahead}
	}
	return c
}

func later(x, y time.Time) time.Time {
	if x.After(y) {
		return x
	}
	return y
}
