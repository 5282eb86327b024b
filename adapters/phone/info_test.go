package phone_test

import (
	"strings"
	"testing"
	"time"

	"releve/adapters/phone"
)

func TestWhichKeyAnINFOTells(t *testing.T) {
	for _, story := range []struct {
		kind, body string
		want       byte
	}{
		{phone.DTMFRelay, "Signal=5\r\nDuration=160\r\n", '5'},
		{phone.DTMFRelay, "Signal= *\r\nDuration= 100", '*'},
		{phone.DTMFRelay, "Duration=250\nsignal = d\n", 'D'},
		{phone.DTMFRelay, "Signal=10\r\nDuration=160\r\n", '*'},
		{phone.DTMFRelay, "Signal=11", '#'},
		{"Application/DTMF-Relay;charset=utf-8", "Signal=0", '0'},
		{phone.DTMF, "7", '7'},
		{phone.DTMF, " 11\r\n", '#'},
		{phone.DTMFRelay, "Signal=16", 0}, // a hook flash
		{phone.DTMFRelay, "Signal=", 0},
		{phone.DTMFRelay, "5", 0},
		{phone.DTMF, "55", 0},
		{phone.DTMF, "E", 0},
		{"text/plain", "5", 0},
		{"", "5", 0},
		{"application/dtmf;;=", "5", 0},
	} {
		if got := phone.KeyOf(story.kind, []byte(story.body)); got != story.want {
			t.Errorf("%s %q: %q, want %q", story.kind, story.body, got, story.want)
		}
	}
}

// Keys come within the call by INFO, each once though the PBX asks again; what is no key is refused by the code that
// says why, and the call goes on.
func TestKeysByINFO(t *testing.T) {
	caller := newPeer(t)
	p, calls := newPhone(t, caller.addr)
	c := caller.invite(p.Addr(), nil)
	leg, err := next(t, calls).Answer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c.answered()
	for i, said := range []struct {
		with map[string]string
		code int
	}{
		{map[string]string{"Content-Type": phone.DTMFRelay, "body": "Signal=1\r\nDuration=160\r\n"}, 200},
		{map[string]string{"Content-Type": phone.DTMF, "body": "1"}, 200},
		{map[string]string{"body": ""}, 200},
		{map[string]string{"Content-Type": "application/media_control+xml", "body": "<x/>"}, 415},
		{map[string]string{"Content-Type": phone.DTMF, "Info-Package": "dtmf", "body": "2"}, 469},
		{map[string]string{"Content-Type": phone.DTMFRelay, "body": "Signal=#"}, 200},
	} {
		request := c.inside("INFO", 2+i, said.with)
		for range 2 { // its answer was lost
			caller.send(p.Addr(), request)
			if got := caller.await("the answer to INFO", func(m text) bool { return m.header("CSeq") == text(request).header("CSeq") }); got.code() != said.code {
				t.Errorf("%v is answered with %d, want %d", said.with, got.code(), said.code)
			}
		}
	}
	for _, want := range []byte("11#") {
		select {
		case key := <-leg.Digits():
			if key != want {
				t.Errorf("key %c, want %c", key, want)
			}
		case <-time.After(5 * time.Second):
			t.Fatalf("no key, want %c", want)
		}
	}
}

func FuzzKeyOf(f *testing.F) {
	f.Add(phone.DTMFRelay, []byte("Signal=5\r\nDuration=160\r\n"))
	f.Add(phone.DTMF, []byte("11"))
	f.Fuzz(func(t *testing.T, kind string, body []byte) {
		if key := phone.KeyOf(kind, body); key != 0 && !strings.ContainsRune("0123456789*#ABCD", rune(key)) {
			t.Errorf("%q %q is key %q", kind, body, key)
		}
	})
}
