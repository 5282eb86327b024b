package sip

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"releve"
	"runtime"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	gosip "github.com/emiago/sipgo/sip"
	"golang.org/x/sys/unix"
)

// ErrClosed is returned by everything that would send after Close.
var ErrClosed = releve.Known("the SIP socket is closed", "cause-sip-closed")

// ErrTimeout is returned when nobody answered a request within 64*T1, 32 s
// (RFC 3261 §17.1.2.2, Timer F).
var ErrTimeout = releve.Known("no answer to the SIP request within 32 s", "cause-sip-timeout")

// Options say where an endpoint listens and who takes what arrives.
type Options struct {
	Listen netip.AddrPort // a specific address; port 0 takes a free one
	Log    *slog.Logger
	// Sources are the addresses from which SIP is taken; of others nothing is.
	Sources Sources
	// Handle takes each new request, one after the other in the order of their arrival:
	// it must not block. A panic in it is logged and answered with 500.
	Handle func(*Request, *Transaction)
	// OnPanic hears of a panic that ended one message and nothing else (SPEC K9).
	OnPanic func(what string)
	// Full is asked before anything is done for a new call, by the reader: it must not block. Other than
	// 0, it is the code with which the call is turned away, without a transaction. Nil: 0.
	Full func(releve.Opening) int
	// Transport is how messages travel to the PBX and come from it; "": UDP. Over the others PBX is to whom a connection is
	// kept, and Certificates, over TLS, by which both prove themselves.
	Transport    Transport
	PBX          netip.AddrPort
	Certificates *Certificates
	// Back is called when a connection to the PBX stands anew: it may have forgotten what it was told before. Nil: nobody is.
	Back func()
	// Silent is told of an address of the PBX that no connection can be made to. Nil: nobody is.
	Silent func(netip.AddrPort)
	// Explain tells the operator of that connection. Nil: nobody is told.
	Explain func(releve.Sentence)
	// Stray takes responses that belong to no transaction: a 2xx to INVITE that
	// comes again must be acknowledged again (RFC 3261 §13.2.2.4).
	Stray func(*Response)
}

// Endpoint is one address that speaks SIP: by the socket of datagrams, and with the PBX by connections where that is how
// it is spoken to.
type Endpoint struct {
	listen       netip.AddrPort
	transportIs  Transport
	streams      *streams // nil over UDP
	log          *slog.Logger
	handle       func(*Request, *Transaction)
	socket       *net.UDPConn
	transport    *gosip.TransportLayer
	transactions *gosip.TransactionLayer
	secret       []byte       // of the tags
	seed         maphash.Seed // of the tags of calls that are turned away
	scrap        []byte       // of the one reader: what it writes
	refusals     bucket
	onPanic      func(what string)
	invites      *table
	others       *table
	early        map[string]*Transaction // CANCELs that wait for their INVITE, of the reader
	inlet        *inlet
	readers      sync.WaitGroup
	serve        chan struct{} // closed by Serve
	done         chan struct{} // closed by Close
	door         door
	stray        func(*Response)
	full         func(releve.Opening) int
	probes       probes
	wary         wary
	refused      refused

	// mu keeps Close from passing between "still open" and the sending: the
	// library would open the address anew for whoever sends after the socket
	// is closed, and a fenced server would be heard again.
	mu     sync.RWMutex
	closed bool
}

// The library refuses to send what is longer than a global limit, responses too:
// a request with many Via headers would stay without an answer.
// And it counts who uses a connection below zero where one ends in a transaction, of which it warns whoever listens.
var settleLibrary = sync.OnceFunc(func() {
	gosip.UDPMTUSize = maxDatagram + 200
	gosip.SetDefaultLogger(slog.New(slog.DiscardHandler))
})

const (
	// maxTransactions and maxBytes bound what is remembered of requests, INVITEs and
	// others apart: at 64 requests a second all are remembered as long as RFC 3261 asks.
	maxTransactions = 2048
	maxBytes        = 8 << 20
	// readerNice is the reader's priority, where the kernel grants one: before ordinary processes, and
	// behind the sound.
	readerNice = -10
	// strayCancel is how long a CANCEL waits for its INVITE, which it may have overtaken,
	// and strays how many may.
	strayCancel = 200 * time.Millisecond
	strays      = 64
)

// Listen opens the socket. What comes waits there until [Endpoint.Serve].
func Listen(o Options) (*Endpoint, error) {
	settleLibrary()
	if !o.Listen.Addr().IsValid() || o.Listen.Addr().IsUnspecified() {
		return nil, fmt.Errorf("SIP cannot listen on %s: [sip] listen must name one address of this server, "+
			"because the PBX answers to the address that it sees", o.Listen)
	}
	socket, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(o.Listen))
	if err != nil {
		return nil, fmt.Errorf("SIP cannot listen on %s: %w; "+
			"see which program holds it with `ss -ulpn`, or change [sip] listen", o.Listen, err)
	}
	// A burst waits here and not at the senders, who would repeat it after 500 ms. The
	// kernel may grant less, which is no reason not to serve.
	_ = socket.SetReadBuffer(4 << 20)
	e := &Endpoint{
		transportIs: o.Transport,
		listen:      socket.LocalAddr().(*net.UDPAddr).AddrPort(),
		log:         slog.New(newLimiter(o.Log.Handler())),
		handle:      o.Handle,
		socket:      socket,
		secret:      []byte(rand.Text()),
		seed:        maphash.MakeSeed(),
		refusals:    bucket{each: refusalsPerSecond},
		onPanic:     o.OnPanic,
		invites:     newTable(maxTransactions, maxBytes),
		others:      newTable(maxTransactions, maxBytes),
		serve:       make(chan struct{}),
		done:        make(chan struct{}),
		stray:       o.Stray,
		full:        o.Full,
		early:       make(map[string]*Transaction),
	}
	e.door.streams = o.Transport.streams()
	e.SetSources(o.Sources)
	e.transport = gosip.NewTransportLayer(net.DefaultResolver, parser, nil, gosip.WithTransportLayerLogger(e.log),
		gosip.WithTransportLayerTransports(gosip.TransportsConfig{TCP: &gosip.TransportTCP{DialerCreate: noDialer}}))
	e.transactions = gosip.NewTransactionLayer(e.transport,
		gosip.WithTransactionLayerLogger(e.log),
		gosip.WithTransactionLayerTerminateOnConnClose(),
		gosip.WithTransactionLayerUnhandledResponseHandler(e.astray))
	e.inlet = newInlet(e)
	if o.Transport.streams() {
		if e.streams, err = newStreams(e, o); err != nil {
			_ = socket.Close()
			return nil, fmt.Errorf("SIP cannot listen on %s over %s: %w; "+
				"see which program holds it with `ss -tlpn`, or change [sip] listen", e.listen, o.Transport.via(), err)
		}
	}
	e.startReader()
	return e, nil
}

// Addr is where the endpoint listens.
func (e *Endpoint) Addr() netip.AddrPort { return e.listen }

// Serve begins to read: it hands the socket to the library and returns when that reads.
// It is called once, before anything is sent.
func (e *Endpoint) Serve() {
	close(e.serve)
	select {
	case <-e.inlet.ready:
	case <-e.done:
		return
	}
	if e.streams != nil {
		e.streams.run()
	}
}

// noDialer keeps the library from opening connections by itself, where the one that it looks for has just ended.
func noDialer(net.Addr) net.Dialer {
	return net.Dialer{Control: func(string, string, syscall.RawConn) error {
		return releve.Known("there is no connection to the PBX", "cause-sip-unconnected")
	}}
}

// Turn has the PBX spoken to at another address from now on: the connection that there is ends.
func (e *Endpoint) Turn(pbx netip.AddrPort) {
	if e.streams != nil {
		e.streams.link.turn(pbx)
	}
}

// Transport is how messages travel to the PBX.
func (e *Endpoint) Transport() Transport { return e.transportIs }

// startReader makes the one reader, on a thread of its own that comes before other work: what waits behind
// it waits in the kernel, and is lost when there is too much. It returns when the thread has asked for
// its right to, which whoever called may be about to give up.
func (e *Endpoint) startReader() {
	asked := make(chan struct{})
	e.readers.Go(func() {
		runtime.LockOSThread() // never unlocked: a thread with this right ends with its goroutine
		_ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), readerNice)
		close(asked)
		select {
		case <-e.serve:
			_ = e.transport.ServeUDP(e.inlet) // it ends with the socket
		case <-e.done:
		}
	})
	<-asked
}

// Close closes the socket first and at once, then ends all transactions.
func (e *Endpoint) Close() error {
	if e.streams != nil {
		e.streams.close() // first: who writes to one of them holds the lock
	}
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
	e.invites.close()
	e.others.close()
	err = errors.Join(err, e.transport.Close())
	if e.streams != nil {
		e.streams.work.Wait()
	}
	return err
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

// survive keeps a panic from ending the server: it is to be deferred.
func (e *Endpoint) survive(what string) {
	if p := recover(); p != nil {
		e.log.Error("panic: it ended one message", "of", what, "panic", p, "stack", string(debug.Stack()))
		if e.onPanic != nil {
			e.onPanic(fmt.Sprint(p))
		}
	}
}

// request finds the transaction of a request or begins one (RFC 3261 §17.2.3). Only the
// reader is here: what came first is through before what came next is looked at.
func (e *Endpoint) request(s screened, from origin) {
	key := keyOf(s, string(s.request.Method))
	invite := e.invites.get(key)
	switch s.request.Method {
	case gosip.ACK:
		if invite == nil || !invite.acknowledge() {
			e.handle(s.request, e.newTransaction(s, from, key))
		}
	case gosip.CANCEL:
		if t := e.begin(e.others, s, from, key+"\nCANCEL"); t != nil {
			t.tag = e.tag(key)
			e.cancelled(t, invite, key)
		}
	case gosip.INVITE:
		if t := e.begin(e.invites, s, from, key); t != nil {
			e.serveRequest(s.request, t)
			e.overtaken(t, key)
		}
	default:
		if t := e.begin(e.others, s, from, key); t != nil {
			e.serveRequest(s.request, t)
		}
	}
}

// begin makes a transaction, or answers a repetition and returns nil.
func (e *Endpoint) begin(b *table, s screened, from origin, key string) *Transaction {
	if t := b.get(key); t != nil {
		_ = t.Repeat() // as unreliable as the first
		return nil
	}
	t := e.newTransaction(s, from, key)
	t.table = b
	t.timer = time.AfterFunc(timeout, t.tick)
	if !t.to.IsValid() || !b.add(t) {
		t.timer.Stop()
		s.code = 503
		e.refuse(s, from)
		return nil
	}
	return t
}

// newTransaction reads what answers need. The tag of ours follows from the transaction, as
// RFC 3261 §8.2.7 has it, so whoever answers says the same; an INVITE bears it from
// here on, for the dialog that it may make.
func (e *Endpoint) newTransaction(s screened, from origin, key string) *Transaction {
	t := &Transaction{
		endpoint: e, key: key, lines: s.lines, top: s.top, from: from.AddrPort, way: from.way,
		initial: ToTag(s.request) == "", invite: s.request.IsInvite(),
	}
	t.to, _ = s.top.address(from.AddrPort) // not valid: nobody can be answered
	s.request.SetSource(from.AddrPort.String())
	s.request.SetTransport("UDP")
	if from.way.reliable() {
		s.request.SetTransport("TCP")
	}
	if !t.initial {
		return t
	}
	t.tag = e.tag(key)
	if t.invite {
		to := Value(s.request, "To") + tagParam(t.tag)
		s.request.ReplaceHeader(gosip.NewHeader("to", to))
	}
	return t
}

// serveRequest hands a request on, and refuses it where that panics.
func (e *Endpoint) serveRequest(req *Request, t *Transaction) {
	whole := false
	defer func() {
		if !whole {
			_ = t.Respond(500, nil)
		}
	}()
	e.handle(req, t)
	whole = true
}

// waiting are the CANCELs that still wait.
func (e *Endpoint) waiting() int {
	maps.DeleteFunc(e.early, func(_ string, t *Transaction) bool { return t.settled() })
	return len(e.early)
}

// cancelled answers a CANCEL, and its INVITE with 487 where that has no answer yet.
func (e *Endpoint) cancelled(t, invite *Transaction, key string) {
	switch {
	case invite != nil:
		_ = t.Respond(200, nil)
		invite.cancel()
	case e.waiting() < strays:
		e.early[key] = t
		time.AfterFunc(strayCancel, func() { _ = t.Respond(481, nil) })
	default:
		_ = t.Respond(481, nil)
	}
}

// overtaken cancels an INVITE whose CANCEL came before it.
func (e *Endpoint) overtaken(invite *Transaction, key string) {
	if t := e.early[key]; t != nil && t.Respond(200, nil) == nil {
		invite.cancel()
	}
}

// tag is ours in a transaction.
func (e *Endpoint) tag(key string) string {
	mac := hmac.New(sha256.New, e.secret)
	mac.Write([]byte(key))
	return hex.EncodeToString(mac.Sum(nil)[:10])
}

func newTag() string { return rand.Text() }

// Start sends a request in a transaction of its own; the caller reads its
// responses and terminates it. The request itself is not touched: each sending
// is a copy with its own Via.
func (e *Endpoint) Start(ctx context.Context, req *Request) (*ClientTransaction, *Request, error) {
	var tx *ClientTransaction
	sent := e.prepare(req)
	if e.byConnection(req) {
		if _, err := e.connected(ctx); err != nil {
			return nil, nil, err
		}
	}
	err := e.open(func() (err error) {
		tx, err = e.transactions.Request(ctx, sent)
		return err
	})
	return tx, sent, err
}

// byConnection says whether a request goes by the connection to the PBX: it does, unless it goes to somebody beside the PBX
// who speaks UDP.
func (e *Endpoint) byConnection(req *Request) bool {
	if e.streams == nil {
		return false
	}
	to, err := netip.ParseAddrPort(req.Destination())
	return err != nil || !e.door.sources.Load().datagrams(to.Addr().Unmap())
}

// connected waits for the connection to the PBX, where there is to be one; nil over UDP.
func (e *Endpoint) connected(ctx context.Context) (*stream, error) {
	if e.streams == nil {
		return nil, nil
	}
	return e.streams.link.ready(ctx)
}

// Send sends a request without a transaction: the ACK of a 2xx (RFC 3261 §13.2.2.4).
func (e *Endpoint) Send(req *Request) error {
	sent := e.prepare(req)
	return e.open(func() error { return e.transport.WriteMsg(sent) })
}

// prepare copies a request and gives it what the transport needs. Laddr makes it
// leave from our own socket: peers take the answer's address from where it came.
func (e *Endpoint) prepare(req *Request) *Request {
	sent, by := req.Clone(), UDP
	if e.byConnection(req) {
		by = e.transportIs
	}
	if sent.Via() == nil {
		sent.PrependHeader(newVia(by, e.listen))
	}
	sent.SetTransport("UDP")
	if by.streams() {
		sent.SetTransport("TCP") // TLS, to the library, is a connection like others
	}
	sent.Laddr = gosip.Addr{IP: e.listen.Addr().AsSlice(), Port: int(e.listen.Port())}
	return sent
}

func newVia(by Transport, from netip.AddrPort) *gosip.ViaHeader {
	return &gosip.ViaHeader{
		ProtocolName: "SIP", ProtocolVersion: "2.0", Transport: by.via(),
		Host: from.Addr().String(), Port: int(from.Port()),
		Params: gosip.HeaderParams{{K: "branch", V: gosip.GenerateBranch()}, {K: "rport"}},
	}
}

// resendMax is how often a request is sent again because its connection ended under it.
const resendMax = 3

// Do sends a request other than INVITE and waits for its final response. One whose connection ends before that is sent again
// over the next, in the same transaction: who had it already answers it again (RFC 3261 §17.2.3).
func (e *Endpoint) Do(ctx context.Context, req *Request) (*Response, error) {
	for again := 0; ; again++ {
		res, sent, err := e.doOnce(ctx, req)
		if again == resendMax || sent == nil || !errors.Is(err, gosip.ErrTransactionTransport) || e.streams == nil {
			return res, err
		}
		req = sent
	}
}

func (e *Endpoint) doOnce(ctx context.Context, req *Request) (*Response, *Request, error) {
	tx, sent, err := e.Start(ctx, req)
	if err != nil {
		return nil, sent, err
	}
	defer tx.Terminate()
	for {
		res, err := Next(ctx, tx)
		if err != nil || !res.IsProvisional() {
			return res, sent, err
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
