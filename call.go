package releve

import (
	"crypto/rand"
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// CallID is the Call-ID header of the call's INVITE (RFC 3261 §20.8).
type CallID string

// Invite is what a server knows of a call that a PBX offers it.
type Invite struct {
	Call       CallID
	Tag        string // of From: with the Call-ID it is one caller's, whichever way he comes (RFC 3261 §8.2.2.2)
	From       string // user part of the From URI
	To         string // user part of the To URI: what the caller dialled
	Target     string // user part of the Request-URI: the contact the PBX chose
	Diversion  []Diversion
	History    []Diversion // History-Info entries that name a diversion (RFC 7044)
	TestID     string      // X-Releve-Test: a procedure's own call
	Sound      Sound       // that it offers
	Source     netip.Addr  // that it came from
	ReceivedAt time.Time
}

// Opening is a new call for which nothing was done yet, and what it comes upon at the telephone.
type Opening struct {
	User           string        // of its Request-URI
	TestID         string        // its X-Releve-Test
	Waited         time.Duration // to be looked at
	Late           time.Duration // of the sound of the calls in progress
	Present        int           // calls that were offered before, and are not over; some are still on their way
	Unacknowledged int           // calls that are answered, and whose caller has not said yet that he heard
}

// Sound is what a call's description offers (RFC 3264).
type Sound struct {
	Codecs []string `json:"codecs,omitempty"` // of its audio, as the description names them
	Keys   bool     `json:"keys"`             // telephone events are offered: keys can be heard (RFC 4733)
	Late   bool     `json:"late,omitempty"`   // there is none yet: it comes with the ACK
	Unfit  string   `json:"unfit,omitempty"`  // why it cannot be agreed to, as Reason writes it; "" where it can
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

// Evidence is how a PBX shows that it let a call overflow (SPEC H7).
type Evidence string

// The evidence that a PBX can give.
const (
	EvidenceAuto       Evidence = "auto"         // any of what follows, and none where our own call had none
	EvidenceDiversion  Evidence = "diversion"    // a Diversion header names the reception
	EvidenceHistory    Evidence = "history-info" // a History-Info entry does
	EvidenceTo         Evidence = "to"           // To keeps what the caller dialled
	EvidenceRequestURI Evidence = "request-uri"  // so does the Request-URI
	EvidenceNone       Evidence = "none"         // it shows nothing: each call counts
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
	AnsweredBy    string        // the address that the PBX shows for whoever answered

	By    Seat // the server that says that it answered; "": neither did
	Known bool // both servers were asked
}

// Call is one call of `releve calls`.
type Call struct {
	Call        CallID        `json:"call"`
	At          time.Time     `json:"at"`
	Seat        Seat          `json:"seat"`
	Term        Term          `json:"term"`
	From        string        `json:"from"`
	Overflowed  bool          `json:"overflowed"`
	WithoutDuty bool          `json:"without_duty"`
	Test        bool          `json:"test"`
	Outcome     string        `json:"outcome"` // "" while in progress
	Duration    time.Duration `json:"duration_ns"`
	Steps       []Step        `json:"steps"`
	Stored      bool          `json:"stored"` // false: still in a spool
	Run         RunID         `json:"run,omitempty"`
	Chain       string        `json:"chain,omitempty"`    // the same of all attempts of one caller
	Detail      string        `json:"detail,omitempty"`   // why it ended so
	Attempts    []Attempt     `json:"attempts,omitempty"` // the others of this caller, newest first
}

// CallQuery says which calls are looked for. What is empty is not asked.
type CallQuery struct {
	From, To time.Time // when they came, To not included
	Caller   string    // how the number begins, as far as it is shown
	Outcome  string
	Seat     Seat
}

// Takes says whether it looks for this call.
func (q CallQuery) Takes(c Call) bool {
	return !c.At.Before(q.From) && (q.To.IsZero() || c.At.Before(q.To)) &&
		strings.HasPrefix(c.From, q.Caller) &&
		(q.Outcome == "" || c.Outcome == q.Outcome) && (q.Seat == "" || c.Seat == q.Seat)
}

// CallMark is a place in the list of calls: the last one that was read. Zero is before the
// newest.
type CallMark struct {
	At   time.Time // of the call, or of its end where calls are looked for by that
	Call CallID
	Seat Seat
}

// CallPage is a piece of the list of calls, newest first.
type CallPage struct {
	Calls []Call
	More  bool     // there may be older ones, after the last that was read
	Last  CallMark // which is this one
}

// CallCount is how many calls came in one period, those that procedures made not counted.
type CallCount struct {
	From     time.Time      `json:"from"`     // of the period
	To       time.Time      `json:"to"`       // … which is not in it any more
	Calls    int            `json:"calls"`    // that came
	Callers  int            `json:"callers"`  // who made them: the attempts of one are one
	Outcomes map[string]int `json:"outcomes"` // by how they ended; "": in progress, or nobody saw it
	// How long they rang before they were answered, those that were: half of them no longer
	// than Median, 95 in a hundred no longer than Most.
	Median time.Duration `json:"answer_median_ns"`
	Most   time.Duration `json:"answer_p95_ns"`
}

// The outcomes that no server saw. The call has then lasted at least its duration.
const (
	Cut     = "cut"     // the server of it stopped, as it said itself when it started again
	Unknown = "unknown" // nobody says now whether it is over
)

// Seen says whether the end of a call was seen by the server of it.
func (c Call) Seen() bool { return c.Outcome != "" && c.Outcome != Cut && c.Outcome != Unknown }

// Outcomes are those that a server saw, by which calls can be looked for.
var Outcomes = []string{"transferred", "abandoned", "unanswered", "refused", "busy", "crowd", "failed", "dropped", "lost"}

// Step is one step of a call.
type Step struct {
	At     time.Time `json:"at"`
	Name   string    `json:"name"`
	Detail string    `json:"detail"`
}

// StepTakenUp is the step by which the record of a call goes on with another server, whose run its detail
// names: see [Holder].
const StepTakenUp = "taken-up"

// Holder is a run of a server that has a call.
type Holder struct {
	Seat Seat
	Run  RunID
}

// String is the detail of a step [StepTakenUp].
func (h Holder) String() string { return string(h.Seat) + " " + string(h.Run) }

// Holder is who had the call last. Of a server that took it up from another, a step tells.
func (c Call) Holder() Holder {
	for _, s := range slices.Backward(c.Steps) {
		if seat, run, said := strings.Cut(s.Detail, " "); s.Name == StepTakenUp && said {
			return Holder{Seat(seat), RunID(run)}
		}
	}
	return Holder{c.Seat, c.Run}
}

// Attempt is a call that is shown in the row of another, because it is the same caller's.
type Attempt struct {
	Call    CallID    `json:"call"`
	At      time.Time `json:"at"`
	Seat    Seat      `json:"seat"`
	Outcome string    `json:"outcome"`
	Detail  string    `json:"detail,omitempty"`
}

// ShownMost is how much of a caller's number is shown: of one from outside, its region.
const ShownMost = 4

// Masked is a caller's number as listings of calls may show it (SPEC C8). It is hidden from
// its end, which tells whom: half of it at least, so that a number of the house, which is
// short, is not shown whole. What is masked already stays as it is.
func Masked(number string) string {
	letters := []rune(number)
	shown := min(ShownMost, len(letters)/2)
	return string(letters[:shown]) + strings.Repeat("*", len(letters)-shown)
}

// FactID names one fact. Storing a fact twice stores it once, by its id.
type FactID string

// NewFactID draws an id that no other fact has.
func NewFactID() FactID { return FactID(rand.Text()) }

// FactKind says what a fact tells of a call.
type FactKind string

// The kinds of facts, each with the type of its body.
const (
	CallOffered FactKind = "call" // CallBody: a call was taken up
	CallStepped FactKind = "step" // StepBody: something happened in it
	CallEnded   FactKind = "end"  // EndBody: it is over
	RunOver     FactKind = "over" // OverBody: a run of the server is over, and so is each call of it
)

// Fact is something that happened. It is new when it is made and never changed
// afterwards, so facts commute and may be stored in any order, once (RULES R14).
type Fact struct {
	ID   FactID          `json:"id"`
	Kind FactKind        `json:"kind"`
	Call CallID          `json:"call"` // "" of what is no call's
	Seat Seat            `json:"seat"` // the server that took the call up, whoever goes on with it; of another fact, that saw it
	Term Term            `json:"term"` // the term that server knew
	At   time.Time       `json:"at"`
	Body json.RawMessage `json:"body"`
}

// CallBody is what is known of a call when it is taken up.
type CallBody struct {
	From         string `json:"from"` // masked but for its first half, four characters at most; the site's own user as it is
	To           string `json:"to"`
	Overflowed   bool   `json:"overflowed"`
	Reason       string `json:"reason,omitempty"` // of the overflow, where the PBX gave it
	WithoutDuty  bool   `json:"without_duty"`     // RULES R13
	Test         bool   `json:"test"`             // made by a procedure: not in the statistics
	AnsweredMS   int64  `json:"answered_ms"`      // from INVITE to 200 OK
	Verification bool   `json:"verification"`     // this call's verification led to a takeover
	Run          RunID  `json:"run,omitempty"`    // of the server that took it up
	Chain        string `json:"chain,omitempty"`  // the same of all attempts of one caller
}

// StepBody is one step of a call, numbered from 1.
type StepBody struct {
	Number int    `json:"number"`
	Name   string `json:"name"`   // greeting, menu, digits, transfer, transfer-result …
	Detail string `json:"detail"` // digits masked
}

// EndBody is how a call ended.
type EndBody struct {
	Outcome    string `json:"outcome"` // transferred, abandoned, refused, failed …
	Detail     string `json:"detail,omitempty"`
	DurationMS int64  `json:"duration_ms"`
}

// RunID names one run of a server, from the start of its process to its end. A call lives no
// longer than the run that took it up, or went on with it last.
type RunID string

// NewRunID draws an id that no other run has.
func NewRunID() RunID { return RunID(rand.Text()) }

// OverBody names a run that is over. Only the server itself knows that for certain: when it
// starts again, no process of its own holds the disk any more.
type OverBody struct {
	Run RunID `json:"run"` // "": any that was before this fact and is not known by its name
	By  RunID `json:"by"`  // the run that says so
}

// NewFact makes a fact of now-known content. The body is one of the kinds' types.
func NewFact(kind FactKind, call CallID, seat Seat, term Term, at time.Time, body any) (Fact, error) {
	raw, err := json.Marshal(body)
	return Fact{ID: NewFactID(), Kind: kind, Call: call, Seat: seat, Term: term, At: at.UTC(), Body: raw}, err
}

// SpoolRecord is a fact with its place in a server's spool.
type SpoolRecord struct {
	Sequence uint64 `json:"sequence"`
	Fact     Fact   `json:"fact"`
}

// SpoolPage is a piece of a server's spool, in order (RULES R14).
type SpoolPage struct {
	Incarnation string        `json:"incarnation"`
	Records     []SpoolRecord `json:"records"`
}

// OfCalls are the facts that are a call's record. What is said of a run belongs to none.
func OfCalls(facts []Fact) (some []Fact) {
	for _, f := range facts {
		if f.Call != "" {
			some = append(some, f)
		}
	}
	return some
}
