package releve

import (
	"crypto/rand"
	"encoding/json"
	"time"
)

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
	Seat Seat            `json:"seat"` // the server that saw it
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
// longer than the run that took it up.
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
