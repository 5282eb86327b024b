package mail

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"releve"
	"releve/doors/identity"
)

const (
	// renewBefore is how long before its end a token is not used any more: a talk with a relay fits in.
	renewBefore = 5 * time.Minute
	// tokenLimit is how long the endpoint may take.
	tokenLimit = 15 * time.Second
)

// Tokens are passwords for an hour, which an endpoint gives (RFC 6749): to us by our own word, or by a refresh
// token that a person obtained once. They are kept in memory alone. The relay is shown them by XOAUTH2.
type Tokens struct {
	URL     string // of the endpoint, HTTPS
	Client  string
	Secret  string
	Scope   string
	Refresh string // "": by our own word (client credentials, 4.4)
	CA      string // as of the relay

	mu    sync.Mutex
	token *oauth2.Token
}

// get is a token that is good for a while. It fails with a [releve.Fault], and again says whether the endpoint
// may give one later.
func (t *Tokens) get(ctx context.Context) (value string, again bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.token != nil && (t.token.Expiry.IsZero() || time.Until(t.token.Expiry) > renewBefore) {
		return t.token.AccessToken, false, nil
	}
	trust, err := identity.Trusting(t.CA)
	if err != nil {
		return "", true, &releve.Fault{Cause: err, Why: releve.Say("mail-ca", "file", t.CA, "why", releve.Reason(err))}
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: trust, Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true}}
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(context.WithValue(ctx, oauth2.HTTPClient, client), tokenLimit)
	defer cancel()
	got, err := t.ask(ctx)
	if err != nil {
		again, err = t.failure(err)
		return "", again, err
	}
	t.token = got
	t.Refresh = cmp.Or(got.RefreshToken, t.Refresh) // it may be another from now on (6)
	return got.AccessToken, false, nil
}

func (t *Tokens) ask(ctx context.Context) (*oauth2.Token, error) {
	if t.Refresh == "" {
		c := clientcredentials.Config{ClientID: t.Client, ClientSecret: t.Secret, TokenURL: t.URL}
		if t.Scope != "" {
			c.Scopes = []string{t.Scope}
		}
		return c.Token(ctx)
	}
	c := oauth2.Config{ClientID: t.Client, ClientSecret: t.Secret, Endpoint: oauth2.Endpoint{TokenURL: t.URL}}
	return c.TokenSource(ctx, &oauth2.Token{RefreshToken: t.Refresh}).Token()
}

// failure: what an endpoint refuses it says by 400 or 401 (RFC 6749, 5.2), and it does not give it later. Its
// answer is not told whole, for nobody knows what it repeats.
func (t *Tokens) failure(err error) (again bool, why error) {
	code := "mail-token-unreached"
	if refused, is := errors.AsType[*oauth2.RetrieveError](err); is {
		status := refused.Response.StatusCode
		code, err = "mail-token-later", releve.Known(refused.Response.Status, "cause-http-status", "status", refused.Response.Status)
		if status/100 == 4 && status != http.StatusRequestTimeout && status != http.StatusTooManyRequests {
			code, err = "mail-token-refused", releve.Known(refused.ErrorCode, "cause-token",
				"code", cmp.Or(refused.ErrorCode, refused.Response.Status), "text", releve.Plain(refused.ErrorDescription))
		}
	}
	return code != "mail-token-refused", &releve.Fault{Cause: err, Why: releve.Say(code, "url", t.URL, "why", releve.Reason(err))}
}

// holds says that there is one from before.
func (t *Tokens) holds() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.token != nil
}

// forget has the next one be new: a relay did not believe this one.
func (t *Tokens) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.token = nil
}
