package sip

import (
	"errors"

	gosip "github.com/emiago/sipgo/sip"
)

// ErrCancelled is returned by Respond when the caller had given up before:
// he has been told 487.
var ErrCancelled = errors.New("the caller cancelled the call")

// Transaction is the server's side of one request (RFC 3261 §17.2).
type Transaction struct {
	tx      *gosip.ServerTx
	req     *Request
	initial bool
}

// Initial says that the request came without a To tag: it belongs to no dialog.
func (t *Transaction) Initial() bool { return t.initial }

// Branch identifies the transaction among others of the same Call-ID and CSeq.
func (t *Transaction) Branch() string { return t.req.Via().Params.GetOr("branch", "") }

// Respond sends a response. A 2xx to INVITE is sent as often as this is called,
// any other final response is repeated by the transaction until it is acknowledged.
func (t *Transaction) Respond(res *Response) error {
	err := t.tx.Respond(res)
	if errors.Is(err, gosip.ErrTransactionCanceled) {
		// The library repeats the response it was given last, even one that it
		// refused to send: give it the right one back.
		_ = t.tx.Respond(Reply(t.req, 487))
		return ErrCancelled
	}
	return err
}

// Cancelled calls f when the caller cancels, at once if he already has.
func (t *Transaction) Cancelled(f func()) {
	if !t.tx.OnCancel(func(*Request) { f() }) {
		f()
	}
}

// Done is closed when the transaction is over, for whatever reason.
func (t *Transaction) Done() <-chan struct{} { return t.tx.Done() }

// Acks gives the ACKs that bear the branch of the INVITE: the right thing after
// a refusal, and what some telephones do after a 2xx.
func (t *Transaction) Acks() <-chan *Request { return t.tx.Acks() }
