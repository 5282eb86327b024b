package sip

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime/debug"
	"sync"

	gosip "github.com/emiago/sipgo/sip"
)

// ErrClosed is returned by everything that would send after Close.
var ErrClosed = errors.New("the SIP socket is closed")

// ErrTimeout is returned when nobody answered a request within 64*T1, 32 s
// (RFC 3261 §17.1.2.2, Timer F).
var ErrTimeout = errors.New("no answer to the SIP request within 32 s")

// Options say where an endpoint listens and who takes what arrives.
type Options struct {
	Listen netip.AddrPort // a specific address; port 0 takes a free one
	Log    *slog.Logger
	// Sources are the addresses from which SIP is taken; of others nothing is.
	Sources Sources
	// Senders is how many addresses are remembered at a time; 0: 4096.
	Senders int
	// Handle takes each new request, in a goroutine of its own. A panic in it is
	// logged and answered with 500.
	Handle func(*Request, *Transaction)
	// Stray takes responses that belong to no transaction: a 2xx to INVITE that
	// comes again must be acknowledged again (RFC 3261 §13.2.2.4).
	Stray func(*Response)
}

// Endpoint is one UDP socket that speaks SIP.
type Endpoint struct {
	listen       netip.AddrPort
	log          *slog.Logger
	handle       func(*Request, *Transaction)
	socket       *net.UDPConn
	transport    *gosip.TransportLayer
	transactions *gosip.TransactionLayer
	secret       []byte // of the tags
	buffer       []byte // of the one reader
	refusals     bucket
	senders      int
	readers      sync.WaitGroup
	done         chan struct{} // closed by Close
	door         door
	stray        func(*Response)
	probes       probes
	refused      refused

	// mu keeps Close from passing between "still open" and the sending: the
	// library would open the address anew for whoever sends after the socket
	// is closed, and a fenced server would be heard again.
	mu     sync.RWMutex
	closed bool
}

// The library refuses to send what is longer than a global limit, responses too:
// a request with many Via headers would stay without an answer.
var raiseLimit = sync.OnceFunc(func() { gosip.UDPMTUSize = maxDatagram + 200 })

// Listen opens the socket and serves it.
func Listen(o Options) (*Endpoint, error) {
	raiseLimit()
	if !o.Listen.Addr().IsValid() || o.Listen.Addr().IsUnspecified() {
		return nil, fmt.Errorf("SIP cannot listen on %s: [sip] listen must name one address of this server, because the PBX answers to the address that it sees", o.Listen)
	}
	socket, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(o.Listen))
	if err != nil {
		return nil, fmt.Errorf("SIP cannot listen on %s: %w; see which program holds it with `ss -ulpn`, or change [sip] listen", o.Listen, err)
	}
	// A burst waits here and not at the senders, who would repeat it after 500 ms. The
	// kernel may grant less, which is no reason not to serve.
	_ = socket.SetReadBuffer(1 << 20)
	e := &Endpoint{
		listen:   socket.LocalAddr().(*net.UDPAddr).AddrPort(),
		log:      slog.New(newLimiter(o.Log.Handler())),
		handle:   o.Handle,
		socket:   socket,
		secret:   []byte(rand.Text()),
		buffer:   make([]byte, maxDatagram),
		refusals: bucket{each: refusalsPerSecond},
		senders:  cmp.Or(o.Senders, maxSenders),
		done:     make(chan struct{}),
		stray:    o.Stray,
	}
	e.SetSources(o.Sources)
	e.transport = gosip.NewTransportLayer(net.DefaultResolver, gosip.NewParser(), nil, gosip.WithTransportLayerLogger(e.log))
	// Before the transaction layer is told of them, messages pass here one by one
	// in the order of their arrival.
	e.transport.OnMessage(e.tagInvite)
	e.transactions = gosip.NewTransactionLayer(e.transport,
		gosip.WithTransactionLayerLogger(e.log),
		gosip.WithTransactionLayerUnhandledResponseHandler(e.astray))
	e.transactions.OnRequest(e.receive)
	e.serve()
	return e, nil
}

// Addr is where the endpoint listens.
func (e *Endpoint) Addr() netip.AddrPort { return e.listen }

// serve hands the socket to the library and returns when it reads.
func (e *Endpoint) serve() {
	in := &inlet{UDPConn: e.socket, endpoint: e, ready: make(chan struct{}), senders: make(map[netip.AddrPort]struct{})}
	e.readers.Go(func() { _ = e.transport.ServeUDP(in) }) // it ends with the socket
	<-in.ready
}

// Close closes the socket first and at once, then ends all transactions.
func (e *Endpoint) Close() error {
	e.mu.Lock()
	already := e.closed
	e.closed = true
	e.mu.Unlock()
	if already {
		return nil
	}
	err := e.socket.Close()
	close(e.done)
	e.transactions.Close()
	e.readers.Wait()
	return errors.Join(err, e.transport.Close())
}

// open runs send unless the endpoint is closed.
func (e *Endpoint) open(send func() error) error {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.closed {
		return ErrClosed
	}
	return send()
}

// tagInvite gives an INVITE its To tag before any transaction sees it, because the
// library answers a CANCEL by itself and would invent another tag. The tag
// follows from the transaction, as RFC 3261 §8.2.7 has it, so whoever answers
// says the same.
func (e *Endpoint) tagInvite(msg Message) {
	req, ok := msg.(*Request)
	if ok && req.Method == gosip.INVITE && !req.To().Params.Has("tag") {
		req.To().Params.Add("tag", e.tag(req))
	}
}

func (e *Endpoint) tag(req *Request) string {
	key, err := gosip.ServerTxKeyMake(req)
	if err != nil {
		key = req.CallID().Value()
	}
	mac := hmac.New(sha256.New, e.secret)
	mac.Write([]byte(key))
	return hex.EncodeToString(mac.Sum(nil)[:10])
}

// receive runs the handler of one request.
func (e *Endpoint) receive(req *Request, tx *gosip.ServerTx) {
	defer tx.TerminateGracefully()
	if e.open(func() error { return nil }) != nil {
		// It was between the socket and here when the socket was closed; the
		// library has opened another one to answer it.
		tx.Terminate()
		_ = e.transport.Close()
		return
	}
	t := &Transaction{tx: tx, req: req, initial: ToTag(req) == "" || ToTag(req) == e.tag(req)}
	defer func() {
		if p := recover(); p != nil {
			e.log.Error("SIP handler panics", "method", req.Method, "panic", p, "stack", string(debug.Stack()))
			if req.Method != gosip.ACK {
				_ = t.Respond(Reply(req, 500))
			}
		}
	}()
	e.handle(req, t)
}

// Start sends a request in a transaction of its own; the caller reads its
// responses and terminates it. The request itself is not touched: each sending
// is a copy with its own Via.
func (e *Endpoint) Start(ctx context.Context, req *Request) (*ClientTransaction, *Request, error) {
	var tx *ClientTransaction
	sent := e.prepare(req)
	err := e.open(func() (err error) {
		tx, err = e.transactions.Request(ctx, sent)
		return err
	})
	return tx, sent, err
}

// Send sends a request without a transaction: the ACK of a 2xx (RFC 3261 §13.2.2.4).
func (e *Endpoint) Send(req *Request) error {
	sent := e.prepare(req)
	return e.open(func() error { return e.transport.WriteMsg(sent) })
}

// prepare copies a request and gives it what the transport needs. Laddr makes it
// leave from our own socket: peers take the answer's address from where it came.
func (e *Endpoint) prepare(req *Request) *Request {
	sent := req.Clone()
	if sent.Via() == nil {
		sent.PrependHeader(newVia(e.listen))
	}
	sent.SetTransport("UDP")
	sent.Laddr = gosip.Addr{IP: e.listen.Addr().AsSlice(), Port: int(e.listen.Port())}
	return sent
}

func newVia(from netip.AddrPort) *gosip.ViaHeader {
	return &gosip.ViaHeader{
		ProtocolName: "SIP", ProtocolVersion: "2.0", Transport: "UDP",
		Host: from.Addr().String(), Port: int(from.Port()),
		Params: gosip.HeaderParams{{K: "branch", V: gosip.GenerateBranch()}, {K: "rport"}},
	}
}

// Do sends a request other than INVITE and waits for its final response.
func (e *Endpoint) Do(ctx context.Context, req *Request) (*Response, error) {
	tx, _, err := e.Start(ctx, req)
	if err != nil {
		return nil, err
	}
	defer tx.Terminate()
	for {
		res, err := Next(ctx, tx)
		if err != nil || !res.IsProvisional() {
			return res, err
		}
	}
}

// Next waits for the next response in a transaction.
func Next(ctx context.Context, tx *ClientTransaction) (*Response, error) {
	select {
	case res := <-tx.Responses():
		return res, nil
	case <-tx.Done():
		if err := tx.Err(); !errors.Is(err, gosip.ErrTransactionTimeout) {
			return nil, fmt.Errorf("the SIP request was not answered: %w", err)
		}
		return nil, ErrTimeout
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
