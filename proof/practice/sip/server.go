package sip

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"time"
)

// ServerTx is a request that came, and its answer.
type ServerTx struct {
	Request *Message

	endpoint  *Endpoint
	key       string
	cancelled chan struct{}
	acked     chan struct{}

	mu   sync.Mutex
	last *Message
}

func newServerTx(e *Endpoint, m *Message) *ServerTx {
	return &ServerTx{
		Request: m, endpoint: e, key: serverKey(m.Get("Via"), m.Method),
		cancelled: make(chan struct{}), acked: make(chan struct{}),
	}
}

// Cancelled is closed when a CANCEL comes. The handler answers the INVITE 487.
func (tx *ServerTx) Cancelled() <-chan struct{} { return tx.cancelled }

// Answer sends a bodiless response of that status, with a To tag of ours.
func (tx *ServerTx) Answer(status int) {
	res := tx.Request.Response(status)
	if status > 100 {
		res.Set("To", WithTag(res.Get("To"), NewTag()))
	}
	tx.Respond(res)
}

// Respond sends a response. The first final one ends the transaction: what
// follows is ignored, except a 2xx of an INVITE, which its maker repeats.
func (tx *ServerTx) Respond(res *Message) {
	send, ends := tx.admit(res)
	if send {
		tx.write(res)
	}
	if !ends {
		return
	}
	time.AfterFunc(Linger, func() { tx.endpoint.forgetServer(tx.key) })
	if tx.Request.Method == "INVITE" && !res.Success() {
		tx.endpoint.Go(func(context.Context) { tx.repeatRefusal(res) })
	}
}

// admit says whether a response may be sent, and whether it ends the transaction.
func (tx *ServerTx) admit(res *Message) (send, ends bool) {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	if tx.last != nil && !tx.last.Provisional() {
		return tx.Request.Method == "INVITE" && tx.last.Success() && res.Success(), false
	}
	tx.last = res
	return true, !res.Provisional()
}

// repeatRefusal sends a refusal until its ACK (RFC 3261 §17.2.1, Timer G and H).
func (tx *ServerTx) repeatRefusal(res *Message) {
	deadline := time.NewTimer(Linger)
	defer deadline.Stop()
	pause := T1
	again := time.NewTimer(pause)
	defer again.Stop()
	for {
		select {
		case <-tx.acked:
			return
		case <-deadline.C:
			return
		case <-tx.endpoint.done.Done():
			return
		case <-again.C:
			tx.write(res)
			pause = min(2*pause, T2)
			again.Reset(pause)
		}
	}
}

// write sends a response where the topmost Via says.
func (tx *ServerTx) write(res *Message) {
	to, err := viaAddress(res.Get("Via"))
	if err != nil {
		tx.endpoint.log.Debug("response has nowhere to go", "via", res.Get("Via"), "error", err)
		return
	}
	tx.endpoint.Write(res, to)
}

// repeat answers a request that came again as it was answered before. A 2xx is
// not repeated: its maker does that until the ACK.
func (tx *ServerTx) repeat() {
	tx.mu.Lock()
	last := tx.last
	tx.mu.Unlock()
	if last != nil && (tx.Request.Method != "INVITE" || !last.Success()) {
		tx.write(last)
	}
}

// acknowledged takes the ACK of a refusal; it says false for another's.
func (tx *ServerTx) acknowledged() bool {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	if tx.last == nil || tx.last.Status < 300 {
		return false
	}
	closeOnce(tx.acked)
	return true
}

func (tx *ServerTx) cancel() {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	if tx.last == nil || tx.last.Provisional() {
		closeOnce(tx.cancelled)
	}
}

// closeOnce closes a channel that only the holder of its mutex closes.
func closeOnce(c chan struct{}) {
	select {
	case <-c:
	default:
		close(c)
	}
}

// copyDialog gives a request of the same dialog its identifying fields.
func copyDialog(to, from *Message, toValue string, cseq uint32) {
	to.Add("From", from.Get("From"))
	to.Add("To", toValue)
	to.Add("Call-ID", from.CallID())
	to.Add("CSeq", strconv.FormatUint(uint64(cseq), 10)+" "+to.Method)
	to.Add("Max-Forwards", "70")
}

// sentBy is the address that a Via names.
func sentBy(via string) string {
	_, rest, _ := strings.Cut(via, " ")
	address, _, _ := strings.Cut(rest, ";")
	return strings.TrimSpace(address)
}
