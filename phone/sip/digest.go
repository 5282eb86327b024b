package sip

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/icholy/digest"

	gosip "github.com/emiago/sipgo/sip"
)

// Credentials are a user's name and password at a registrar or proxy.
type Credentials struct{ User, Password string }

// maxChallenges bounds how often one request is sent again: a registrar and a
// proxy may each challenge once, and each may find its nonce stale.
const maxChallenges = 4

// DoAs is Do, with credentials given to whoever asks for them (RFC 3261 §22).
// Each sending takes its CSeq from next. When the credentials were refused, the
// challenge itself is returned as the response.
func (e *Endpoint) DoAs(ctx context.Context, req *Request, who Credentials, next func() uint32) (*Response, error) {
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
		again.CSeq().SeqNo = next()
		req = again
	}
}

// Authorizer answers the challenges of one request.
type Authorizer struct {
	answered map[string]bool // realms
	rounds   int
}

// Again returns the request to send after a challenge, nil when there is none
// or when our credentials were already refused. Its CSeq is still the old one.
func (a *Authorizer) Again(req *Request, res *Response, who Credentials) (*Request, error) {
	asks, answers := "WWW-Authenticate", "Authorization"
	switch res.StatusCode {
	case 401:
	case 407:
		asks, answers = "Proxy-Authenticate", "Proxy-Authorization"
	default:
		return nil, nil
	}
	challenge, err := choose(res, asks)
	if err != nil {
		return nil, err
	}
	realm := asks + challenge.Realm
	if a.rounds++; a.rounds > maxChallenges || a.answered[realm] && !challenge.Stale {
		return nil, nil
	}
	if a.answered == nil {
		a.answered = make(map[string]bool)
	}
	a.answered[realm] = true
	cred, err := digest.Digest(challenge, digest.Options{
		Method: string(req.Method), URI: req.Recipient.String(), Username: who.User, Password: who.Password,
	})
	if err != nil {
		return nil, fmt.Errorf("answering the challenge of realm %q: %w", challenge.Realm, err)
	}
	again := req.Clone()
	again.RemoveHeader(answers) // of the nonce before; those of another kind stay (401 after 407)
	again.AppendHeader(gosip.NewHeader(answers, cred.String()))
	return again, nil
}

// choose takes the first challenge that can be answered: a registrar puts the one
// that it likes best on top (RFC 8760 §2.4).
func choose(res *Response, header string) (*digest.Challenge, error) {
	for _, h := range res.GetHeaders(header) {
		c, err := digest.ParseChallenge(h.Value())
		if err == nil && digest.CanDigest(c) {
			c.Algorithm = strings.ToUpper(c.Algorithm)
			return c, nil
		}
	}
	return nil, errors.New("the PBX asks for an authentication other than digest (MD5, SHA-256, SHA-512), which is all that can be had here")
}
