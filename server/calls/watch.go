package calls

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"releve"
)

const (
	// saturatedAfter is how long all channels must be busy before it is said (H4).
	saturatedAfter = 2 * time.Second
	watchPeriod    = 500 * time.Millisecond
)

// Watch tells the operator, until ctx ends, what the calls show and no decision comes of.
func (c *Calls) Watch(ctx context.Context, explain func(severity string, what releve.Sentence)) {
	look := time.NewTicker(watchPeriod)
	defer look.Stop()
	saturated, lost := false, int64(0)
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
		seen := c.Snapshot()
		now := !seen.SaturatedSince.IsZero() && time.Since(seen.SaturatedSince) > saturatedAfter
		if now && !saturated {
			explain("warning", releve.Say("event-saturated", "channels", fmt.Sprint(seen.Channels)))
		} else if saturated && seen.SaturatedSince.IsZero() {
			explain("cleared", releve.Say("event-unsaturated"))
			saturated = false
		}
		saturated = saturated || now
		if seen.RecordsLost > lost {
			lost = seen.RecordsLost
			explain("major", releve.Say("event-records-lost", "count", fmt.Sprint(lost)))
		}
	}
}

// Notices are what the screens say of calls that could not be taken as they should.
func (c *Calls) Notices() (all []releve.Sentence) {
	s := c.Snapshot()
	if s.Keyless > 0 {
		all = append(all, releve.Say("notice-keyless", "calls", strconv.Itoa(s.Keyless), "at", s.KeylessAt.Local().Format(time.TimeOnly)))
	}
	if s.Unacceptable > 0 {
		all = append(all, releve.Say("notice-unacceptable", "calls", strconv.Itoa(s.Unacceptable),
			"at", s.UnacceptableAt.Local().Format(time.TimeOnly), "why", s.UnacceptableWhy))
	}
	return all
}
