package mail_test

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"releve/adapters/mail"
	"releve/proof/practice/relay"
)

// endpoint gives tokens: token-1, token-2 …, each for a while, to whom it knows.
type endpoint struct {
	url string

	mu     sync.Mutex
	asked  []url.Values
	lasts  int // seconds
	status int // 0: it gives
	gives  string
}

// startEndpoint is one that proves itself by a relay's certificate.
func startEndpoint(t *testing.T, r *relay.Relay, lasts int) *endpoint {
	t.Helper()
	e := &endpoint{lasts: lasts}
	pair, err := tls.LoadX509KeyPair(r.CA, filepath.Join(filepath.Dir(r.CA), "relay.key"))
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(e)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	s.StartTLS()
	t.Cleanup(s.Close)
	e.url = s.URL + "/token"
	return e
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	_ = r.ParseForm()
	e.asked = append(e.asked, r.PostForm)
	w.Header().Set("Content-Type", "application/json")
	client, secret, _ := r.BasicAuth()
	if secret, _ = url.QueryUnescape(secret); client == "" { // RFC 6749, 2.3.1
		client, secret = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	}
	switch {
	case e.status != 0:
		w.WriteHeader(e.status)
		fmt.Fprint(w, e.gives)
	case client != "releve" || secret != "of the client":
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"error":"invalid_client","error_description":"the secret\nis another"}`)
	default:
		_ = json.NewEncoder(w).Encode(map[string]any{
			"access_token": fmt.Sprintf("token-%d", len(e.asked)), "token_type": "Bearer", "expires_in": e.lasts,
			"refresh_token": map[bool]string{true: fmt.Sprintf("refresh-%d", len(e.asked))}[r.PostForm.Get("grant_type") == "refresh_token"],
		})
	}
}

// was is by what it was asked, each time.
func (e *endpoint) was() (all []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, a := range e.asked {
		all = append(all, strings.TrimSpace(a.Get("grant_type")+" "+a.Get("scope")+a.Get("refresh_token")))
	}
	return all
}

func (e *endpoint) answers(status int, text string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.status, e.gives = status, text
}

func byToken(r *relay.Relay, e *endpoint, change ...func(*mail.Tokens)) mail.Sender {
	tokens := &mail.Tokens{URL: e.url, Client: "releve", Secret: "of the client", CA: r.CA}
	for _, c := range change {
		c(tokens)
	}
	return mail.Sender{Options: by(r.Port, mail.StartTLS, func(o *mail.Options) { o.User, o.CA, o.Tokens = "releve", r.CA, tokens })}
}

func TestARealRelayBelievesAToken(t *testing.T) {
	for story, c := range map[string]struct {
		change func(*mail.Tokens)
		lasts  int
		token  string // that the relay believes the second time
		asked  string
	}{
		"by our own word":            {func(k *mail.Tokens) { k.Scope = "https://mail.example/.default" }, 3600, "token-1", "[client_credentials https://mail.example/.default]"},
		"by a refresh token":         {func(k *mail.Tokens) { k.Refresh = "of a person" }, 3600, "token-1", "[refresh_token of a person]"},
		"one that will soon be over": {func(k *mail.Tokens) { k.Refresh = "of a person" }, 240, "token-2", "[refresh_token of a person refresh_token refresh-1]"},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			r := relay.Start(t, relay.Plan{Rcpt: relay.Secret})
			e := startEndpoint(t, r, c.lasts)
			s := byToken(r, e, c.change)
			for n, token := range []string{"token-1", c.token} {
				r.Believe(t, token)
				if again, err := s.Notify(t.Context(), letter); err != nil {
					t.Fatal(again, err)
				}
				await(t, "the mail is delivered", func() bool { return len(r.Delivered(t)) == n+1 })
			}
			if got := fmt.Sprint(e.was()); got != c.asked {
				t.Errorf("the endpoint was asked %s, want %s", got, c.asked)
			}
		})
	}
}

// A token that the relay believes no more is not shown it a second time; a new one that it does not believe is refused for good.
func TestATokenThatWasRevoked(t *testing.T) {
	r := relay.Start(t, relay.Plan{Rcpt: relay.Secret})
	e := startEndpoint(t, r, 3600)
	s := byToken(r, e)
	r.Believe(t, "token-1")
	if again, err := s.Probe(t.Context()); err != nil {
		t.Fatal(again, err)
	}
	r.Believe(t, "token-2")
	for _, want := range []string{"mail-password true", ""} {
		again, err := s.Probe(t.Context())
		if got := code(t, again, err); got != want {
			t.Errorf("%q, want %q: %v", got, want, err)
		}
	}
	r.Believe(t, "token-9")
	for _, want := range []string{"mail-password true", "mail-password false"} {
		again, err := s.Probe(t.Context())
		if got := code(t, again, err); got != want {
			t.Errorf("%q, want %q: %v", got, want, err)
		}
	}
}

// Why there is no token is why no mail goes; nothing secret is told of it.
func TestAnEndpointThatGivesNone(t *testing.T) {
	r := relay.Start(t, relay.Plan{Rcpt: relay.Secret})
	e := startEndpoint(t, r, 3600)
	r.Believe(t, "token-1")
	tells := func(story string, s mail.Sender, want, says string) {
		t.Helper()
		again, err := s.Notify(t.Context(), letter)
		if got := code(t, again, err); got != want || !strings.Contains(fmt.Sprint(err), says) {
			t.Errorf("%s: %q, want %q: %v", story, got, want, err)
		}
		if err != nil && strings.Contains(err.Error(), "of the client") {
			t.Errorf("%s: the secret is told: %v", story, err)
		}
	}
	tells("another secret", byToken(r, e, func(k *mail.Tokens) { k.Secret = "of nobody" }), "mail-token-refused false", `"code":"invalid_client","text":"the secret is another"`)
	tells("somebody else", byToken(r, e, func(k *mail.Tokens) { k.CA = "" }), "mail-token-unreached true", "certificate")
	tells("away", byToken(r, e, func(k *mail.Tokens) { k.URL = fmt.Sprintf("https://127.0.0.1:%d/", relay.FreePort(t)) }), "mail-token-unreached true", "refused")
	for status, want := range map[int]string{
		400: "mail-token-refused false", 403: "mail-token-refused false", 429: "mail-token-later true", 500: "mail-token-later true", 503: "mail-token-later true",
		200: "mail-token-unreached true", // and no token in it
	} {
		e.answers(status, `{"client_secret":"of the client"}`)
		tells(fmt.Sprint(status), byToken(r, e), want, "")
	}
}
