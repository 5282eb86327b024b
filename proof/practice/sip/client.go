package sip

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// ClientTx is a request that was sent, with the responses that come to it.
type ClientTx struct {
	Request *Message // as sent, with its Via
	To      netip.AddrPort

	endpoint  *Endpoint
	key       string
	each      func(*Message)
	inbox     chan *Message
	responses chan *Message
	closed    sync.Once
	quiet     atomic.Bool
}

// responseQueue is more than a ring group's provisional responses; at the bound
// a response is dropped, and its sender repeats it if it matters.
const responseQueue = 64

// ErrNoResponse says that no final response came.
var ErrNoResponse = errors.New("no SIP response")

// Send sends a request, before it returns, and repeats it as long as RFC 3261
// §17.1 says. The request must have its Via already ([Endpoint.PrependVia]).
func (e *Endpoint) Send(req *Message, to netip.AddrPort) *ClientTx {
	return e.SendFunc(req, to, func(*Message) {})
}

// SendFunc is Send with a function that gets each response too, as it is read and
// before anything that came after it: a proxy must not let a NOTIFY overtake the
// 202 that announces it. The function must not wait.
func (e *Endpoint) SendFunc(req *Message, to netip.AddrPort, each func(*Message)) *ClientTx {
	tx := &ClientTx{
		Request: req, To: to, endpoint: e, each: each, key: clientKey(req.Get("Via"), req.Method),
		inbox: make(chan *Message, responseQueue), responses: make(chan *Message, responseQueue),
	}
	e.mu.Lock()
	e.clients[tx.key] = tx
	e.mu.Unlock()
	e.Write(req, to)
	if !e.Go(func(context.Context) { tx.run() }) {
		tx.finish()
	}
	return tx
}

// Responses gives each response in its order. It is closed after the last: for
// an answered INVITE that is [Linger] after the 2xx, because each repetition of a
// 2xx wants an ACK (RFC 6026).
func (tx *ClientTx) Responses() <-chan *Message { return tx.responses }

// Final waits for the final response.
func (tx *ClientTx) Final(ctx context.Context) (*Message, error) {
	for {
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case res, ok := <-tx.responses:
			if !ok {
				return nil, ErrNoResponse
			}
			if !res.Provisional() {
				return res, nil
			}
		}
	}
}

// Quiet ends the repetitions of a request that nobody waits for any more; what
// still comes to it is delivered.
func (tx *ClientTx) Quiet() { tx.quiet.Store(true) }

// Cancel asks the other side to give up an INVITE. Send it only after a
// provisional response (RFC 3261 §9.1).
func (tx *ClientTx) Cancel() {
	req := tx.Request
	c := &Message{Method: "CANCEL", URI: req.URI}
	c.Add("Via", req.Get("Via"))
	for _, route := range req.All("Route") {
		c.Add("Route", route)
	}
	number, _ := req.CSeq()
	copyDialog(c, req, req.Get("To"), number)
	tx.endpoint.Send(c, tx.To)
}

// acknowledge sends the ACK of a refused INVITE, hop by hop (RFC 3261 §17.1.1.3).
func (tx *ClientTx) acknowledge(res *Message) {
	req := tx.Request
	ack := &Message{Method: "ACK", URI: req.URI}
	ack.Add("Via", req.Get("Via"))
	for _, route := range req.All("Route") {
		ack.Add("Route", route)
	}
	number, _ := req.CSeq()
	copyDialog(ack, req, res.Get("To"), number)
	tx.endpoint.Write(ack, tx.To)
}

func (tx *ClientTx) deliver(res *Message) {
	tx.each(res)
	select {
	case tx.inbox <- res:
	default:
	}
}

func (tx *ClientTx) run() {
	defer tx.endpoint.forgetClient(tx.key)
	defer tx.finish()
	if res := tx.untilFinal(); res != nil && tx.Request.Method == "INVITE" {
		tx.linger(res)
	}
}

// untilFinal repeats the request until it is answered, and gives the final
// response, or nil when there is none to be had.
func (tx *ClientTx) untilFinal() *Message {
	invite := tx.Request.Method == "INVITE"
	pause := T1
	again, expiry := time.NewTimer(pause), time.NewTimer(Linger)
	defer again.Stop()
	defer expiry.Stop()
	for {
		select {
		case <-tx.endpoint.done.Done():
			return nil
		case <-expiry.C:
			return nil
		case <-again.C:
			if !tx.quiet.Load() {
				tx.endpoint.Write(tx.Request, tx.To)
			}
			pause = nextPause(pause, invite)
			again.Reset(pause)
		case res := <-tx.inbox:
			tx.pass(res)
			if !res.Provisional() {
				return res
			}
			if invite { // ringing is as long as the a caller's patience
				again.Stop()
				expiry.Stop()
			}
		}
	}
}

// nextPause doubles, for an INVITE without limit (RFC 3261 §17.1.1.2, §17.1.2.2).
func nextPause(pause time.Duration, invite bool) time.Duration {
	if invite {
		return 2 * pause
	}
	return min(2*pause, T2)
}

// linger stays after an INVITE's final response: each repetition of a refusal is
// acknowledged again, each repetition of a 2xx is passed on to who acknowledges.
func (tx *ClientTx) linger(final *Message) {
	if !final.Success() {
		tx.acknowledge(final)
		tx.finish()
	}
	expiry := time.NewTimer(Linger)
	defer expiry.Stop()
	for {
		select {
		case <-tx.endpoint.done.Done():
			return
		case <-expiry.C:
			return
		case res := <-tx.inbox:
			switch {
			case res.Provisional():
			case final.Success() && res.Success():
				tx.pass(res)
			case !final.Success() && !res.Success():
				tx.acknowledge(res)
			}
		}
	}
}

func (tx *ClientTx) pass(res *Message) {
	select {
	case tx.responses <- res:
	default:
	}
}

func (tx *ClientTx) finish() { tx.closed.Do(func() { close(tx.responses) }) }
