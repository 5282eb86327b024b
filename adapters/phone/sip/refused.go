package sip

import (
	"maps"
	"sync"
	"time"

	gosip "github.com/emiago/sipgo/sip"
)

const (
	// timerD is how long a refused INVITE acknowledges its refusal again, which comes
	// again where our ACK was lost (RFC 3261 §17.1.1.2).
	timerD = 64 * T1
	// maxRefused bounds how many refusals are remembered; each is under a kilobyte.
	maxRefused = 256
)

// refused are the ACKs of the INVITEs that were refused lately. The library has a state
// for that too, in which it waits four seconds before each copy of the ACK.
type refused struct {
	mu   sync.Mutex
	acks map[string]refusedAck // by branch
}

type refusedAck struct {
	ack   *Request
	until time.Time
}

// Refused ends the transaction of an INVITE whose final response is a refusal, which the
// library has acknowledged once. Copies of it are acknowledged from here for 32 s.
func (e *Endpoint) Refused(tx *ClientTransaction, sent *Request, res *Response) {
	e.refused.keep(branch(sent), Ack(sent, res))
	tx.Terminate()
}

func (r *refused) keep(branch string, ack *Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	maps.DeleteFunc(r.acks, func(_ string, a refusedAck) bool { return now.After(a.until) })
	if r.acks == nil {
		r.acks = make(map[string]refusedAck)
	}
	if len(r.acks) < maxRefused {
		r.acks[branch] = refusedAck{ack, now.Add(timerD)}
	}
}

func (r *refused) find(res *Response) *Request {
	if !isRefusal(res) {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	a, known := r.acks[branch(res)]
	if !known || time.Now().After(a.until) || a.ack.CallID().Value() != res.CallID().Value() {
		return nil
	}
	return a.ack
}

// isRefusal says that a response is a final one other than 2xx to an INVITE.
func isRefusal(res *Response) bool {
	return res.CSeq().MethodName == gosip.INVITE && res.StatusCode >= 300
}

// astray takes the responses that belong to no transaction of the library's.
func (e *Endpoint) astray(res *Response) {
	defer e.survive("response")
	if ack := e.refused.find(res); ack != nil {
		_ = e.Send(ack) // as unreliable as UDP itself: the refusal comes again
		return
	}
	if e.stray != nil {
		e.stray(res)
	}
}

// branch is the transaction that a message belongs to.
func branch(msg Message) string { return msg.Via().Params.GetOr("branch", "") }
