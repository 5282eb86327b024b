package sip

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	gosip "github.com/emiago/sipgo/sip"
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

	via := newVia(conn.LocalAddr().(*net.UDPAddr).AddrPort())
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
func final(data []byte, branch string) *Response {
	s := screen(data)
	if s.clean == nil {
		return nil
	}
	msg, err := gosip.ParseMessage(s.clean)
	res, ok := msg.(*Response)
	if err != nil || !ok || res.IsProvisional() || res.Via().Params.GetOr("branch", "") != branch {
		return nil
	}
	return res
}
