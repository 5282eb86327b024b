package procedure

import (
	"time"

	"releve"
	"releve/rules/takeover"
)

// leaseLasts is how long the registration of a dead server is waited for: the longest that is asked for,
// and as much again where the PBX granted more.
const leaseLasts = 2 * time.Hour

// hasDuty: one that remembers a duty is not on it before it is confirmed.
func hasDuty(s Site, t releve.Seat) bool {
	doubts := s[t].Phase == takeover.Serving && !s[t].Serving // it slept, and does not know whether it was relieved
	return s[t].OnDuty() && !s[t].Mute && !doubts
}

// waitsForLease is what the step waits for, counted down as far as it is known.
func waitsForLease(s Site, t releve.Seat) releve.Sentence {
	other := string(t.Other())
	switch l := s[t].Lease; {
	case l.Silent:
		return releve.Say("waits-pbx-silent", "other", other)
	case l.Stands && l.Left > 0:
		return releve.Say("waits-lease", "other", other, "left", counted(l.Left))
	case l.Stands:
		return releve.Say("waits-lease-unknown", "other", other)
	}
	return releve.Sentence{}
}

// counted is a time that runs out in steps that can be read: of five seconds, and of one towards the end.
func counted(left time.Duration) string {
	step := 5 * time.Second
	if left <= 10*time.Second {
		step = time.Second
	}
	return ((left + step - 1) / step * step).String()
}

// leaseNever is why the PBX will not show that the registration is gone: the other server renews it, or
// nothing is shown at all, and only a person can say so.
func leaseNever(s Site, t releve.Seat) releve.Sentence {
	switch l := s[t].Lease; {
	case s[t.Other()].Heard && !hasDuty(s, t):
		return releve.Say("fails-other-heard", "other", string(t.Other()))
	case l.Renewed:
		return releve.Say("fails-lease-renewed", "other", string(t.Other()), "left", rounded(l.Left))
	case l.Hidden:
		return releve.Say("fails-lease-hidden", "other", string(t.Other()))
	}
	return releve.Sentence{}
}
