package peer

import (
	"context"
	"encoding/json"
	"time"

	"releve"
)

// Handler answers what the other server asks. Its methods run at the same time
// as each other, each with a context that ends when the asker is gone or the
// link is closed; they must return then, for Close does not wait for them.
type Handler interface {
	// Exchange takes the other server's word and gives this one's.
	Exchange(ctx context.Context, heard Word) Word

	// Check says whether this server can take a call (SPEC H4).
	Check(ctx context.Context, question CheckQuestion) CheckAnswer

	// Command carries out an operator's command that was given to the other
	// server. Each value emitted is sent on at once, as one line; an error of
	// emit means that nobody reads any more.
	Command(ctx context.Context, name string, args json.RawMessage, emit func(json.RawMessage) error) error

	// SpoolRead gives at most max records after the sequence number.
	SpoolRead(ctx context.Context, after uint64, max int) (releve.SpoolPage, error)

	// SpoolStored tells that all records up to a sequence number are in the
	// database, durably.
	SpoolStored(ctx context.Context, incarnation string, upTo uint64) error
}

// CheckQuestion asks the server on duty whether it can take a call.
type CheckQuestion struct {
	Nonce string      `json:"nonce"` // drawn for this question; the answer repeats it
	Term  releve.Term `json:"term"`  // that the asker knows
	Call  bool        `json:"call"`  // a call waits for the answer: look at the binding itself
}

// CheckAnswer is what the server asked says of itself. It is a positive answer
// only as SPEC H4 says: Well, and the PBX answered after the question. It tells of the
// callers' tier alone: a call is answered without a database and without a page (RULES R13), and
// a takeover because of those would end conversations for nothing.
type CheckAnswer struct {
	Nonce       string          `json:"nonce,omitempty"`
	Seat        releve.Seat     `json:"seat"`
	Term        releve.Term     `json:"term"`
	Well        bool            `json:"well"`
	Busy        bool            `json:"busy"`           // all channels are busy: still in service
	Registered  bool            `json:"registered"`     // the reception user's binding is this server's
	PBXAnswered bool            `json:"pbx_answered"`   // an OPTIONS sent after the question
	LastInvite  time.Duration   `json:"last_invite_ns"` // how long ago the last INVITE came; negative: none since the start
	Why         releve.Sentence `json:"why"`
}

// The bodies of requests and answers that are not a message above.
type (
	// A word may travel with a check: see [Peer.CheckAndTell].
	checkRequest struct {
		CheckQuestion
		Word *Word `json:"word,omitempty"`
	}
	checkResponse struct {
		CheckAnswer
		Word *Word `json:"word,omitempty"`
	}
	spoolReadRequest struct {
		After uint64 `json:"after"`
		Max   int    `json:"max"`
	}
	spoolStoredRequest struct {
		Incarnation string `json:"incarnation"`
		UpTo        uint64 `json:"up_to"`
	}
	commandLine struct {
		Value json.RawMessage `json:"value,omitempty"`
		Part  []byte          `json:"part,omitempty"` // of a long value, instead of Value
		More  bool            `json:"more,omitempty"` // with Part: the value goes on in the next line
		End   bool            `json:"end,omitempty"`
		Error string          `json:"error,omitempty"` // with End: what the command failed with
	}
	problem struct {
		Error string          `json:"error"`
		Why   releve.Sentence `json:"why"`
	}
)
