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
func (c *Calls) Watch(ctx context.Context) {
	look := time.NewTimer(releve.UntilBeat(time.Now(), watchPeriod))
	defer look.Stop()
	saturated, lost := false, int64(0)
	var crowd turned
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
			look.Reset(releve.UntilBeat(time.Now(), watchPeriod))
		}
		seen := c.Snapshot()
		now := !seen.SaturatedSince.IsZero() && time.Since(seen.SaturatedSince) > saturatedAfter
		if now && !saturated {
			c.explain(releve.Say("event-saturated", "channels", fmt.Sprint(seen.Channels)))
		} else if saturated && seen.SaturatedSince.IsZero() {
			c.explain(releve.Say("event-unsaturated"))
			saturated = false
		}
		saturated = saturated || now
		crowd.look(c, seen.TurnedAway, c.now())
		if seen.RecordsLost > lost {
			lost = seen.RecordsLost
			c.explain(releve.Say("event-records-lost", "count", fmt.Sprint(lost)))
		}
	}
}

// Notices are what the screens say of how the PBX shows an overflow, where there is a standby,
// and of calls that could not be taken as they should.
func (c *Calls) Notices() (all []releve.Sentence) {
	s := c.Snapshot()
	if c.profile.StandbyUser != "" {
		all = append(all, c.profile.notice(c.Sighted()))
	}
	if s.Crowded > 0 {
		all = append(all, releve.Say("notice-crowd", "calls", strconv.Itoa(s.Crowded), "at", s.CrowdedAt.Local().Format(time.TimeOnly)))
	}
	if s.Keyless > 0 {
		all = append(all, releve.Say("notice-keyless",
			"calls", strconv.Itoa(s.Keyless), "at", s.KeylessAt.Local().Format(time.TimeOnly)))
	}
	if s.Unacceptable > 0 {
		all = append(all, releve.Say("notice-unacceptable", "calls", strconv.Itoa(s.Unacceptable),
			"at", s.UnacceptableAt.Local().Format(time.TimeOnly), "why", s.UnacceptableWhy))
	}
	return all
}

// notice is what the screens say of how the PBX shows an overflow: a site that never saw one
// is not protected without a word (SPEC V2).
func (p Profile) notice(seen Sighting) releve.Sentence {
	switch {
	case seen.At.IsZero():
		return releve.Say("notice-overflow-unseen")
	case !seen.Fits:
		return releve.Say("notice-overflow-other", "set", string(p.Evidence), "evidence", string(seen.Evidence), "to", seen.To)
	}
	return releve.Say("notice-overflow-seen", "evidence", string(seen.Evidence), "at", seen.At.Local().Format("2006-01-02 15:04"))
}
