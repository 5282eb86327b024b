package webhook_test

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"releve"
	"releve/adapters/webhook"
	"releve/rules/alarm"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secret = "known to both"

var letter = alarm.Letter{
	ID: "S began mirror-away 7 0", Site: "Hôpital", Seat: releve.Main, At: time.Date(2026, 11, 30, 3, 12, 5, 0, time.UTC), Subject: "[Hôpital] Majeur : …",
	Alarms: []alarm.Item{{
		Notice: alarm.Notice{Entry: alarm.Entry{Key: alarm.Key{Code: "server-silent", Seat: releve.Secondary}, Severity: releve.Major}, Message: alarm.Began},
		What:   "Le serveur secondaire ne se fait plus entendre.",
	}},
}

// post is what a receiver got.
type post struct {
	path   string
	header http.Header
	body   []byte
}

// receiver is a server over TLS that answers posts as a test wants.
type receiver struct {
	*httptest.Server
	ca string

	mu    sync.Mutex
	posts []post
}

func newReceiver(t *testing.T, answer http.HandlerFunc) *receiver {
	t.Helper()
	r := &receiver{ca: filepath.Join(t.TempDir(), "ca.pem")}
	r.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.Method == http.MethodPost {
			body, err := io.ReadAll(q.Body)
			if err != nil {
				return
			}
			r.mu.Lock()
			r.posts = append(r.posts, post{q.URL.Path, q.Header, body})
			r.mu.Unlock()
		}
		answer(w, q)
	}))
	t.Cleanup(r.Close)
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.Certificate().Raw})
	if err := os.WriteFile(r.ca, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *receiver) sender() webhook.Sender {
	return webhook.Sender{Options: webhook.Options{URL: r.URL + "/a-token", CA: r.ca, Secret: secret, SiteID: "S"}}
}

func (r *receiver) got() []post {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.posts
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func TestAReceiverCanTellFromWhomAPostIs(t *testing.T) {
	r := newReceiver(t, status(http.StatusAccepted))
	for range 2 { // as after a crash
		if again, err := r.sender().Notify(t.Context(), letter); err != nil {
			t.Fatal(again, err)
		}
	}
	first, second := r.got()[0], r.got()[1]
	at := first.header.Get("Releve-Timestamp")
	if got, want := first.header.Get("Releve-Signature"), "v1="+webhook.Sign(secret, at, first.body); got != want || at == "" {
		t.Errorf("at %q it is signed %q, want %q", at, got, want)
	}
	if id := first.header.Get("Releve-Id"); id == "" || id != second.header.Get("Releve-Id") {
		t.Errorf("the same letter is %q, then %q", id, second.header.Get("Releve-Id"))
	}
	var said map[string]any
	if err := json.Unmarshal(first.body, &said); err != nil {
		t.Fatal(err)
	}
	alarms := said["alarms"].([]any)
	if got := alarms[0].(map[string]any); len(alarms) != 1 || got["alarm"] != "server-silent/secondary" || got["message"] != "began" || got["severity"] != "major" {
		t.Errorf("it says %s", first.body)
	}
	if said["site_id"] != "S" || said["test"] != false || said["seat"] != "main" || first.path != "/a-token" {
		t.Errorf("it says, to %s, %s", first.path, first.body)
	}
}

// The signature of docs/notifications.md, worked out with openssl.
func TestTheSignature(t *testing.T) {
	const want = "bd79fc5892c6deb480e2fee7ebeb94ca019e7fbdab9aa3fbb6ccfda9f8dd4bb7"
	if got := webhook.Sign("a secret", "1796008325", []byte(`{"id":"x"}`)); got != want {
		t.Errorf("it is %s", got)
	}
}

func TestATestAndAProbe(t *testing.T) {
	r := newReceiver(t, status(http.StatusMethodNotAllowed))
	if again, err := r.sender().Probe(t.Context()); err != nil || len(r.got()) > 0 {
		t.Error(again, err, r.got())
	}
	r = newReceiver(t, status(http.StatusOK))
	s := r.sender()
	s.Secret = ""
	if again, err := s.Notify(t.Context(), alarm.Letter{ID: "S test", Subject: "Essai"}); err != nil {
		t.Fatal(again, err)
	}
	if got := r.got()[0]; !strings.Contains(string(got.body), `"test":true,"alarms":[]`) || got.header.Get("Releve-Signature") != "" {
		t.Errorf("it is %s, signed %q", got.body, got.header.Get("Releve-Signature"))
	}
}

func TestWhatAReceiverAnswers(t *testing.T) {
	for story, c := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"broken":          {status(http.StatusInternalServerError), "webhook-later true"},
		"away":            {status(http.StatusBadGateway), "webhook-later true"},
		"too many":        {status(http.StatusTooManyRequests), "webhook-later true"},
		"unknown":         {status(http.StatusNotFound), "webhook-refused false"},
		"not signed well": {status(http.StatusForbidden), "webhook-refused false"},
		"elsewhere": {func(w http.ResponseWriter, q *http.Request) {
			http.Redirect(w, q, "/elsewhere", http.StatusFound)
		}, "webhook-refused false"},
		"elsewhere, with the post": {func(w http.ResponseWriter, q *http.Request) {
			http.Redirect(w, q, "/elsewhere", http.StatusTemporaryRedirect)
		}, "webhook-refused false"},
		"gone in the middle": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "webhook-unreached true"},
	} {
		r := newReceiver(t, c.answer)
		again, err := r.sender().Notify(t.Context(), letter)
		check(t, story, again, err, c.want)
		if len(r.got()) != 1 {
			t.Errorf("%s: it was posted %d times", story, len(r.got()))
		}
	}
}

// check looks at what a failure says, which is never more of the address than its host.
func check(t *testing.T, story string, again bool, err error, want string) {
	t.Helper()
	fault, is := errors.AsType[*releve.Fault](err)
	if !is {
		t.Fatalf("%s: it ended with %v", story, err)
	}
	if got := fmt.Sprint(fault.Why.Code, " ", again); got != want {
		t.Errorf("%s: %q, want %q: %v", story, got, want, err)
	}
	if told := fmt.Sprintf("%v %+v", err, fault.Why); strings.Contains(told, "a-token") || strings.Contains(told, secret) {
		t.Errorf("%s: it tells what is nobody's: %s", story, told)
	}
}

func TestAReceiverThatIsNotThere(t *testing.T) {
	r := newReceiver(t, status(http.StatusOK))
	stranger := r.sender()
	stranger.CA = ""
	again, err := stranger.Notify(t.Context(), letter)
	check(t, "one whose certificate is nobody's", again, err, "webhook-unreached true")
	broken := r.sender()
	broken.CA = "webhook_test.go"
	again, err = broken.Probe(t.Context())
	check(t, "certificates that are none", again, err, "webhook-unreached true")
	r.Close()
	again, err = r.sender().Notify(t.Context(), letter)
	check(t, "one that is down", again, err, "webhook-unreached true")
}

// One that says nothing holds nobody.
func TestAReceiverThatIsSlow(t *testing.T) {
	asked, release := make(chan struct{}), make(chan struct{})
	r := newReceiver(t, func(http.ResponseWriter, *http.Request) { close(asked); <-release })
	defer close(release)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	again, err := r.sender().Notify(ctx, letter)
	check(t, "slow", again, err, "webhook-unreached true")
}
