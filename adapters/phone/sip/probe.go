package sip

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
)

// Timers of RFC 3261 §17.1.1.1.
const (
	T1 = 500 * time.Millisecond
	T2 = 4 * time.Second
)

// probeT1 is T1 for questions between neighbours: RFC 3261 §17.1.1.1 lets T1 be
// shorter where the way is. A question that was on its way when the other died is asked
// again within the round it belongs to, and finds nobody there at once.
const probeT1 = 100 * time.Millisecond

// Ask sends a request to the PBX and waits for its final response, answering challenges
// as [Endpoint.DoAs] does. It leaves from the listening socket, which the PBX knows from
// REGISTER: questions from ever new ports look like a scanner's. A lost question is
// repeated sooner than a transaction of the library would. Where the PBX asks for what cannot
// be given, that answer counts for a while, and nothing is sent.
func (e *Endpoint) Ask(ctx context.Context, req *Request, who Credentials) (*Response, error) {
	if res := e.wary.answer(); res != nil {
		return res, nil
	}
	var a Authorizer
	for {
		res, err := e.askOnce(ctx, req)
		if err != nil {
			if errors.Is(context.Cause(ctx), context.Canceled) {
				e.wary.takenBack()
			} else {
				e.wary.clear()
			}
			return nil, err
		}
		again, err := a.Again(req, res, who)
		if err != nil || again == nil {
			e.answeredWith(res, err)
			return res, nil // any answer says that it lives, also one that asks for the impossible
		}
		again.CSeq().SeqNo++
		req = again
	}
}

// answeredWith takes in how a question ended, and says why the next ones pause.
func (e *Endpoint) answeredWith(res *Response, err error) {
	if err == nil {
		e.wary.clear()
	} else if pause, news := e.wary.challenged(res); news {
		e.log.Warn("the questions whether the PBX lives pause, ever longer: it would ban this address", "why", err, "next", pause)
	}
}

// askOnce is a client transaction (RFC 3261 §17.1.2) on the listening socket, or on the connection to the PBX.
func (e *Endpoint) askOnce(ctx context.Context, req *Request) (*Response, error) {
	sent := e.prepare(req)
	answer := e.probes.begin(branch(sent))
	defer func() { e.probes.end(branch(sent), errors.Is(context.Cause(ctx), context.Canceled)) }()
	end := time.NewTimer(64 * T1)
	defer end.Stop()
	ask := e.askRepeated
	if e.streams != nil {
		ask = e.askConnected
	}
	res, err := ask(ctx, sent, answer, end.C)
	if err != nil && !errors.Is(err, ErrTimeout) && !errors.Is(err, ErrClosed) && ctx.Err() == nil {
		err = fmt.Errorf("asking %s: %w", req.Destination(), err)
	}
	return res, err
}

// askRepeated repeats a question, for a datagram may be lost.
func (e *Endpoint) askRepeated(ctx context.Context, sent *Request, answer <-chan *Response, end <-chan time.Time) (*Response, error) {
	var dead <-chan error
	for wait := probeT1; ; wait = min(2*wait, T2) {
		if err := e.open(func() error { return e.transport.WriteMsg(sent) }); err != nil {
			return nil, err
		}
		select {
		case res := <-answer:
			return res, nil
		case err := <-dead:
			return nil, err
		case <-time.After(wait):
			if dead == nil && e.probes.silent() {
				dead = e.knock(sent, wait)
			}
		case <-end:
			return nil, ErrTimeout
		case <-e.done:
			return nil, ErrClosed
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// askConnected sends a question once on each connection that stands while it waits: a connection loses nothing but itself.
func (e *Endpoint) askConnected(ctx context.Context, sent *Request, answer <-chan *Response, end <-chan time.Time) (*Response, error) {
	for {
		kept, err := e.connected(ctx)
		if err != nil {
			return nil, err
		}
		if err := e.open(func() error { return e.transport.WriteMsg(sent) }); errors.Is(err, ErrClosed) {
			return nil, err
		}
		select {
		case res := <-answer:
			return res, nil
		case <-kept.ended:
		case <-end:
			e.streams.link.suspect()
			return nil, ErrTimeout
		case <-e.done:
			return nil, ErrClosed
		case <-ctx.Done():
			e.streams.link.suspect()
			return nil, context.Cause(ctx)
		}
	}
}

// knock finds out whether anybody holds the port of an address that has been silent: a
// machine that lives says at once (ICMP) that no program does, but only to a connected
// socket. What is sent is the question again, whose answer nobody waits for there.
func (e *Endpoint) knock(sent *Request, patience time.Duration) <-chan error {
	dead := make(chan error, 1)
	dialer := net.Dialer{LocalAddr: &net.UDPAddr{IP: e.listen.Addr().AsSlice()}}
	conn, err := dialer.Dial("udp", sent.Destination())
	if err != nil {
		dead <- err
		return dead
	}
	go func() {
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(patience))
		_, err := conn.Write([]byte(sent.String()))
		if err == nil {
			_, err = conn.Read(make([]byte, maxDatagram))
		}
		if errors.Is(err, syscall.ECONNREFUSED) {
			dead <- err
		}
	}()
	return dead
}

// probes are the questions that wait for their answer, by branch.
type probes struct {
	mu      sync.Mutex
	waiting map[string]chan *Response
	heard   bool // the last question that ended was answered
}

// silent says that nobody has answered since a whole question ago.
func (p *probes) silent() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.heard
}

func (p *probes) begin(branch string) <-chan *Response {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting == nil {
		p.waiting = make(map[string]chan *Response)
	}
	answer := make(chan *Response, 1)
	p.waiting[branch] = answer
	return answer
}

// end forgets a question. One that was taken back says nothing about the PBX.
func (p *probes) end(branch string, takenBack bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	answered := p.waiting[branch] == nil
	p.heard = answered || takenBack && p.heard
	delete(p.waiting, branch)
}

// answered takes a response if it is the answer to a question.
func (p *probes) answered(res *Response) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	answer, waits := p.waiting[branch(res)]
	if !waits {
		return false
	}
	if !res.IsProvisional() && answer != nil {
		p.waiting[branch(res)] = nil // once: it may come twice
		answer <- res
	}
	return true
}

// Probe sends a request to one address from a connected socket of its own and
// waits for any final response. A host that lives and has no SIP there says so at
// once (ECONNREFUSED, from ICMP): the listening socket would never be told, being
// connected to nobody.
func (e *Endpoint) Probe(ctx context.Context, to netip.AddrPort, req *Request) (*Response, error) {
	if err := e.open(func() error { return nil }); err != nil {
		return nil, err
	}
	dialer := net.Dialer{LocalAddr: &net.UDPAddr{IP: e.listen.Addr().AsSlice()}}
	conn, err := dialer.DialContext(ctx, "udp", to.String())
	if err != nil {
		return nil, fmt.Errorf("asking %s: %w", to, err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()

	via := newVia(UDP, conn.LocalAddr().(*net.UDPAddr).AddrPort())
	sent := req.Clone()
	sent.PrependHeader(via)
	var text bytes.Buffer
	sent.StringWrite(&text)
	res, err := ask(ctx, conn, text.Bytes(), via.Params.GetOr("branch", ""))
	if err != nil {
		return nil, fmt.Errorf("asking %s: %w", to, err)
	}
	return res, nil
}

// ask is a client transaction (RFC 3261 §17.1.2) on a connected socket.
func ask(ctx context.Context, conn net.Conn, request []byte, branch string) (*Response, error) {
	end := time.Now().Add(64 * T1)
	for wait := probeT1; time.Now().Before(end); wait = min(2*wait, T2) {
		if _, err := conn.Write(request); err != nil {
			return nil, reason(ctx, err)
		}
		res, err := listen(ctx, conn, branch, time.Now().Add(wait))
		if res != nil || err != nil {
			return res, err
		}
	}
	return nil, ErrTimeout
}

// listen waits for the final response until a given time, when both results are nil.
func listen(ctx context.Context, conn net.Conn, branch string, until time.Time) (*Response, error) {
	if err := conn.SetReadDeadline(until); err != nil {
		return nil, err
	}
	buf := make([]byte, maxDatagram)
	for {
		// The end of ctx moves the deadline into the past: it may have come just
		// before we moved it away from there.
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		n, err := conn.Read(buf)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() == nil:
			return nil, nil
		case err != nil:
			return nil, reason(ctx, err)
		}
		if res := final(buf[:n], branch); res != nil {
			return res, nil
		}
	}
}

// reason prefers the end of ctx, which is what closed the socket's eyes.
func reason(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// final reads a datagram as the final response to the request of that branch.
func final(data []byte, want string) *Response {
	res := screen(data).response
	if res == nil || res.IsProvisional() || res.Via().Params.GetOr("branch", "") != want {
		return nil
	}
	return res
}
