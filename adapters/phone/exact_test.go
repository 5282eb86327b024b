package phone_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"releve/adapters/phone"
)

// In every response the Via values are the bytes that came, but for rport and received in
// the first (RFC 3261 §8.2.6.2, RFC 3581 §4).
func TestViaComesBackAsItWas(t *testing.T) {
	peer := newPeer(t)
	p, calls := newPhone(t, peer.addr)
	port, uri := peer.addr.Port(), "sip:reception@"+p.Addr().String()
	for i, c := range []struct{ sent, want string }{
		{`SIP/2.0/UDP %s;rport;trunk="east:7-b";branch=z9hG4bKx%d`,
			`SIP/2.0/UDP %s;rport=%d;trunk="east:7-b";branch=z9hG4bKx%d;received=%s`},
		{`SIP/2.0/UDP %s;rport;branch=z9hG4bKx%d;trunk="east:7-b"`,
			`SIP/2.0/UDP %s;rport=%d;branch=z9hG4bKx%d;trunk="east:7-b";received=%s`},
		{`SIP/2.0/UDP %s;rport;branch=z9hG4bKx%d;a="x,y;rport;\"";B;c=""`,
			`SIP/2.0/UDP %s;rport=%d;branch=z9hG4bKx%d;a="x,y;rport;\"";B;c="";received=%s`},
		{`SIP / 2.0 / UDP %s ;Rport ; branch=z9hG4bKx%d`, `SIP / 2.0 / UDP %s ;Rport=%d; branch=z9hG4bKx%d;received=%s`},
		{`SIP/2.0/UDP %s;rport;received=192.0.2.9;branch=z9hG4bKx%d`, `SIP/2.0/UDP %s;rport=%d;branch=z9hG4bKx%d;received=%s`},
		{`SIP/2.0/UDP %s;rport;branch=z9hG4bKx%d, SIP/2.0/UDP h;x="y,z";branch=1`,
			`SIP/2.0/UDP %s;rport=%d;branch=z9hG4bKx%d;received=%s, SIP/2.0/UDP h;x="y,z";branch=1`},
	} {
		for _, method := range []string{"OPTIONS", "INVITE", "REGISTER"} {
			sent := fmt.Sprintf(c.sent, peer.addr, 10*i+len(method))
			want := fmt.Sprintf(c.want, peer.addr, port, 10*i+len(method), peer.addr.Addr())
			body := ""
			if method == "INVITE" {
				body = peer.sdp()
			}
			req := peer.request(method, uri, map[string]string{"Via": sent, "body": body})
			peer.send(p.Addr(), req)
			if method == "INVITE" {
				if err := next(t, calls).Refuse(486); err != nil {
					t.Fatal(err)
				}
			}
			for done := false; !done; {
				m := peer.await("response", func(m text) bool { return m.header("Call-ID") == text(req).header("Call-ID") })
				if m.header("Via") != want {
					t.Errorf("%d to %s with\n%s\nnot\n%s", m.code(), method, m.header("Via"), want)
				}
				done = m.code() >= 200
			}
			if method == "INVITE" {
				peer.send(p.Addr(), strings.ReplaceAll(req, "INVITE", "ACK"))
			}
		}
	}
}

// Requests inside a dialog bear what came: the tag whatever its case and whatever a name
// pretends, the Contact to the byte, the routes with their parameters (RFC 3261 §12).
func TestDialogIsWrittenAsItCame(t *testing.T) {
	for name, c := range map[string]struct{ header, sent, starts, line string }{
		"a tag in the name": {"From", `"Ada;tag=1" <sip:2002@host>;tag=f1`, "", `To: "Ada;tag=1" <sip:2002@host>;tag=f1`},
		"a tag in the user": {"From", `<sip:2002;tag=9@host>;tag=f2`, "", `To: <sip:2002;tag=9@host>;tag=f2`},
		"a tag in the URI":  {"From", `<sip:2002@host;tag=9>;tag=f3`, "", `To: <sip:2002@host;tag=9>;tag=f3`},
		"capitals":          {"From", `<sip:2002@host>;TAG=f4`, "", `To: <sip:2002@host>;tag=f4`},
		"blanks":            {"From", `Ada <sip:2002@host> ; x=1 ; Tag = f5`, "", `To: Ada <sip:2002@host>;tag=f5`},
		"an escaped quote": {"From", `"A\"da;tag=1" <sip:2002@host>;tag=f6`,
			"", `To: "A\"da;tag=1" <sip:2002@host>;tag=f6`},
		"without brackets":       {"From", `sip:2002@host;tag=f7`, "", `To: sip:2002@host;tag=f7`},
		"a telephone number":     {"From", `<tel:+33123;phone-context=x>;tag=f8`, "", `To: <tel:+33123;phone-context=x>;tag=f8`},
		"a quoted URI parameter": {"Contact", `<sip:2001@%s;tiu="QUJDRA==">`, `%s sip:2001@%s;tiu="QUJDRA==" SIP/2.0`, ""},
		"empty URI parameters":   {"Contact", `<sip:2001@%s;a=;b;c=d>;expires=5`, `%s sip:2001@%s;a=;b;c=d SIP/2.0`, ""},
		"a capital LR":           {"Record-Route", `<sip:%s;LR>`, "", `Route: <sip:%s;LR>`},
		"parameters of a route":  {"Record-Route", `<sip:%s;lr;ftag="a,b">;x-id=7`, "", `Route: <sip:%s;lr;ftag="a,b">;x-id=7`},
	} {
		t.Run(name, func(t *testing.T) {
			caller := newPeer(t)
			at := func(format string, first ...any) string {
				if n := strings.Count(format, "%s"); n > 0 {
					return fmt.Sprintf(format, append(first, caller.addr)[:n]...)
				}
				return format
			}
			p, calls := newPhone(t, caller.addr)
			c2 := caller.invite(p.Addr(), map[string]string{c.header: at(c.sent)})
			l := answer(t, next(t, calls))
			c2.answered()
			transferring(limit(t, 10*time.Second), l, "1")
			for _, method := range []string{"REFER", "BYE"} {
				if method == "BYE" {
					go func() { _ = l.Hangup(t.Context()) }()
				}
				got := caller.incoming(method)
				caller.send(p.Addr(), caller.reply(got, map[string]int{"REFER": 603, "BYE": 200}[method], ""))
				if line := at(c.line); line != "" && !strings.Contains(string(got), "\r\n"+line+"\r\n") {
					t.Errorf("no line %q in\n%s", line, got)
				}
				if c.starts != "" && !strings.HasPrefix(string(got), at(c.starts, method)) {
					t.Errorf("it begins otherwise than %q:\n%s", at(c.starts, method), got)
				}
			}
		})
	}
}

// A CANCEL is through before the message behind it is looked at: the same call by another
// way is a new one then, always (RFC 3261 §8.2.2.2).
func TestCancelledCallComesByAnotherWay(t *testing.T) {
	caller := newPeer(t)
	p, calls := newPhone(t, caller.addr)
	for i := range 200 {
		c := caller.invite(p.Addr(), nil)
		first := next(t, calls)
		other := strings.ReplaceAll(string(c.invite), "branch=z9hG4bK-", "branch=z9hG4bK-other-")
		caller.send(p.Addr(), c.sameTransaction("CANCEL"))
		caller.send(p.Addr(), other)
		second := next(t, calls)
		closes(t, "the first is gone", first.Gone())
		if err := second.Refuse(486); err != nil {
			t.Fatalf("round %d: the second: %v", i, err)
		}
		for way, want := range map[bool]int{false: 487, true: 486} {
			got := caller.await("refusal", func(m text) bool {
				return m.code() >= 300 && m.header("Call-ID") == c.invite.header("Call-ID") &&
					strings.Contains(m.header("Via"), "-other-") == way
			})
			if got.code() != want {
				t.Fatalf("round %d: answered with %d, not %d", i, got.code(), want)
			}
			ack := c.sameTransaction("ACK")
			if way {
				ack = strings.ReplaceAll(ack, "branch=z9hG4bK-", "branch=z9hG4bK-other-")
			}
			caller.send(p.Addr(), ack)
		}
	}
}

// What would write in a terminal, or would not fit into an index, is refused at the door.
func TestRefusedAtTheDoor(t *testing.T) {
	peer := newPeer(t)
	p, calls := newPhone(t, peer.addr)
	uri := "sip:reception@" + p.Addr().String()
	long := func(n int) string { return strings.Repeat("x", n) }
	for name, with := range map[string]map[string]string{
		"an escape in Call-ID":     {"Call-ID": "m5-\x1b]0;owned\x07"},
		"a line feed in Call-ID":   {"Call-ID": "a\nb"},
		"an escape in From":        {"From": "\"\x1b[31m\" <sip:a@b>;tag=1"},
		"an eight-bit escape":      {"From": "\"\u009b31m\" <sip:a@b>;tag=1"},
		"a return in a header":     {"Subject": "a\rb"},
		"a long Call-ID":           {"Call-ID": long(256)},
		"a long tag":               {"From": "<sip:a@b>;tag=" + long(256)},
		"a long user":              {"From": "<sip:" + long(256) + "@b>;tag=1"},
		"a long URI":               {"To": "<sip:a@b;x=" + long(2000) + ">"},
		"a long name":              {"From": `"` + long(5000) + `" <sip:a@b>;tag=1`},
		"a long branch":            {"Via": fmt.Sprintf("SIP/2.0/UDP %s;rport;branch=z9hG4bK%s", peer.addr, long(300))},
		"a long line":              {"X": long(9000)},
		"many headers":             {"X": "1" + strings.Repeat("\r\nX: 1", 300)},
		"a blank in Call-ID":       {"Call-ID": "a b"},
		"a Contact without a host": {"Contact": "<sip:>"},
	} {
		with["body"], with["CSeq"] = peer.sdp(), "1 INVITE"
		req := peer.request("INVITE", uri, with)
		peer.send(p.Addr(), req)
		if got := peer.final("1 INVITE"); got.code() != 400 {
			t.Errorf("%s: answered with %d", name, got.code())
		}
		peer.send(p.Addr(), strings.ReplaceAll(req, "INVITE", "ACK"))
	}
	peer.send(p.Addr(), peer.request("INVITE", uri,
		map[string]string{"From": "<sip:%1b%63@b>;tag=1", "Call-ID": long(255), "body": peer.sdp()}))
	if got := next(t, calls).Invite(); strings.ContainsAny(got.From, "\x1b") || len(got.Call) != 255 {
		t.Errorf("%+v", got)
	}
}

func TestBodyOfSeveralParts(t *testing.T) {
	note := "Content-Type: text/plain\r\nContent-Disposition: render;handling=%s\r\n\r\nfloor 2\r\n"
	for name, c := range map[string]struct {
		kind  string
		parts []string
		code  int
	}{
		"quoted boundary":          {`multipart/mixed;boundary="b-9"`, []string{"SDP", fmt.Sprintf(note, "optional")}, 200},
		"unquoted, in capitals":    {`MULTIPART/Mixed; Boundary=b-9`, []string{fmt.Sprintf(note, "Optional"), "SDP"}, 200},
		"required, not understood": {`multipart/mixed;boundary=b-9`, []string{"SDP", fmt.Sprintf(note, "required")}, 415},
		"required unless it says": {`multipart/mixed;boundary=b-9`,
			[]string{"SDP", "Content-Type: text/plain\r\n\r\nx\r\n"}, 415},
		"alternatives": {`multipart/alternative;boundary=b-9`,
			[]string{"Content-Type: text/plain\r\n\r\nx\r\n", "SDP"}, 200},
		"one kind alone":       {`Application/SDP; charset=utf-8`, nil, 200},
		"unknown and optional": {`text/plain`, nil, 415},
	} {
		t.Run(name, func(t *testing.T) {
			caller := newPeer(t)
			p, calls := newPhone(t, caller.addr)
			body := caller.sdp()
			if c.parts != nil {
				body = ""
				for _, part := range c.parts {
					body += "--b-9\r\n" + strings.Replace(part, "SDP", "content-type: application/SDP\r\n\r\n"+caller.sdp(), 1)
				}
				body += "--b-9--\r\n"
			}
			call := caller.invite(p.Addr(), map[string]string{"Content-Type": c.kind, "body": body})
			if c.code == 200 {
				l := answer(t, next(t, calls))
				call.answered()
				if err := l.Play(limit(t, 10*time.Second), silence(40*time.Millisecond)); err != nil {
					t.Error(err)
				}
				return
			}
			got := caller.final("1 INVITE")
			if got.code() != c.code || got.header("Accept") == "" || got.header("Accept-Encoding") == "" {
				t.Errorf("answered with\n%s", got)
			}
		})
	}
}

// A re-INVITE that makes us offer and an ACK that answers nothing: the session stays as it
// was, and what was described in vain is not described again under its version.
func TestReinviteWithoutAnswer(t *testing.T) {
	caller := newPeer(t)
	p, calls := newPhone(t, caller.addr)
	c := caller.invite(p.Addr(), nil)
	l := answer(t, next(t, calls))
	c.answered()
	before := l.Dialog()
	caller.send(p.Addr(), c.inside("INVITE", 2, nil))
	offer := caller.final("2 INVITE")
	if offer.body() == before.LocalSDP && offer.body() == "" ||
		strings.Contains(offer.body(), fmt.Sprintf(" %d %d IN", before.Session, before.Version)) !=
			(offer.body() == before.LocalSDP) {
		t.Errorf("version %d stays over another description:\n%s", before.Version, offer.body())
	}
	caller.send(p.Addr(), c.inside("ACK", 2, nil))
	caller.send(p.Addr(), c.inside("OPTIONS", 3, nil))
	caller.final("3 OPTIONS")
	if err := l.Play(limit(t, 10*time.Second), silence(40*time.Millisecond)); err != nil {
		t.Errorf("the call does not go on: %v", err)
	}
	if after := l.Dialog(); after.LocalSDP != before.LocalSDP || after.RemoteSDP != before.RemoteSDP {
		t.Errorf("the session changed:\n%s", after.LocalSDP)
	}
	hold := strings.Replace(caller.sdp(), "a=sendrecv", "a=sendonly", 1)
	caller.send(p.Addr(), c.inside("INVITE", 4, map[string]string{"body": hold}))
	if held := caller.final("4 INVITE"); l.Dialog().Version <= before.Version || held.code() != 200 {
		t.Errorf("version %d after %d", l.Dialog().Version, before.Version)
	}
	caller.send(p.Addr(), c.inside("ACK", 4, nil))
}

// Answered calls whose ACK never comes are few, whatever comes, and soon over (K4).
func TestCallsThatNobodyAcknowledges(t *testing.T) {
	caller := newPeer(t)
	p, calls := newPhone(t, caller.addr, func(o *setup) { o.Unacknowledged = 2 })
	p.SetT1(100 * time.Millisecond)
	var legs []*phone.Leg
	for range 12 {
		caller.invite(p.Addr(), nil)
		legs = append(legs, answer(t, next(t, calls)))
	}
	gone := func() (n int) {
		for _, l := range legs {
			select {
			case <-l.Gone():
				n++
			default:
			}
		}
		return n
	}
	eventually(t, "all but two of them are over", func() bool { return gone() >= len(legs)-2 })
	eventually(t, "the last are over", func() bool { return gone() == len(legs) })
	if err := legs[0].Play(t.Context(), silence(time.Second)); !errors.Is(err, phone.ErrNoAck) {
		t.Errorf("playing says %v", err)
	}
	c := caller.invite(p.Addr(), nil)
	l := answer(t, next(t, calls))
	c.ok = caller.await("200", func(m text) bool { return m.code() == 200 && m.header("Call-ID") == c.invite.header("Call-ID") })
	caller.send(p.Addr(), c.inside("ACK", 1, nil))
	closes(t, "an honest call is confirmed", l.Confirmed())
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline, tick := time.After(10*time.Second), time.NewTicker(5*time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: not within 10 s", what)
		}
	}
}

// The extensions that a call required are named, all of them.
func TestRequiredExtensionsAreTold(t *testing.T) {
	caller := newPeer(t)
	told := make(chan phone.Unfit, 1)
	p, _ := newPhone(t, caller.addr, func(o *setup) { o.Unfit = func(u phone.Unfit) { told <- u } })
	caller.invite(p.Addr(), map[string]string{"Require": "timer, 100rel"})
	if got := caller.final("1 INVITE"); got.code() != 420 || got.header("Unsupported") != "timer, 100rel" {
		t.Errorf("answered with\n%s", got)
	}
	if got := <-told; got.Code != 420 || got.Why.Error() != "Require: timer, 100rel" {
		t.Errorf("told %+v", got)
	}
}
