package peer

import (
	"context"
	"encoding/json"

	"releve"
)

// Handler answers what the other server asks. Its methods run at the same time
// as each other, each with a context that ends when the asker is gone or the
// link is closed; they must return then, for Close does not wait for them.
type Handler interface {
	// Exchange takes the other server's word and gives this one's. It fails where it cannot
	// read the word.
	Exchange(ctx context.Context, heard json.RawMessage) (own any, err error)

	// Check says whether this server can take a call (SPEC H4).
	Check(ctx context.Context, question releve.CheckQuestion) releve.CheckAnswer

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

// The bodies of requests and answers that are not a message above.
type (
	// A word may travel with a check: see [Peer.CheckAndTell].
	checkRequest struct {
		releve.CheckQuestion
		Word *json.RawMessage `json:"word,omitempty"`
	}
	checkResponse struct {
		releve.CheckAnswer
		Word *json.RawMessage `json:"word,omitempty"`
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
