package releve

import "time"

// UntilBeat is how long to wait from now to look at something again that is looked at each so
// often: until the multiple of that period, on the clock, that is nearest to one period from
// now, so from a half to one and a half of it. Those who look at different things so wake a
// server together: an idle one pays for its wake-ups, not for what it does in them.
func UntilBeat(now time.Time, period time.Duration) time.Duration {
	return now.Add(period).Round(period).Sub(now)
}
