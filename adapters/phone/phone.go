// Package phone is this server's telephone: calls that the PBX offers and what is
// said on them, the users it registers, and the questions it asks the PBX and the
// other server over SIP.
//
// A call is an [Incoming] until it is answered and a [Leg] afterwards. Nothing here
// decides whether to answer.
package phone

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"releve"

	"releve/adapters/phone/dialog"
	"releve/adapters/phone/locate"
	"releve/adapters/phone/media"
	"releve/adapters/phone/register"
	"releve/adapters/phone/sip"
)

// The words of registration, under the telephone's name.
type (
	Account    = register.Account
	Binding    = register.Binding
	Registered = register.Registered
)

// What calls and methods fail with.
var (
	// ErrNoMediaPort: all RTP ports are in use. The call is still to be refused.
	ErrNoMediaPort = releve.Known("no RTP port is free: widen [sip] rtp_first to rtp_last, or lower channels", "cause-no-port")
	// ErrNotAcceptable: no common codec, or an address that no sound goes to; the caller
	// has been refused, with the code of the [Unfit] that it comes with.
	ErrNotAcceptable = errors.New("the caller's description of the sound was refused")
	// ErrCancelled: the caller gave up before he was answered.
	ErrCancelled = sip.ErrCancelled
	// ErrGone: the other side hung up.
	ErrGone = releve.Known("the other side hung up", "cause-gone")
	// ErrLost: the PBX knows the call no more, or has nobody on it: there is nobody to talk to.
	ErrLost = releve.Known("the PBX has lost the call", "cause-pbx-lost")
	// ErrNoAck: the answer was never acknowledged; the call was ended with BYE.
	ErrNoAck = releve.Known("the answer was never acknowledged", "cause-no-ack")
	// ErrClosed: this telephone was closed.
	ErrClosed = sip.ErrClosed
)

// Options are the settings of a telephone.
type Options struct {
	Listen netip.AddrPort // one address of this server; port 0 takes a free one
	PBX    netip.AddrPort
	// PBXName is what the PBX is called where it is no address: a name, with a port or without (RFC 3263), of which Resolver
	// finds the addresses. PBX is not valid then.
	PBXName  string
	Resolver locate.Resolver
	// Transport is how the PBX is spoken to; "": UDP. Certificates are those of TLS.
	Transport    sip.Transport
	Certificates *sip.Certificates
	// Sources are addresses beside the PBX's from which SIP is taken, and Other is the
	// other server, from which OPTIONS is: of all others nothing is (SPEC K1).
	Sources []netip.Prefix
	Other   netip.Addr
	// Networks are the addresses to which sound goes, beside the two servers' own: a test
	// call may come to either (SPEC K4). None: where SIP is taken from.
	Networks []netip.Prefix
	// Security says which calls have encrypted sound; "": none has.
	Security media.Security
	Domain   string  // of the SIP users
	User     Account // as whom the PBX is asked while none is registered
	RTPFirst int
	RTPLast  int
	Log      *slog.Logger
	// Explain tells the operator a fact; nil: nobody is told.
	Explain func(what releve.Sentence)
	// Unacknowledged is how many answered calls may wait for an overdue ACK at a time;
	// 0: 4 (SPEC K4).
	Unacknowledged int
}

// Handler takes what comes.
type Handler struct {
	// Full is asked of each new call before anything is done for it, one after the other: it must not
	// block. Other than 0, it is the code with which the call is turned away. Nil: 0.
	Full func(releve.Opening) int
	// Invite has each new call, in a goroutine of its own. 100 Trying has been
	// sent, and never 180 or 183: those stop the overflow of several PBXs (H6). A
	// call that it returns from without answer or refusal is refused with 500.
	Invite func(*Incoming)
	// Unfit is told of each call that was refused for what it offers or asks before
	// Invite could have it. Nil: nobody is.
	Unfit func(Unfit)
	// Info is told what is said inside of calls (RFC 6086, without a package), in place of the call itself, and gives
	// the code of the answer. It must not wait. Nil: keys are heard.
	Info func(contentType string, body []byte) (code int)
	// Check answers the other server's question by SIP (H4): what it returns goes
	// back in X-Releve-Answer, with 200 or, not ok, 503; "" is 403, for a question that is
	// not the other's. Nil: 503.
	Check func(ctx context.Context, nonce string) (answer string, ok bool)
}

// Phone is one telephone on one address.
type Phone struct {
	options     Options
	handler     Handler // from Serve on, before which nobody is heard
	log         *slog.Logger
	endpoint    *sip.Endpoint
	media       *media.Engine
	registrar   *register.Client
	whereabouts *whereabouts
	moved       func() // it is another PBX that is spoken to, before back; set before Serve
	back        func() // the PBX may have forgotten who is bound; set before Serve
	timers      timers
	silence     time.Duration   // of a call, before the PBX is asked about it
	checks      chan struct{}   // one for each that is thought about
	ctx         context.Context // ends with the telephone
	end         context.CancelCauseFunc

	mu       sync.Mutex
	offers   map[offer]*Incoming // offered or in progress
	legs     map[dialog.ID]*Leg  // answered, and for a while after their end
	accounts map[string]Account  // that were registered here
	bound    []string            // users registered now, in the order in which they came
	overdue  int                 // calls whose ACK is
	beside   []netip.Prefix      // from which SIP is taken beside the PBX

	errands        sync.WaitGroup // what is said to the PBX and nobody waits for
	unacknowledged atomic.Int64   // calls
}

// New binds the SIP address. Nobody is heard before [Phone.Serve].
func New(o Options) (*Phone, error) {
	if o.Explain == nil {
		o.Explain = func(releve.Sentence) {}
	}
	engine, err := media.NewEngine(media.Options{
		Address: o.Listen.Addr(), First: o.RTPFirst, Last: o.RTPLast, Networks: o.networks(o.Sources, newWhereabouts(o).all()), Log: o.Log,
	})
	if err != nil {
		return nil, err
	}
	ctx, end := context.WithCancelCause(context.Background())
	p := &Phone{
		options: o, log: o.Log, media: engine, back: func() {}, moved: func() {}, whereabouts: newWhereabouts(o), timers: rfc3261, silence: silence, ctx: ctx, end: end,
		offers: make(map[offer]*Incoming), checks: make(chan struct{}, maxChecks),
		beside: o.Sources, legs: make(map[dialog.ID]*Leg), accounts: make(map[string]Account),
	}
	p.endpoint, err = sip.Listen(sip.Options{
		Listen: o.Listen, Log: o.Log, Sources: o.sources(o.Sources, p.whereabouts.all()),
		Transport: o.Transport, PBX: o.PBX, Certificates: o.Certificates,
		Back: func() { p.back() }, Silent: p.silent, Explain: o.Explain,
		OnPanic: p.broken,
		Handle:  p.receive,
		Full:    p.full,
		Stray:   func(res *sip.Response) { _ = p.acknowledgeAgain(res) },
	})
	if err != nil {
		engine.Close()
		end(ErrClosed)
		return nil, err
	}
	p.registrar = register.NewClient(p.endpoint, p.pbx, p.whereabouts.is, o.Domain)
	return p, nil
}

// Serve begins to read what comes. It is called once, before anything is sent, with whoever
// takes it: until then messages wait in the socket.
func (p *Phone) Serve(h Handler) {
	p.handler = h
	p.endpoint.Serve()
}

// full says with which code a new call is to be turned away.
func (p *Phone) full(o releve.Opening) int {
	if p.handler.Full == nil {
		return 0
	}
	p.mu.Lock()
	o.Present = len(p.offers)
	p.mu.Unlock()
	o.Late, o.Unacknowledged = p.media.Late(), int(p.unacknowledged.Load())
	return p.handler.Full(o)
}

// sources are the PBX and what is given beside it, and the other server for OPTIONS.
func (o Options) sources(beside []netip.Prefix, pbx []netip.AddrPort) sip.Sources {
	var s sip.Sources
	for _, at := range pbx {
		a := at.Addr().Unmap()
		s.Calls, s.PBX = append(s.Calls, netip.PrefixFrom(a, a.BitLen())), append(s.PBX, a)
	}
	s.Calls = append(s.Calls, beside...)
	if o.Other.IsValid() {
		s.Checks = []netip.Addr{o.Other.Unmap()}
	}
	return s
}

// networks are where sound may go.
func (o Options) networks(beside []netip.Prefix, pbx []netip.AddrPort) []netip.Prefix {
	all := slices.Clone(o.Networks)
	if len(all) == 0 {
		all = o.sources(beside, pbx).Calls
	}
	for _, server := range []netip.Addr{o.Listen.Addr().Unmap(), o.Other.Unmap()} {
		if server.IsValid() {
			all = append(all, netip.PrefixFrom(server, server.BitLen()))
		}
	}
	return all
}

// SetSources replaces the addresses beside the PBX's from which SIP is taken.
func (p *Phone) SetSources(beside []netip.Prefix) {
	p.mu.Lock()
	p.beside = beside
	p.mu.Unlock()
	p.resetSources()
}

// resetSources puts in force what is known of where SIP comes from and sound goes.
func (p *Phone) resetSources() {
	p.mu.Lock()
	defer p.mu.Unlock()
	pbx := p.whereabouts.all()
	p.endpoint.SetSources(p.options.sources(p.beside, pbx))
	p.media.SetNetworks(p.options.networks(p.beside, pbx))
}

// Strangers tells what came from elsewhere and was dropped.
func (p *Phone) Strangers() sip.Strangers { return p.endpoint.Strangers() }

// Addr is where the telephone listens.
func (p *Phone) Addr() netip.AddrPort { return p.endpoint.Addr() }

// Close closes the sockets at once (RULES R9): no call is told, none is waited for,
// and all of them are gone. It may be called more than once.
func (p *Phone) Close() error {
	err := p.endpoint.Close()
	p.mu.Lock()
	p.end(ErrClosed)
	p.mu.Unlock()
	p.media.Close()
	p.errands.Wait()
	return err
}

// Bindings asks the PBX for all contacts of a user and changes none. An empty list
// proves nothing: some PBXs show none.
func (p *Phone) Bindings(ctx context.Context, a Account) ([]Binding, error) {
	return p.registrar.Bindings(ctx, a)
}

// Register binds a user to this server, once. A refusal is a [*register.StatusError].
func (p *Phone) Register(ctx context.Context, a Account) (Registered, error) {
	p.mu.Lock()
	p.accounts[a.User] = a
	if !slices.Contains(p.bound, a.User) {
		p.bound = append(p.bound, a.User)
	}
	p.mu.Unlock()
	return p.registrar.Register(ctx, a)
}

// Unregister removes this server's own contact of a user if it is there, and no
// other's.
func (p *Phone) Unregister(ctx context.Context, a Account) error {
	p.mu.Lock()
	p.bound = slices.DeleteFunc(p.bound, func(user string) bool { return user == a.User })
	p.mu.Unlock()
	return p.registrar.Unregister(ctx, a)
}

// receive sorts requests (RFC 3261 §8.2), one after the other in the order of their
// arrival: what takes time has a goroutine of its own.
func (p *Phone) receive(req *sip.Request, t *sip.Transaction) {
	switch {
	case req.Method == "ACK":
		if l := p.leg(dialog.Of(req)); l != nil {
			l.acknowledged(req)
		}
	case !sip.Allowed(string(req.Method)):
		p.reply(t, unknown(req), "Allow", sip.Methods)
	case !t.Initial():
		p.inside(req, t)
	default:
		p.outside(req, t)
	}
}

// begin runs f in a goroutine of its own, where a panic ends one call and not the server.
func (p *Phone) begin(f func()) {
	go func() {
		defer p.survive()
		f()
	}()
}

// errand runs f as begin does: something that is said to the PBX and that nobody waits for, but Close.
func (p *Phone) errand(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx.Err() != nil {
		return // there is nothing to say it with
	}
	p.errands.Go(func() {
		defer p.survive()
		f()
	})
}

// survive is to be deferred.
func (p *Phone) survive() {
	if bad := recover(); bad != nil {
		p.log.Error("panic: it ended one call", "panic", bad, "stack", string(debug.Stack()))
		p.broken(fmt.Sprint(bad))
	}
}

// broken tells of a fault of this program that ended one message or one call and nothing
// else (K9).
func (p *Phone) broken(what string) {
	p.options.Explain(releve.Say("event-message-broken", "cause", what))
}

func unknown(req *sip.Request) int {
	if sip.Known(string(req.Method)) {
		return 405
	}
	return 501
}

// outside takes requests that belong to no dialog.
func (p *Phone) outside(req *sip.Request, t *sip.Transaction) {
	if scheme := strings.ToLower(req.Recipient.Scheme); scheme != "sip" && scheme != "sips" {
		p.unfit(req, t, 416, fmt.Errorf("the scheme of its Request-URI is %.20q and not sip", scheme))
		return
	}
	if required := strings.Join(sip.Values(req, "Require"), ", "); required != "" {
		p.unfit(req, t, 420, releve.Known("Require: "+required, "cause-required", "required", required), "Unsupported", required)
		return
	}
	switch req.Method {
	case "INVITE":
		p.offered(req, t)
	case "OPTIONS":
		p.asked(req, t)
	default: // BYE and NOTIFY are of a dialog, or of nothing
		p.reply(t, 481)
	}
}

// inside takes requests that belong to a dialog.
func (p *Phone) inside(req *sip.Request, t *sip.Transaction) {
	l := p.leg(dialog.Of(req))
	if l == nil {
		p.reply(t, 481)
		return
	}
	l.note(req)
	switch req.Method {
	case "BYE":
		l.forgetOffer() // before the message behind it is looked at
		l.end(ErrGone)
		p.reply(t, 200)
	case "INVITE":
		if required := sip.Value(req, "Require"); required != "" {
			p.reply(t, 420, "Unsupported", required)
			return
		}
		p.begin(func() { l.reinvited(req, t) })
	case "NOTIFY":
		l.notified(req, t)
	case "INFO":
		p.reply(t, p.informed(l, req))
	default: // OPTIONS
		p.reply(t, 200, "Allow", sip.Methods, "Accept", "application/sdp")
	}
}

// reply sends a response. Where it cannot be sent the other side repeats the request, or
// gives up by itself: there is nobody to tell.
func (p *Phone) reply(t *sip.Transaction, code int, headers ...string) {
	if err := t.Respond(code, nil, headers...); err != nil {
		p.log.Debug("SIP response not sent", "code", code, "error", err)
	}
}

func (p *Phone) leg(id dialog.ID) *Leg {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.legs[id]
}

// source is where a request came from.
func source(req *sip.Request) netip.AddrPort {
	from, err := netip.ParseAddrPort(req.Source())
	if err != nil {
		return netip.AddrPort{} // the socket writes it: it parses
	}
	return from
}

// contact is the URI of a user at this server.
func (p *Phone) contact(user string) string {
	if user == "" {
		return "sip:" + p.endpoint.Addr().String() + p.endpoint.Transport().Param()
	}
	return p.registrar.Contact(user)
}

// contactFor is our Contact in a dialog that a request makes: one to a sips URI wants such a one back (RFC 3261 §12.1.1),
// which says by itself that it is reached over TLS (RFC 5630 §3.1.3).
func (p *Phone) contactFor(req *sip.Request) string {
	contact := p.contact(sip.User(req.Recipient))
	over := p.endpoint.Transport()
	if req.Transport() == "UDP" { // of somebody beside the PBX, who speaks that
		return strings.TrimSuffix(contact, over.Param())
	}
	if over != sip.TLS || !strings.EqualFold(req.Recipient.Scheme, "sips") {
		return contact
	}
	return "sips:" + strings.TrimSuffix(strings.TrimPrefix(contact, "sip:"), over.Param())
}
