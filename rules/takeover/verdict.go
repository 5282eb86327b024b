package takeover

import (
	"time"

	"releve"
)

// Reply is what one path of a round brought: the other server's own word that
// it can take a call, or that it cannot, or silence.
type Reply struct {
	Path       string        `json:"path"` // peer, sip
	Heard      bool          `json:"heard"`
	Term       releve.Term   `json:"term,omitempty"`
	Well       bool          `json:"well,omitempty"` // functional: the PBX answered it after the question
	Busy       bool          `json:"busy,omitempty"` // all channels busy: in service
	Registered bool          `json:"registered,omitempty"`
	LastInvite time.Duration `json:"last_invite,omitempty"` // how long ago, negative: never
	Why        string        `json:"why,omitempty"`
}

// Round is one round of functional checks of the other server (SPEC H4). Times
// are of CLOCK_BOOTTIME, which goes on while the machine sleeps (R19).
type Round struct {
	Term    releve.Term   `json:"term"`
	Began   time.Duration `json:"began"`
	Ended   time.Duration `json:"ended"`
	Limit   time.Duration `json:"limit"`
	Control bool          `json:"control"` // the PBX answered us in this round (R16)
	Own     OwnCall       `json:"own"`     // as it was when the round began
	Replies []Reply       `json:"replies"`
}

// unseenAfter is the longest that a PBX lets a call ring at a server before it
// overflows for no answer (64*T1 of RFC 3261 §17.1.1.2, and some margin): a
// server whose last INVITE is older never saw the call.
const unseenAfter = 40 * time.Second

// slack is what a round may last beyond its limit before the checking server
// must suspect that it was itself asleep (R16).
const slack = 100 * time.Millisecond

// Outcome is what a round proves.
type Outcome string

// The outcomes of a round.
const (
	Good   Outcome = "good"   // one functional positive answer is enough
	Failed Outcome = "failed" // none, while a control answered
	Void   Outcome = "void"   // the checking server may itself be cut off or asleep
)

// Judge says what the round proves.
func (r Round) Judge() Outcome {
	for _, a := range r.Replies {
		if a.Heard && a.Well && !r.Own.missed(a, r.Ended) {
			return Good
		}
	}
	if !r.Control || r.Ended-r.Began > r.Limit+slack {
		return Void
	}
	return Failed
}

// OwnCall is what became of the calls that this server makes to the reception itself
// (H8). What a header says of the way to the other, anybody may have written; a call of
// our own that comes back has gone that way (K3).
type OwnCall struct {
	Out   int           `json:"out,omitempty"`   // that have not ended
	Left  time.Duration `json:"left,omitempty"`  // when the first of them began
	Doubt bool          `json:"doubt,omitempty"` // the other was well when it did, and in every round since
	Back  bool          `json:"back,omitempty"`  // the PBX gave one back: it waits here
	Away  bool          `json:"away,omitempty"`  // the PBX had no way to the other when it began, or lost it since
	Ended time.Duration `json:"ended,omitempty"` // when the last one did
	Vain  int           `json:"vain,omitempty"`  // that were answered by nobody, in a row
}

// OwnEnd is the end of a call of our own.
type OwnEnd struct {
	Answered bool `json:"answered"`
}

func (o OwnCall) begun(now time.Duration, doubt bool) OwnCall {
	if o.Out == 0 {
		o.Left, o.Doubt = now, true
	}
	o.Doubt = o.Doubt && doubt
	o.Out++
	return o
}

// seen takes in a round in which the other was well. A call that came back because nobody was
// bound proves nothing of one who is bound now: callers are given back to it.
func (o OwnCall) seen(r Round) OwnCall {
	switch {
	case o.Out == 0:
	case r.unregistered():
		o.Away = true
	case o.Away:
		o.Doubt = false
	}
	return o
}

func (o OwnCall) over(e OwnEnd, now time.Duration) OwnCall {
	o.Out, o.Back, o.Away, o.Ended, o.Vain = max(0, o.Out-1), false, false, now, o.Vain+1
	if e.Answered {
		o.Vain = 0
	}
	return o
}

// arrivesWithin is how long a call of ours may take to reach the other.
const arrivesWithin = 2 * time.Second

// missed: our own call came back from the PBX, not only because nobody was bound, and the
// other, which was well all along, has seen none since it left.
func (o OwnCall) missed(a Reply, asked time.Duration) bool {
	return o.Back && o.Doubt && !(o.Away && a.Registered) &&
		asked-o.Left >= arrivesWithin && (a.LastInvite < 0 || a.LastInvite > asked-o.Left)
}

// unseen says that the other is well and has not seen a call for so long that it cannot
// have seen one that is said to have waited for it.
func (r Round) unseen() bool {
	for _, a := range r.Replies {
		if a.Heard && a.Well {
			return a.LastInvite < 0 || a.LastInvite > unseenAfter
		}
	}
	return false
}

// unregistered says that the other is well and that the PBX has no way to it.
func (r Round) unregistered() bool {
	for _, a := range r.Replies {
		if a.Heard && a.Well {
			return !a.Registered
		}
	}
	return false
}

// Count is the consecutive failed rounds of one term.
type Count struct {
	Term     releve.Term   `json:"Term"`
	Failed   int           `json:"Failed"`
	LastFrom time.Duration `json:"LastFrom"` // when the last counted round began
	LastTo   time.Duration `json:"LastTo"`   // when the last counted round ended
	Good     time.Duration `json:"Good"`     // when the last good round ended
}

// staleAfter is how old a verdict's last round may be at most before it is
// asked again (R16).
const (
	watchAge   = time.Second
	staleAfter = 2 * time.Second
)

// Add counts a round; two may overlap when a call came in the middle of the
// watch's. A good or void one restarts the count; so does a pause of
// more than a second between two rounds.
func (c Count) Add(r Round, o Outcome) Count {
	if r.Term != c.Term {
		c = Count{Term: r.Term}
	}
	if r.Began < c.LastFrom {
		return c // a later one has ended before: this one says nothing newer
	}
	switch {
	case o == Good:
		c.Failed, c.Good = 0, r.Ended
	case o == Void:
		c.Failed = 0
	case c.Failed > 0 && r.Began-c.LastTo > watchAge:
		c.Failed = 1
	default:
		c.Failed++
	}
	c.LastFrom, c.LastTo = r.Began, r.Ended
	return c
}

// Verdict says whether n rounds failed in a row, the last of them begun after
// the call arrived and not older than two seconds (H3, R16).
func (c Count) Verdict(n int, arrived, now time.Duration) bool {
	return c.Failed >= n && c.LastFrom >= arrived && now-c.LastTo <= staleAfter
}

// GoodWithin says whether a good round ended less than d ago (H5).
func (c Count) GoodWithin(d, now time.Duration) bool {
	return c.Good > 0 && now-c.Good < d
}
