package sip

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"sync"

	"github.com/icholy/digest"

	gosip "github.com/emiago/sipgo/sip"
)

// Credentials are a user's name and password at a registrar or proxy, and who may ask
// for them. Without Trust nobody may.
type Credentials struct {
	User, Password string
	Trust          *Trust
}

// maxChallenges bounds how often one request is sent again: a registrar and a
// proxy may each challenge once, and each may find its nonce stale.
const maxChallenges = 4

// maxRealms bounds the realms that are remembered of one PBX.
const maxRealms = 8

// Trust says whose challenges are answered (SPEC K2). A digest is worth a password: who
// gets one can guess at it for as long as he likes, or hand it on to the PBX.
//
// Only the PBX's own address is answered, and only about a request that was sent there:
// a call's other end, which names itself in Contact, is a stranger. The realm must be
// the PBX's own too. It is the SIP domain, and each realm with which that address
// challenged a request outside any dialog, a REGISTER above all: those go nowhere but to
// the configured address. Inside a dialog, where the other side chooses where our
// requests go, no realm is learned.
type Trust struct {
	pbx    func(netip.Addr) bool
	domain string

	mu     sync.Mutex
	realms []string
}

// NewTrust trusts the PBX at its addresses.
func NewTrust(pbx func(netip.Addr) bool, domain string) *Trust {
	return &Trust{pbx: pbx, domain: domain}
}

// allowed are those of a response's challenges that may be answered. Beside a realm that is
// known another is not learned: the PBX hands on what somebody behind it asked for.
func (t *Trust) allowed(req *Request, res *Response, all []*digest.Challenge) []*digest.Challenge {
	if t == nil || !t.is(req.Destination()) || !t.is(res.Source()) {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	var known []*digest.Challenge
	for _, c := range all {
		if t.knows(c.Realm) {
			known = append(known, c)
		}
	}
	if len(known) > 0 || ToTag(req) != "" {
		return known
	}
	for _, c := range all {
		if !t.knows(c.Realm) {
			t.realms = append(t.realms[max(0, len(t.realms)-maxRealms+1):], c.Realm)
		}
	}
	return all
}

func (t *Trust) knows(realm string) bool {
	return realm == t.domain || slices.Contains(t.realms, realm)
}

func (t *Trust) is(address string) bool {
	a, err := netip.ParseAddrPort(address)
	return err == nil && t.pbx(a.Addr().Unmap())
}

// DoAs is Do, with credentials given to the PBX where it asks for them (RFC 3261 §22).
// Each sending with credentials takes its CSeq from next, whose error ends it: whoever asks
// no longer wants what it asked for. When the credentials were refused, or whoever asks may
// not have them, the challenge itself is returned as the response.
func (e *Endpoint) DoAs(ctx context.Context, req *Request, who Credentials, next func() (uint32, error)) (*Response, error) {
	var a Authorizer
	for {
		res, err := e.Do(ctx, req)
		if err != nil {
			return nil, err
		}
		again, err := a.Again(req, res, who)
		if err != nil || again == nil {
			return res, err
		}
		if again.CSeq().SeqNo, err = next(); err != nil {
			return nil, err
		}
		req = again
	}
}

// Authorizer answers the challenges of one request.
type Authorizer struct {
	answered map[string]bool // realms
	rounds   int
}

// Again returns the request to send after a challenge, nil when there is none, when it
// is not for whoever asks, or when our credentials were already refused. Its CSeq is
// still the old one.
func (a *Authorizer) Again(req *Request, res *Response, who Credentials) (*Request, error) {
	asks, answers := "WWW-Authenticate", "Authorization"
	switch res.StatusCode {
	case 401:
	case 407:
		asks, answers = "Proxy-Authenticate", "Proxy-Authorization"
	default:
		return nil, nil
	}
	all, err := answerable(res, asks)
	if err != nil {
		return nil, err
	}
	chosen := a.choose(asks, who.Trust.allowed(req, res, all))
	if len(chosen) == 0 {
		return nil, nil
	}
	again := req.Clone()
	for _, challenge := range chosen {
		cred, err := digest.Digest(challenge, digest.Options{
			Method: string(req.Method), URI: req.Recipient.String(), Username: who.User, Password: who.Password,
			GetBody: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(req.Body())), nil },
		})
		if err != nil {
			return nil, fmt.Errorf("answering the challenge of realm %q: %w", challenge.Realm, err)
		}
		giveUp(again, answers, challenge.Realm)
		again.AppendHeader(gosip.NewHeader(answers, authorization(cred)))
	}
	return again, nil
}

// giveUp takes the credentials of a realm, which are of a nonce before, out of a request. Those of another realm stay, for
// each proxy on the way looks for its own (RFC 3261 §22.3), and so do those of another kind.
func giveUp(req *Request, header, realm string) {
	var kept []string
	for _, h := range req.GetHeaders(header) {
		if own := challenges(h.Value()); len(own) != 1 || own[0].params["realm"] != realm {
			kept = append(kept, h.Value())
		}
	}
	for req.RemoveHeader(header) {
	}
	for _, value := range kept {
		req.AppendHeader(gosip.NewHeader(header, value))
	}
}

// choose takes of each realm the first challenge that is worth an answer, and notes it: who puts several below each
// other likes the topmost best (RFC 8760 §2.4), and several proxies may ask in one response (RFC 3261 §22.3). A realm
// that asks again has refused the credentials, unless only its nonce was too old.
func (a *Authorizer) choose(header string, all []*digest.Challenge) (chosen []*digest.Challenge) {
	if a.rounds >= maxChallenges {
		return nil
	}
	now := map[string]bool{}
	for _, c := range all {
		if !now[c.Realm] && (c.Stale || !a.answered[header+c.Realm]) {
			now[c.Realm], chosen = true, append(chosen, c)
		}
	}
	if len(chosen) > 0 && a.answered == nil {
		a.answered = make(map[string]bool)
	}
	for realm := range now {
		a.answered[header+realm] = true
	}
	a.rounds++
	return chosen
}
