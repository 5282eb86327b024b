// Package webhook tells a program of the establishment of alarms: a POST of JSON over HTTPS, signed, so that
// whoever receives it knows from whom it is and that it is not an old one.
package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"releve"
	"releve/doors/identity"
	"releve/rules/alarm"
)

// The headers of a post. The signature is that of the time, a point and the body: "v1=" and HMAC-SHA256 with
// the secret, in hexadecimal.
const (
	headerTime      = "Releve-Timestamp" // seconds since 1970
	headerID        = "Releve-Id"        // the same each time that the same is posted
	headerSignature = "Releve-Signature"
)

// answerMost is how much of an answer is read, in bytes.
const answerMost = 4 << 10

// Options say where to post.
type Options struct {
	URL    string
	CA     string // a file with the certificates that sign the receiver's; "": the machine's
	Secret string // "": what is posted is not signed
	SiteID string
}

// Sender posts to one address.
type Sender struct{ Options }

// Name is webhook's.
func (Sender) Name() string { return "webhook" }

// body is what is posted.
type body struct {
	ID      string      `json:"id"`
	Site    string      `json:"site"`
	SiteID  string      `json:"site_id"`
	Seat    releve.Seat `json:"seat"` // of the server that posts
	At      time.Time   `json:"at"`
	Subject string      `json:"subject"`
	Test    bool        `json:"test"`
	Alarms  []told      `json:"alarms"`
}

// told is one alarm.
type told struct {
	Alarm    string          `json:"alarm"` // as `releve alarms` names it
	Code     alarm.Code      `json:"code"`
	Seat     releve.Seat     `json:"seat,omitempty"` // of the server that it is about
	Message  alarm.Message   `json:"message"`        // began, waits, ended
	Severity releve.Severity `json:"severity"`
	Since    time.Time       `json:"since"`
	Ended    time.Time       `json:"ended,omitzero"`
	What     string          `json:"what"`
	Callers  string          `json:"callers"`
	First    string          `json:"first"`
}

// Notify posts a letter. It is taken when the answer is of 200 to 299. It fails with a [releve.Fault].
func (s Sender) Notify(ctx context.Context, l alarm.Letter) (again bool, err error) {
	b := body{ID: s.id(l), Site: l.Site, SiteID: s.SiteID, Seat: l.Seat, At: l.At, Subject: l.Subject, Test: len(l.Alarms) == 0, Alarms: []told{}}
	for _, i := range l.Alarms {
		b.Alarms = append(b.Alarms, told{
			i.Key.String(), i.Key.Code, i.Key.Seat, i.Message, i.Severity, i.Since, i.Ended, i.What, i.Callers, i.First,
		})
	}
	text, err := json.Marshal(b)
	if err != nil {
		panic("plain values cannot be written as JSON: " + err.Error())
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL, bytes.NewReader(text))
	if err != nil {
		return false, s.fault(err, "webhook-refused")
	}
	now := strconv.FormatInt(time.Now().Unix(), 10)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "releve")
	request.Header.Set(headerID, b.ID)
	request.Header.Set(headerTime, now)
	if s.Secret != "" {
		request.Header.Set(headerSignature, "v1="+Sign(s.Secret, now, text))
	}
	return s.do(request, func(status int) bool { return status/100 == 2 })
}

// Probe asks what may be done there, for a post would be taken for an alarm. Any answer will do.
func (s Sender) Probe(ctx context.Context) (again bool, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodOptions, s.URL, nil)
	if err != nil {
		return false, s.fault(err, "webhook-refused")
	}
	return s.do(request, func(int) bool { return true })
}

// Sign is the signature of a body at a time, as a receiver works it out too.
func Sign(secret, at string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "%s.%s", at, body)
	return hex.EncodeToString(mac.Sum(nil))
}

func (s Sender) id(l alarm.Letter) string {
	sum := sha256.Sum256([]byte(l.ID))
	return hex.EncodeToString(sum[:16])
}

// do posts, and reads what the answer means: what is refused for itself is not taken later either, but for
// a receiver that is busy, or away, behind somebody who answers for it (RFC 9110, 15).
func (s Sender) do(request *http.Request, taken func(status int) bool) (again bool, err error) {
	client, err := s.client()
	if err != nil {
		return true, s.fault(err, "webhook-unreached")
	}
	defer client.CloseIdleConnections()
	answer, err := client.Do(request)
	if err != nil {
		return true, s.fault(err, "webhook-unreached")
	}
	defer answer.Body.Close() //nolint:errcheck // it was read
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, answerMost))
	status := releve.Known(answer.Status, "cause-http-status", "status", answer.Status)
	switch code := answer.StatusCode; {
	case taken(code):
		return false, nil
	case code/100 == 5, code == http.StatusRequestTimeout, code == http.StatusTooEarly, code == http.StatusTooManyRequests:
		return true, s.fault(status, "webhook-later")
	}
	return false, s.fault(status, "webhook-refused")
}

// client follows nobody elsewhere: a post that is sent on becomes a question (RFC 9110, 15.4), and the alarm
// goes to whom nobody has set up.
func (s Sender) client() (*http.Client, error) {
	trust, err := identity.Trusting(s.CA)
	if err != nil {
		return nil, err
	}
	return &http.Client{
		Transport:     &http.Transport{TLSClientConfig: trust, Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// fault names the receiver's host alone: what comes after it in the address is a secret at many.
func (s Sender) fault(err error, code string) *releve.Fault {
	if whole, is := errors.AsType[*url.Error](err); is {
		err = whole.Err
	}
	host := ""
	if to, wrong := url.Parse(s.URL); wrong == nil {
		host = to.Host
	}
	return &releve.Fault{Cause: err, Why: releve.Say(code, "host", host, "why", releve.Reason(err))}
}
