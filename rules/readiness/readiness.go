// Package readiness says whether the standby could take over now, and if not, why not and what
// to do (SPEC H13). It is a rule book: what was seen comes in, each with its moment, and a
// verdict with its reasons goes out. What was not seen lately is not so: nothing is taken for
// granted because it once was well.
package readiness

import (
	"time"

	"releve"
)

// Facts are what is known at a moment. A time that is zero is of something that was never seen.
type Facts struct {
	At      time.Time
	Standby releve.Seat // who would take over
	Silent  releve.Seat // who is not heard, "" where both are

	OnDuty    bool            // somebody answers, and records
	Procedure string          // that runs, "" where none does
	Vote      bool            // is at the standby
	Doing     releve.Sentence // what the standby is about to reach; nothing where it is at rest
	Data      releve.Tier     // of the standby
	Voice     releve.Tier     // how the standby reaches callers
	Bound     bool            // the standby's own user is registered
	User      string          // that user
	InSync    bool            // the mirror has all, says its owner
	Verified  time.Time       // when that copy was last compared whole (M7)
	Differs   int             // what was found then

	Overflow       time.Time     // when the PBX last brought a call to the standby
	OverflowWithin time.Duration // and how long that counts

	Version      releve.Version // of the standby; without a number it tells none
	OwnerVersion releve.Version

	Word    Word // of the standby itself
	Owner   Word // of the server on duty
	Licence Licence
}

// Word is what a server says of what it has.
type Word struct {
	Heard   time.Time // when it was said; zero: never
	Clock   time.Time // what its clock showed then
	Missing []string  // prompts that are not there
	Free    int64     // bytes on the disk of its data …
	Least   int64     // … and what there has to be
	Expires time.Time // when the first of its certificates ends
}

// Licence is whether the level that runs is licensed.
type Licence struct {
	Known bool
	Due   bool // it is not, and the grace is over
}

// State is how a reason stands.
type State string

// The states. What follows from another reason is not looked at: nothing is known of it.
const (
	Holds   State = "holds"
	Broken  State = "broken"
	Pending State = "pending" // not proven yet, and about to be: an alarm only when it lasts
	Unknown State = "unknown"
)

// Reason is one thing that a takeover rests on.
type Reason struct {
	About string
	State State
	What  releve.Sentence // what is wrong and what to do; where it holds, what it rests on
}

// Verdict is the answer.
type Verdict struct {
	Ready   bool
	Reasons []Reason // all of them, in the order in which they would be mended
}

// Judge gives the verdict on what is known.
func Judge(f Facts) Verdict {
	v := Verdict{Ready: true}
	lost := map[string]bool{}
	for _, r := range rules {
		reason := Reason{About: r.about, State: Unknown}
		if !lost[r.rests] {
			reason.State, reason.What = r.judge(f)
		}
		lost[r.about] = lost[r.rests] || reason.State != Holds
		v.Ready = v.Ready && reason.State == Holds
		v.Reasons = append(v.Reasons, reason)
	}
	return v
}

// Wrong are the reasons that do not hold, as far as they are known.
func (v Verdict) Wrong() (all []Reason) {
	for _, r := range v.Reasons {
		if r.State == Broken || r.State == Pending {
			all = append(all, r)
		}
	}
	return all
}
