// Package practice is a practice PBX with telephones and callers, for the
// demonstration, drills and training.
//
// It shares no code with the telephone link that it exercises: one misreading of
// a standard must not stand on both sides. Its tests measure it against SIPp.
package practice

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"releve"
	"releve/proof/practice/sip"
)

// The users of a practice PBX, beside its ten telephones 1001 to 1010.
const (
	ReceptionUser = "reception"
	StandbyUser   = "standby"
	firstPhone    = 1001
	lastPhone     = 1010
)

// PBXOptions say what kind of switch the practice PBX is. Those with a default
// may be zero.
type PBXOptions struct {
	Listen netip.AddrPort // UDP
	Realm  string         // of digests, and the domain of the users
	Number string         // the published number

	ReceptionPassword, StandbyPassword, PhonePassword string

	NoReply    time.Duration // a server's time for its first SIP response, default 1 s
	NoAnswer   time.Duration // its time to answer once it responded, default 5 s
	BackDelay  time.Duration // before the second and later returns, default 2 s
	BackMax    int           // returns to the main after a refusal, default 3; negative: none
	Extra      Extra         // default Replace
	RefuseCode int           // of Extra Refuse, default 403
	MinExpires time.Duration // a shorter binding is lengthened, default 5 s
	Hidden     bool          // a registration is answered without the list of contacts
	Wary       bool          // who sends OPTIONS as nobody is heard no more
	Diversion  bool          // overflowed calls say so (RFC 5806)
	History    bool          // overflowed calls say so (RFC 7044)
	Rewrites   bool          // To names whom it calls, as a back-to-back agent's does; a proxy leaves it
	AuthCalls  bool          // calls need digest authentication (407)
	Fixed      bool          // nothing changes within a call: a re-INVITE is refused (488)
	DropsInfo  bool          // an INFO within a call is answered, and goes no further

	// Relay has sound go through the PBX, where what it says false of is lost; nil: it goes straight between
	// telephones.
	Relay func(packet []byte) bool

	Log     *slog.Logger
	OnEvent func(Event) // called in the order of events of one call; must not wait
}

// PBX is a registrar and a proxy that stays in the calls' path (Record-Route).
// A call to the published number goes to the contact of reception; refused,
// unanswered or unregistered, it overflows to that of standby; refused there it
// comes back to the main.
type PBX struct {
	options   PBXOptions
	endpoint  *sip.Endpoint
	registrar *registrar
	gate      *sip.Gate
	relay     *relay   // nil: there is none
	banned    sync.Map // addresses that are heard no more
}

const allow = "INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER, REFER, NOTIFY, INFO, UPDATE"

// NewPBX starts a practice PBX. The error says which address could not be had.
func NewPBX(o PBXOptions) (*PBX, error) {
	if o.Realm == "" || o.Number == "" || o.Log == nil {
		return nil, errors.New("a practice PBX needs a realm, a published number and a logger")
	}
	o = o.withDefaults()
	endpoint, err := sip.Listen(o.Listen, o.Log)
	if err != nil {
		return nil, err
	}
	p := &PBX{
		options:  o,
		endpoint: endpoint,
		gate:     &sip.Gate{Realm: o.Realm, Passwords: o.passwords()},
		registrar: &registrar{
			extra: o.Extra, refuseCode: o.RefuseCode, minExpires: o.MinExpires, bindings: map[string]Binding{},
		},
	}
	if o.Relay != nil {
		p.relay = newRelay(o.Listen.Addr(), o.Relay)
	}
	endpoint.Serve(p.handle)
	return p, nil
}

func (o PBXOptions) withDefaults() PBXOptions {
	o.NoReply = orElse(o.NoReply, time.Second)
	o.NoAnswer = orElse(o.NoAnswer, 5*time.Second)
	o.BackDelay = orElse(o.BackDelay, 2*time.Second)
	o.BackMax = orElse(o.BackMax, 3)
	o.Extra = orElse(o.Extra, Replace)
	o.RefuseCode = orElse(o.RefuseCode, 403)
	o.MinExpires = orElse(o.MinExpires, 5*time.Second)
	if o.OnEvent == nil {
		o.OnEvent = func(Event) {}
	}
	return o
}

// orElse is v, or the default when v is zero.
func orElse[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

func (o PBXOptions) passwords() map[string]string {
	all := map[string]string{ReceptionUser: o.ReceptionPassword, StandbyUser: o.StandbyPassword}
	for n := firstPhone; n <= lastPhone; n++ {
		all[strconv.Itoa(n)] = o.PhonePassword
	}
	return all
}

// Close forgets every call and binding, at once, as a power cut would.
func (p *PBX) Close() error {
	err := p.endpoint.Close()
	p.relay.close()
	return err
}

// Addr is where the PBX listens.
func (p *PBX) Addr() netip.AddrPort { return p.endpoint.Addr() }

// Bindings are the live contacts of a user: none or one.
func (p *PBX) Bindings(user string) []Binding {
	if b, ok := p.registrar.find(user); ok {
		return []Binding{b}
	}
	return nil
}

func (p *PBX) tell(e Event) {
	e.At = time.Now()
	p.options.Log.Debug("practice PBX", "event", e.Kind, "call", e.Call, "user", e.User, "code", e.Code, "contact", e.Contact)
	p.options.OnEvent(e)
}

func (p *PBX) handle(tx *sip.ServerTx) {
	req := tx.Request
	if p.bans(req) {
		return
	}
	switch {
	case sip.Param(req.Get("To"), "tag") != "" && req.Method == "INVITE" && p.options.Fixed:
		tx.Answer(488)
	case req.Method == "INFO" && p.options.DropsInfo:
		tx.Answer(200)
	case sip.Param(req.Get("To"), "tag") != "":
		p.relayInDialog(tx)
	case req.Method == "REGISTER":
		p.register(tx)
	case req.Method == "OPTIONS":
		res := req.Response(200)
		res.Set("To", sip.WithTag(res.Get("To"), sip.NewTag()))
		res.Add("Allow", allow)
		res.Add("Accept", "application/sdp")
		tx.Respond(res)
	case req.Method == "INVITE":
		p.takeCall(tx)
	case req.Method != "ACK":
		res := req.Response(405)
		res.Add("Allow", allow)
		tx.Respond(res)
	}
}

// bans says whether a sender is heard no more: who once sent an OPTIONS as nobody, to a wary PBX.
func (p *PBX) bans(req *sip.Message) bool {
	host := sip.Param(req.Get("Via"), "received")
	if p.options.Wary && req.Method == "OPTIONS" && userOf(req.Get("From")) == "" {
		p.banned.Store(host, true)
	}
	_, banned := p.banned.Load(host)
	return banned
}

// takeCall checks that a call may be made, and routes it by its number.
func (p *PBX) takeCall(tx *sip.ServerTx) {
	uri, err := sip.ParseURI(tx.Request.URI)
	if err != nil || !p.isOwn(uri) {
		tx.Answer(403)
		return
	}
	if hops(tx.Request) == 0 {
		tx.Answer(483)
		return
	}
	if p.options.AuthCalls {
		if _, verdict := p.gate.Check(tx.Request, true); verdict != sip.Known {
			tx.Respond(p.gate.Challenge(tx.Request, true, verdict == sip.Stale))
			return
		}
	}
	tx.Answer(100)
	c := p.newCall(tx)
	p.endpoint.Go(func(ctx context.Context) { c.route(ctx, uri.User) })
}

// isOwn says whether a URI names this PBX, by its domain or its address.
func (p *PBX) isOwn(uri sip.URI) bool {
	if uri.Host == p.options.Realm {
		return true
	}
	at, err := uri.Address()
	return err == nil && at == p.Addr()
}

// isUser says whether a number is a telephone or the standby's own.
func isUser(number string) bool {
	n, err := strconv.Atoi(number)
	return number == StandbyUser || err == nil && n >= firstPhone && n <= lastPhone
}

// hops is how many proxies a request may still pass.
func hops(req *sip.Message) int {
	n, err := strconv.Atoi(req.Get("Max-Forwards"))
	if err != nil {
		return 70
	}
	return max(n, 0)
}

func userOf(value string) string {
	uri, err := sip.ParseURI(value)
	if err != nil {
		return ""
	}
	return uri.User
}

func callOf(m *sip.Message) releve.CallID { return releve.CallID(m.CallID()) }
