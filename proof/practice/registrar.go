package practice

import (
	"fmt"
	"strconv"
	"sync"
	"time"

	"releve/proof/practice/sip"
)

// Extra is what a registrar does with a second contact of a user.
type Extra string

// The two habits of PBXs that allow one contact a user.
const (
	Replace Extra = "replace" // the new contact takes the place of the old one
	Refuse  Extra = "refuse"  // the new one is refused until the old one has expired
)

// Binding is where a user can be reached, and until when.
type Binding struct {
	Contact string // a SIP URI
	Expires time.Time
}

const (
	defaultExpires = time.Minute
	maxExpires     = time.Hour
)

// registrar keeps one contact for each user (RFC 3261 §10.3).
type registrar struct {
	extra      Extra
	refuseCode int
	minExpires time.Duration

	mu       sync.Mutex
	bindings map[string]Binding // by user
}

// find is the live contact of a user.
func (r *registrar) find(user string) (Binding, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	b, ok := r.bindings[user]
	if ok && time.Now().After(b.Expires) {
		delete(r.bindings, user)
		return Binding{}, false
	}
	return b, ok
}

// request is one contact of a REGISTER with the time it asks for.
type request struct {
	contact sip.URI
	expires time.Duration
}

// apply carries out an authorised REGISTER. It changes nothing when it answers
// with a refusal.
func (r *registrar) apply(user string, req *sip.Message) (status int, kind Kind) {
	contacts := req.All("Contact")
	if len(contacts) == 0 {
		return 200, "" // a query
	}
	if contacts[0] == "*" {
		if req.Get("Expires") != "0" {
			return 400, RegisterRefused
		}
		r.drop(user)
		return 200, Unregistered
	}
	asked, err := readContact(contacts[0], req.Get("Expires"))
	if err != nil || len(contacts) > 1 {
		return 400, RegisterRefused
	}
	return r.change(user, asked)
}

func (r *registrar) change(user string, asked request) (status int, kind Kind) {
	held, bound := r.find(user)
	same := bound && sameContact(held.Contact, asked.contact)
	switch {
	case asked.expires == 0 && same:
		r.drop(user)
		return 200, Unregistered
	case asked.expires == 0:
		return 200, "" // somebody else's contact stays
	case bound && !same && r.extra == Refuse:
		return r.refuseCode, RegisterRefused
	}
	life := min(max(asked.expires, r.minExpires), maxExpires)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bindings[user] = Binding{Contact: asked.contact.String(), Expires: time.Now().Add(life)}
	return 200, Registered
}

func (r *registrar) drop(user string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.bindings, user)
}

// readContact reads a contact with its own expiry, or else the message's.
func readContact(value, messageExpires string) (request, error) {
	uri, err := sip.ParseURI(value)
	if err != nil {
		return request{}, err
	}
	if _, err := uri.Address(); err != nil {
		return request{}, err
	}
	text := sip.Param(value, "expires")
	if text == "" {
		text = messageExpires
	}
	if text == "" {
		return request{uri, defaultExpires}, nil
	}
	seconds, err := strconv.ParseUint(text, 10, 31)
	return request{uri, time.Duration(seconds) * time.Second}, err
}

// sameContact compares user and address; parameters do not make another contact.
func sameContact(held string, asked sip.URI) bool {
	uri, err := sip.ParseURI(held)
	if err != nil || uri.User != asked.User {
		return false
	}
	a, _ := uri.Address()
	b, _ := asked.Address()
	return a == b
}

// register answers a REGISTER: who is it, may he, what is bound now.
func (p *PBX) register(tx *sip.ServerTx) {
	req := tx.Request
	user, verdict := p.gate.Check(req, false)
	switch verdict {
	case sip.NoCredentials:
		tx.Respond(p.gate.Challenge(req, false, false))
		return
	case sip.Stale:
		tx.Respond(p.gate.Challenge(req, false, true))
		return
	case sip.WrongPassword:
		p.tell(Event{Kind: RegisterRefused, User: user, Code: 401, Contact: req.Get("Contact")})
		tx.Respond(p.gate.Challenge(req, false, false))
		return
	case sip.Known:
	}
	status, kind := 403, RegisterRefused
	if to, err := sip.ParseURI(req.Get("To")); err == nil && to.User == user {
		status, kind = p.registrar.apply(user, req)
	}
	if kind != "" {
		p.tell(Event{Kind: kind, User: user, Code: status, Contact: req.Get("Contact")})
	}
	p.respondBindings(tx, user, status)
}

// respondBindings answers with the contact that is bound now (RFC 3261 §10.3 step 8).
func (p *PBX) respondBindings(tx *sip.ServerTx, user string, status int) {
	if status != 200 {
		tx.Answer(status)
		return
	}
	res := tx.Request.Response(status)
	res.Set("To", sip.WithTag(res.Get("To"), sip.NewTag()))
	if b, ok := p.registrar.find(user); ok && !p.options.Hidden {
		left := time.Until(b.Expires).Round(time.Second) / time.Second
		res.Add("Contact", fmt.Sprintf("<%s>;expires=%d", b.Contact, left))
	}
	tx.Respond(res)
}
