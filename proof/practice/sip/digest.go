package sip

import (
	"crypto/md5"
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"time"
)

// Account is a SIP user with its password.
type Account struct {
	User     string
	Password string
}

// Authorize copies a request that was challenged with 401 or 407, with the
// credentials that the challenge asks for and a CSeq one higher (RFC 3261 §22).
// The error says why the challenge cannot be met.
func Authorize(req, challenge *Message, account Account) (*Message, error) {
	asked, answer := "WWW-Authenticate", "Authorization"
	if challenge.Status == 407 {
		asked, answer = "Proxy-Authenticate", "Proxy-Authorization"
	}
	params, err := digestParams(challenge.Get(asked))
	if err != nil {
		return nil, err
	}
	if alg := params["algorithm"]; alg != "" && !strings.EqualFold(alg, "MD5") {
		return nil, fmt.Errorf("the PBX asks for digest %s: only MD5 is spoken here", alg)
	}
	next := req.Clone()
	number, method := req.CSeq()
	next.Set("CSeq", fmt.Sprintf("%d %s", number+1, method))
	next.Set(answer, credentials(params, account, method, req.URI))
	return next, nil
}

func credentials(asked map[string]string, account Account, method, uri string) string {
	given := map[string]string{
		"username": account.User, "realm": asked["realm"], "nonce": asked["nonce"], "uri": uri,
	}
	if asked["qop"] != "" {
		given["qop"], given["nc"], given["cnonce"] = "auth", "00000001", rand.Text()[:12]
	}
	text := fmt.Sprintf(`Digest username="%s", realm="%s", nonce="%s", uri="%s", response="%s", algorithm=MD5`,
		account.User, given["realm"], given["nonce"], uri, digestOf(given, account.Password, method))
	if given["qop"] != "" {
		text += fmt.Sprintf(`, qop=auth, nc=%s, cnonce="%s"`, given["nc"], given["cnonce"])
	}
	if asked["opaque"] != "" {
		text += fmt.Sprintf(`, opaque="%s"`, asked["opaque"])
	}
	return text
}

// digestOf is the response of RFC 2617 §3.2.2 for credentials as given.
func digestOf(given map[string]string, password, method string) string {
	secret := hash(given["username"], given["realm"], password)
	request := hash(method, given["uri"])
	if given["qop"] == "" {
		return hash(secret, given["nonce"], request)
	}
	return hash(secret, given["nonce"], given["nc"], given["cnonce"], given["qop"], request)
}

func hash(parts ...string) string {
	sum := md5.Sum([]byte(strings.Join(parts, ":")))
	return hex.EncodeToString(sum[:])
}

func digestParams(value string) (map[string]string, error) {
	rest, ok := strings.CutPrefix(value, "Digest ")
	if !ok {
		return nil, fmt.Errorf("%.40q is not a digest challenge or answer", value)
	}
	params := map[string]string{}
	for _, part := range splitList(rest) {
		key, v, _ := strings.Cut(part, "=")
		params[strings.ToLower(strings.TrimSpace(key))] = strings.Trim(strings.TrimSpace(v), `"`)
	}
	return params, nil
}

// nonceLife is how long a nonce is taken; an older one is stale.
const nonceLife = 5 * time.Minute

// Gate asks for credentials and checks them.
type Gate struct {
	Realm     string
	Passwords map[string]string // by user

	mu     sync.Mutex
	nonces map[string]time.Time // bounded by nonceLife
}

// Verdict is what a Gate thinks of a request's credentials.
type Verdict int

// The verdicts.
const (
	NoCredentials Verdict = iota
	WrongPassword
	Stale
	Known
)

// Check judges the credentials of a request and names their user. The proxy
// form is read for calls, the other for registrations.
func (g *Gate) Check(req *Message, proxy bool) (user string, v Verdict) {
	field := "Authorization"
	if proxy {
		field = "Proxy-Authorization"
	}
	given, err := digestParams(req.Get(field))
	password, known := g.Passwords[given["username"]]
	switch {
	case err != nil:
		return "", NoCredentials
	case !known:
		return given["username"], WrongPassword
	}
	expected := digestOf(given, password, req.Method)
	if subtle.ConstantTimeCompare([]byte(expected), []byte(given["response"])) != 1 {
		return given["username"], WrongPassword
	}
	if !g.fresh(given["nonce"]) {
		return given["username"], Stale
	}
	return given["username"], Known
}

func (g *Gate) fresh(nonce string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	born, ok := g.nonces[nonce]
	return ok && time.Since(born) < nonceLife
}

// Challenge is the response that asks for credentials, 407 for a proxy and 401
// for a registrar.
func (g *Gate) Challenge(req *Message, proxy, stale bool) *Message {
	status, field := 401, "WWW-Authenticate"
	if proxy {
		status, field = 407, "Proxy-Authenticate"
	}
	value := fmt.Sprintf(`Digest realm="%s", nonce="%s", qop="auth", algorithm=MD5`, g.Realm, g.newNonce())
	if stale {
		value += ", stale=true"
	}
	res := req.Response(status)
	res.Add(field, value)
	return res
}

func (g *Gate) newNonce() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.nonces == nil {
		g.nonces = map[string]time.Time{}
	}
	for nonce, born := range g.nonces {
		if time.Since(born) > nonceLife {
			delete(g.nonces, nonce)
		}
	}
	nonce := rand.Text()
	g.nonces[nonce] = time.Now()
	return nonce
}
