package releve

import "time"

// Invite is what a server knows of a call that a PBX offers it.
type Invite struct {
	Call       CallID
	Tag        string // of From: with the Call-ID it is one caller's, whichever way he comes (RFC 3261 §8.2.2.2)
	From       string // user part of the From URI
	To         string // user part of the To URI: what the caller dialled
	Target     string // user part of the Request-URI: the contact the PBX chose
	Diversion  []Diversion
	History    []Diversion // History-Info entries that name a diversion (RFC 7044)
	Source     string      // address:port the request came from
	TestID     string      // X-Releve-Test: a procedure's own call
	Sound      Sound       // that it offers
	ReceivedAt time.Time
}

// Sound is what a call's description offers (RFC 3264).
type Sound struct {
	Codecs []string `json:"codecs,omitempty"` // of its audio, as the description names them
	Keys   bool     `json:"keys"`             // telephone events are offered: keys can be heard (RFC 4733)
	Late   bool     `json:"late,omitempty"`   // there is none yet: it comes with the ACK
	Unfit  string   `json:"unfit,omitempty"`  // why it cannot be agreed to; "" where it can
}

// ErrLost is why nobody can be put through, or talked to: the call is gone.
var ErrLost = Known("nobody is on the call any more", "cause-lost")

// Load is how busy a server's calls are.
type Load struct {
	Busy, Channels             int
	Offered, Answered, Refused int64
	LastInvite                 time.Time
	Notices                    []Sentence // for the screens
}

// Diversion is one entry of Diversion (RFC 5806) or History-Info (RFC 7044).
type Diversion struct {
	User   string
	Reason OverflowReason
}

// OverflowReason is why the PBX sent a call on, as far as it said.
type OverflowReason string

// The reasons that matter to a verification (SPEC H5).
const (
	ReasonUnknown     OverflowReason = ""
	ReasonBusy        OverflowReason = "user-busy"
	ReasonNoAnswer    OverflowReason = "no-answer"
	ReasonUnavailable OverflowReason = "unavailable"
)

// Decision is what becomes of a call that is offered.
type Decision struct {
	Answer      bool
	Code        int    // of the refusal; 0: the one of the call's binding
	WithoutDuty bool   // answer without the duty (RULES R13)
	Took        bool   // the verification of this call led to the takeover
	Why         string // for the log
}

// TestCall is what a call of the site's own has shown.
type TestCall struct {
	AnsweredAfter time.Duration // from INVITE to 200
	SoundAfter    time.Duration // from INVITE to the first packet of sound
	Packets       int           // of sound
	AnsweredBy    string        // the address that the PBX shows for whoever answered

	By    Seat // the server that says that it answered; "": neither did
	Known bool // both servers were asked
}
