// Package register keeps SIP users bound to this server at the PBX's registrar
// (RFC 3261 §10).
//
// Two servers share the users of a site, so what is not ours is sacred: bindings are
// read first, only our own is ever removed, and "Contact: *" is never sent.
package register

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"releve/adapters/phone/sip"
)

// Account is a SIP user at the PBX.
type Account struct {
	User, Password string
	Expires        time.Duration // asked for; the registrar may grant another
	// Still is asked before each request that binds the user, a challenge answered among
	// them: one that is false ends it with [ErrNotWanted]. Nil: always.
	Still func() bool
}

// ErrNotWanted: while the PBX was asked to bind the user, it was no longer to be bound here.
var ErrNotWanted = errors.New("the user is no longer to be bound to this server")

// Binding is one contact that the registrar shows for a user.
type Binding struct {
	URI     string
	Expires time.Duration // left; 0 where the registrar does not say
	// Own: it is this server's contact. Host and port are compared and nothing else,
	// because some registrars keep an old URI with other parameters. One that shows our
	// contact under another host (NAT, a border controller) was recognised by what our
	// own REGISTER did to its list.
	Own bool
}

// Registered is what a registrar granted.
type Registered struct {
	Expires  time.Duration // from At on
	At       time.Time     // when the request left: the binding is never older than that
	Bindings []Binding     // all of the user, others' too
}

// Shown says whether the registrar shows this server's binding: only then does its
// absence from a later list say anything.
func (r Registered) Shown() bool { return slices.ContainsFunc(r.Bindings, isOwn) }

func isOwn(b Binding) bool { return b.Own }

// StatusError is a final response other than 2xx.
type StatusError struct {
	Code    int
	Reason  string // the registrar's own words
	Request string // what was refused, for example "REGISTER reception"
	// RetryAfter is how long the PBX wants to be left alone (RFC 3261 §20.33), 0 where it
	// does not say.
	RetryAfter time.Duration
}

// Status is the response's code.
func (e *StatusError) Status() int { return e.Code }

func (e *StatusError) Error() string {
	return fmt.Sprintf("the PBX answers %d %s to %s%s", e.Code, e.Reason, e.Request, advice[e.Code])
}

// advice says what to look at first.
var advice = map[int]string{
	401: ": check the user's password",
	403: ": it may hold another binding of this user until that expires, or forbid this address",
	404: ": check that the user exists there and that the domain is right",
	407: ": check the user's password",
	423: ": it wants a longer expiry",
	503: ": it may hold another binding of this user until that expires, or be overloaded",
}

// Client sends REGISTER requests for any number of users.
type Client struct {
	endpoint *sip.Endpoint
	pbx      func() netip.AddrPort // not valid: nobody knows where it is
	domain   string
	trust    *sip.Trust

	mu    sync.Mutex
	users map[string]*user
}

// user is what RFC 3261 §10.2.4 wants kept for as long as this client lives: one
// Call-ID, and a CSeq that only rises. It is owned by who holds its turn, so that
// no REGISTER is sent before the one before it was answered (§10.2).
type user struct {
	turn   chan struct{} // holds one value while nobody asks
	callID string
	tag    string
	seq    uint32

	before   []Binding       // of the last answer
	rewrites map[string]bool // hosts and ports under which the registrar shows our contact
}

// ErrNowhere: nobody knows where the registrar is.
var ErrNowhere = errors.New("the registrar has no address")

// NewClient makes a client of the registrar at pbx. trusted says whose challenges are answered: its addresses'.
func NewClient(e *sip.Endpoint, pbx func() netip.AddrPort, trusted func(netip.Addr) bool, domain string) *Client {
	return &Client{endpoint: e, pbx: pbx, domain: domain, trust: sip.NewTrust(trusted, domain), users: make(map[string]*user)}
}

// Credentials are those of a user, for this PBX alone (K2).
func (c *Client) Credentials(a Account) sip.Credentials {
	return sip.Credentials{User: a.User, Password: a.Password, Trust: c.trust}
}

// Contact is the URI under which this server binds a user.
func (c *Client) Contact(name string) string {
	return "sip:" + sip.Escape(name) + "@" + c.endpoint.Addr().String() + c.endpoint.Transport().Param()
}

// Bindings asks for all contacts of a user and changes none (RFC 3261 §10.2.3). Some
// registrars show none although there are some: an empty list proves nothing.
func (c *Client) Bindings(ctx context.Context, a Account) ([]Binding, error) {
	_, all, err := c.register(ctx, a, "", 0)
	return all, err
}

// Register binds a user to this server, and asks again with the registrar's own
// minimum where the expiry was too short (423).
func (c *Client) Register(ctx context.Context, a Account) (Registered, error) {
	at := time.Now()
	res, all, err := c.register(ctx, a, c.Contact(a.User), a.Expires)
	if least, ok := tooBrief(err); ok {
		a.Expires, at = least, time.Now()
		res, all, err = c.register(ctx, a, c.Contact(a.User), a.Expires)
	}
	if err != nil {
		return Registered{}, err
	}
	return granted(res, a, at, all), nil
}

// granted reads the expiry of our own contact, and falls back on what the message
// says for all, and on what we asked for.
func granted(res *sip.Response, a Account, at time.Time, all []Binding) Registered {
	r := Registered{At: at, Expires: a.Expires, Bindings: all}
	if all, ok := seconds(sip.Value(res, "Expires")); ok && all > 0 {
		r.Expires = all
	}
	for _, b := range r.Bindings {
		if b.Own && b.Expires > 0 {
			r.Expires = b.Expires
		}
	}
	return r
}

// lookLimit bounds the look at the list before a removal: a PBX that will not show it
// is told all the same.
const lookLimit = time.Second

// Unregister removes this server's own contact of a user, and names no other. It need
// not have been shown (RFC 3261 §10.2.2); but where the list shows others alone, ours is
// gone, and nothing is sent: a registrar may answer any removal by removing everybody's
// (DESIGN §4).
func (c *Client) Unregister(ctx context.Context, a Account) error {
	look, done := context.WithTimeout(ctx, lookLimit)
	all, err := c.Bindings(look, a)
	done()
	if err == nil && len(all) > 0 && !slices.ContainsFunc(all, isOwn) {
		return nil
	}
	for _, uri := range c.ownURIs(a.User, all) {
		if _, _, err := c.register(ctx, a, uri, 0); err != nil {
			return err
		}
	}
	return nil
}

// ownURIs are the URIs by which our contact is removed: as they are shown, where they
// bear our address, and else as we gave it.
func (c *Client) ownURIs(user string, all []Binding) []string {
	var uris []string
	for _, b := range all {
		if u, err := sip.ParseURI(b.URI); err == nil && c.own(u) {
			uris = append(uris, b.URI)
		}
	}
	if len(uris) == 0 {
		uris = []string{c.Contact(user)}
	}
	return uris
}

// bindings reads every contact of a response.
func (c *Client) bindings(res *sip.Response) []Binding {
	var all []Binding
	for _, contact := range sip.Contacts(res) {
		left, _ := seconds(contact.Params["expires"])
		all = append(all, Binding{URI: contact.URI.String(), Expires: left, Own: c.own(contact.URI)})
	}
	return all
}

// recognise finds our contact in a list that shows it under another host. The answer to
// our own REGISTER must hold it (RFC 3261 §10.3): it is the only one there, or the one
// that came or lasts longer since the answer before.
func (u *user) recognise(all []Binding, registered bool) {
	defer func() { u.before = all }()
	if slices.ContainsFunc(all, isOwn) {
		u.rewrites = nil
		return
	}
	if registered {
		u.rewrites = u.changed(all)
	}
	for i, b := range all {
		all[i].Own = u.rewrites[place(b)]
	}
}

// changed are the contacts that may be what our REGISTER made or renewed; what was
// known as ours stays so where nothing says better.
func (u *user) changed(all []Binding) map[string]bool {
	if len(all) == 1 {
		return map[string]bool{place(all[0]): true}
	}
	found := make(map[string]bool)
	for _, b := range all {
		i := slices.IndexFunc(u.before, func(old Binding) bool { return place(old) == place(b) })
		if i < 0 || b.Expires > u.before[i].Expires {
			found[place(b)] = true
		}
	}
	if len(found) != 1 {
		return u.rewrites
	}
	return found
}

// place is the host and port of a binding.
func place(b Binding) string {
	u, err := sip.ParseURI(b.URI)
	if err != nil {
		return b.URI
	}
	return fmt.Sprintf("%s:%d", strings.ToLower(u.Host), u.Port)
}

func (c *Client) own(u sip.URI) bool {
	host, err := netip.ParseAddr(strings.Trim(u.Host, "[]"))
	port := u.Port
	if port == 0 {
		port = 5060
	}
	return err == nil && netip.AddrPortFrom(host, uint16(port)) == c.endpoint.Addr()
}

// register sends one REGISTER, without Contact when contact is "", gives credentials
// where they are asked for, and reads the list of the answer.
func (c *Client) register(
	ctx context.Context, a Account, contact string, expires time.Duration,
) (*sip.Response, []Binding, error) {
	u := c.user(a.User)
	select {
	case <-u.turn:
		defer func() { u.turn <- struct{}{} }()
	case <-ctx.Done():
		return nil, nil, context.Cause(ctx)
	}
	binds := contact != "" && expires > 0
	next := func() (uint32, error) {
		if binds && a.Still != nil && !a.Still() {
			return 0, ErrNotWanted
		}
		u.seq++
		return u.seq, nil
	}
	seq, err := next()
	if err != nil {
		return nil, nil, err
	}
	req, err := c.request(u, a.User, contact, expires, seq)
	if err != nil {
		return nil, nil, err
	}
	res, err := c.endpoint.DoAs(ctx, req, c.Credentials(a), next)
	if err != nil {
		return nil, nil, fmt.Errorf("REGISTER %s at %s: %w", a.User, req.Destination(), err)
	}
	if res.StatusCode >= 300 {
		return nil, nil, refusal(res, "REGISTER "+a.User)
	}
	all := c.bindings(res)
	u.recognise(all, binds)
	if contact != "" && expires == 0 {
		u.rewrites = nil
	}
	return res, all, nil
}

func (c *Client) request(u *user, name, contact string, expires time.Duration, seq uint32) (*sip.Request, error) {
	registrar, err := sip.ParseURI("sip:" + c.domain)
	if err != nil {
		return nil, err
	}
	record := "<sip:" + sip.Escape(name) + "@" + c.domain + ">"
	req, err := sip.NewRequest("REGISTER", registrar, record, u.tag, record, "", u.callID, seq)
	if err != nil {
		return nil, err
	}
	pbx := c.pbx()
	if !pbx.IsValid() {
		return nil, ErrNowhere
	}
	req.SetDestination(pbx.String())
	if contact != "" {
		whole := strconv.Itoa(int(expires.Round(time.Second) / time.Second))
		sip.Set(req, "Contact", "<"+contact+">;expires="+whole)
		sip.Set(req, "Expires", whole) // for registrars that do not read the parameter
	}
	return req, nil
}

func (c *Client) user(name string) *user {
	c.mu.Lock()
	defer c.mu.Unlock()
	u, ok := c.users[name]
	if !ok {
		u = &user{turn: make(chan struct{}, 1), callID: rand.Text(), tag: rand.Text()}
		u.turn <- struct{}{}
		c.users[name] = u
	}
	return u
}

// refusal makes an error of a final response.
func refusal(res *sip.Response, request string) error {
	err := &StatusError{Code: res.StatusCode, Reason: res.Reason, Request: request, RetryAfter: retryAfter(res)}
	if least, ok := seconds(sip.Value(res, "Min-Expires")); ok && res.StatusCode == 423 {
		return &briefError{StatusError: err, least: least}
	}
	return err
}

// briefError is a 423 with its Min-Expires (RFC 3261 §21.4.17).
type briefError struct {
	*StatusError
	least time.Duration
}

// Unwrap lets callers find the StatusError.
func (e *briefError) Unwrap() error { return e.StatusError }

func tooBrief(err error) (least time.Duration, ok bool) {
	brief, ok := errors.AsType[*briefError](err)
	if !ok {
		return 0, false
	}
	return brief.least, true
}

// retryAfter reads a Retry-After, which may have a comment and parameters behind it.
func retryAfter(res *sip.Response) time.Duration {
	text := strings.TrimSpace(sip.Value(res, "Retry-After"))
	if end := strings.IndexFunc(text, func(r rune) bool { return r < '0' || r > '9' }); end >= 0 {
		text = text[:end]
	}
	wait, _ := seconds(text)
	return wait
}

func seconds(text string) (time.Duration, bool) {
	n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 32)
	return time.Duration(n) * time.Second, err == nil
}
