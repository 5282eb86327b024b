package sip

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"
)

// The timers of RFC 3261 §17. Linger is 64*T1: how long a transaction absorbs
// what comes twice, and how long an unanswered request is repeated.
const (
	T1     = 500 * time.Millisecond
	T2     = 4 * time.Second
	Linger = 64 * T1
)

// maxTransactions bounds the memory of an endpoint: three hundred calls a second
// for the 32 s that a finished transaction stays. Above it requests get 503.
const maxTransactions = 30_000

// receiveBuffer holds a burst of a thousand messages while one is handled.
const receiveBuffer = 1 << 20

// Handler takes each new request, in the order of arrival and one at a time, so
// that an ACK is never overtaken by its BYE. It must not wait: what lasts goes
// into [Endpoint.Go]. The ACK of a 2xx comes here too and cannot be answered.
type Handler func(*ServerTx)

// Endpoint is one UDP socket that speaks SIP.
type Endpoint struct {
	conn   *net.UDPConn
	handle Handler
	log    *slog.Logger
	done   context.Context // over when the endpoint closes
	stop   context.CancelFunc
	wg     sync.WaitGroup

	mu      sync.Mutex
	clients map[string]*ClientTx
	servers map[string]*ServerTx
}

// Listen binds a UDP address, not yet serving: set up the handler's world, then
// call [Endpoint.Serve].
func Listen(at netip.AddrPort, log *slog.Logger) (*Endpoint, error) {
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
	if err != nil {
		return nil, fmt.Errorf("cannot listen for SIP on %s: choose an address of this machine and a free port: %w", at, err)
	}
	if err := conn.SetReadBuffer(receiveBuffer); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot size the receive buffer of %s: %w", at, err), conn.Close())
	}
	ctx, stop := context.WithCancel(context.Background())
	return &Endpoint{
		conn: conn, log: log, done: ctx, stop: stop,
		clients: map[string]*ClientTx{}, servers: map[string]*ServerTx{},
	}, nil
}

// Serve begins to read; each request goes to the handler.
func (e *Endpoint) Serve(h Handler) {
	e.handle = h
	e.Go(func(context.Context) { e.read() })
}

// Addr is where the endpoint listens.
func (e *Endpoint) Addr() netip.AddrPort { return e.conn.LocalAddr().(*net.UDPAddr).AddrPort() }

// Go runs f with a context that ends when the endpoint closes; Close waits for
// it. After Close it runs nothing and says false.
func (e *Endpoint) Go(f func(context.Context)) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.done.Err() != nil {
		return false
	}
	e.wg.Go(func() { f(e.done) })
	return true
}

// Close ends the socket and every transaction, and waits for what Go started.
func (e *Endpoint) Close() error {
	e.mu.Lock()
	e.stop()
	e.mu.Unlock()
	err := e.conn.Close()
	e.wg.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func (e *Endpoint) read() {
	buffer := make([]byte, 65535)
	for {
		n, from, err := e.conn.ReadFromUDPAddrPort(buffer)
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			e.log.Warn("SIP read failed", "at", e.Addr(), "error", err)
		case n > 4: // shorter ones are keep-alives
			e.receive(buffer[:n], from)
		}
	}
}

func (e *Endpoint) receive(datagram []byte, from netip.AddrPort) {
	m, err := Parse(datagram)
	if err != nil {
		e.log.Debug("datagram dropped", "from", from, "error", err)
		return
	}
	if m.Method == "" {
		e.receiveResponse(m)
		return
	}
	e.receiveRequest(m, from)
}

func (e *Endpoint) receiveResponse(m *Message) {
	_, method := m.CSeq()
	e.mu.Lock()
	tx := e.clients[clientKey(m.Get("Via"), method)]
	e.mu.Unlock()
	if tx != nil {
		tx.deliver(m)
	}
}

func (e *Endpoint) receiveRequest(m *Message, from netip.AddrPort) {
	markSource(m, from)
	via := m.Get("Via")
	switch m.Method {
	case "ACK":
		if tx := e.server(serverKey(via, "INVITE")); tx != nil && tx.acknowledged() {
			return // it ends a refusal, hop by hop
		}
		e.handle(&ServerTx{Request: m, endpoint: e})
	case "CANCEL":
		e.cancel(m, from, e.server(serverKey(via, "INVITE")))
	default:
		if tx := e.server(serverKey(via, m.Method)); tx != nil {
			tx.repeat()
			return
		}
		e.begin(m, from)
	}
}

// begin opens a server transaction, or answers 503 at the bound.
func (e *Endpoint) begin(m *Message, from netip.AddrPort) {
	tx := newServerTx(e, m)
	e.mu.Lock()
	full := len(e.servers) >= maxTransactions
	if !full {
		e.servers[tx.key] = tx
	}
	e.mu.Unlock()
	if full {
		tx.write(m.Response(503))
		return
	}
	e.handle(tx)
}

func (e *Endpoint) cancel(m *Message, from netip.AddrPort, invite *ServerTx) {
	tx := newServerTx(e, m)
	if invite == nil {
		tx.write(m.Response(481))
		return
	}
	tx.write(m.Response(200))
	invite.cancel()
}

func (e *Endpoint) server(key string) *ServerTx {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.servers[key]
}

func (e *Endpoint) forgetServer(key string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.servers, key)
}

func (e *Endpoint) forgetClient(key string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.clients, key)
}

// Write sends a message outside any transaction: the ACK of a 2xx, or a response
// that a proxy passes on.
func (e *Endpoint) Write(m *Message, to netip.AddrPort) {
	if _, err := e.conn.WriteToUDPAddrPort(m.Bytes(), to); err != nil && !errors.Is(err, net.ErrClosed) {
		e.log.Debug("SIP write failed", "to", to, "error", err)
	}
}

// PrependVia puts this endpoint's Via with a new branch on a request.
func (e *Endpoint) PrependVia(m *Message) {
	m.Prepend("Via", fmt.Sprintf("%s/UDP %s;rport;branch=%s", version, e.Addr(), newBranch()))
}

func clientKey(via, method string) string { return Param(via, "branch") + " " + method }

// serverKey tells transactions apart as RFC 3261 §17.2.3 does.
func serverKey(via, method string) string {
	return Param(via, "branch") + " " + sentBy(via) + " " + method
}
