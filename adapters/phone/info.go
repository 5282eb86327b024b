package phone

import (
	"mime"
	"strings"

	"releve/adapters/phone/sip"
)

// A key within INFO, as telephones have long sent it; no RFC says so.
const (
	// DTMFRelay is the form with a line for each thing: Signal=5, Duration=160.
	DTMFRelay = "application/dtmf-relay"
	// DTMF is the form with the key alone.
	DTMF = "application/dtmf"
)

// eventKeys are the keys by their numbers as telephone events, as some write them (RFC 4733 §3.2).
var eventKeys = map[string]byte{"10": '*', "11": '#', "12": 'A', "13": 'B', "14": 'C', "15": 'D'}

// KeyOf reads a key from what INFO brings. 0: it is none.
func KeyOf(contentType string, body []byte) byte {
	kind, _, err := mime.ParseMediaType(contentType)
	if err != nil || kind != DTMFRelay && kind != DTMF {
		return 0
	}
	text := strings.TrimSpace(string(body))
	if kind == DTMFRelay {
		text = ""
		for line := range strings.Lines(string(body)) {
			if name, value, ok := strings.Cut(line, "="); ok && strings.EqualFold(strings.TrimSpace(name), "Signal") {
				text = strings.TrimSpace(value)
			}
		}
	}
	if key, numbered := eventKeys[text]; numbered {
		return key
	}
	if text = strings.ToUpper(text); len(text) != 1 || !strings.Contains("0123456789*#ABCD", text) {
		return 0
	}
	return text[0]
}

// informed takes what is said within a call, and gives the code of the answer. An INFO that brings nothing asks whether
// the call is there (RFC 2976 §2.2).
func (p *Phone) informed(l *Leg, req *sip.Request) (code int) {
	contentType, body := sip.Value(req, "Content-Type"), req.Body()
	switch {
	case sip.Value(req, "Info-Package") != "":
		return 469 // RFC 6086 §4.2.2: none is taken
	case len(body) == 0:
		return 200
	case p.handler.Info != nil:
		return p.handler.Info(contentType, body)
	}
	key := KeyOf(contentType, body)
	if key == 0 {
		return 415
	}
	l.stream.Told(key)
	return 200
}
