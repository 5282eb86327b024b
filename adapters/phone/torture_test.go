package phone_test

import (
	"fmt"
	"strings"
	"testing"
)

// The messages of RFC 4475, written anew from what it says of each. Every one gets the
// answer of the RFC or none, and afterwards the server still answers (U4).
func TestTorture(t *testing.T) {
	peer := newPeer(t)
	p, calls := newPhone(t, peer.addr)
	uri := "sip:reception@" + p.Addr().String()
	options := func(with map[string]string) string { return peer.request("OPTIONS", uri, with) }
	many := func(line string, n int) string { return strings.Repeat(line, n) }

	for _, c := range []struct {
		name    string
		message string
		code    int // 0: silence
	}{
		{"a keep-alive", "\r\n\r\n", 0},
		{"zeros", "\x00\x00\x00\x00\x00\x00", 0},
		{"noise", "\xff\xfe noise \r\n\r\n", 0},
		{"blanks around separators (3.1.1.1)", strings.NewReplacer(
			";branch", " ;\r\n  branch ", "Max-Forwards: 70", "Max-Forwards: 0068", ";tag=", "\t;  tag  = ",
			"CSeq: 1 OPTIONS", "CSeq: 0001\r\n  OPTIONS",
			"Via: SIP/2.0/UDP", "v:  SIP  / 2.0\r\n /UDP ").Replace(options(nil)), 200},
		{"compact names",
			strings.NewReplacer("From:", "f:", "To:", "t:", "Call-ID:", "i:", "Contact:", "m:").Replace(options(nil)), 200},
		{"a method of odd characters (3.1.1.2)", peer.request("!interesting-Method0123456789_*+`.%indeed'~", uri, nil), 501},
		{"a user of odd characters (3.1.1.2)",
			peer.request("OPTIONS",
				"sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d@"+p.Addr().String(), nil), 200},
		{"an escaped method (3.1.1.5)", peer.request("RE%47IST%45R", uri, nil), 501},
		{"no blank before < (3.1.1.6)", options(map[string]string{"From": `caller<sip:caller@example.com>;tag=323`}), 200},
		{"very long values (3.1.1.7)", options(map[string]string{
			"From": fmt.Sprintf(`"%s" <sip:%s@example.com>;tag=12%s`,
				many("I have a long name ", 40), many("long", 100), many("98", 50)),
			"X": many("extension ", 400)}), 200},
		{"another request after the body (3.1.1.8)",
			peer.request("OPTIONS", uri, map[string]string{"Content-Length": "0"}) + options(nil), 200},
		{"a semicolon in the user (3.1.1.9)", peer.request("OPTIONS", "sip:user;par=u%40h@"+p.Addr().String(), nil), 200},
		{"13 ways back", options(map[string]string{"Via": fmt.Sprintf("SIP/2.0/UDP %s;branch=z9hG4bK-13;rport%s", peer.addr,
			many(
				", SIP/2.0/UDP proxy-with-a-rather-long-name.example.com;branch=z9hG4bK-something-long-too-0123456789",
				13))}), 200},
		{"a response to nobody (3.1.1.12)", peer.reply(text(options(nil)), 200, ""), 0},
		{"extra separators (3.1.2.1)",
			options(map[string]string{
				"Contact": `"Joe" <sip:joe@example.org>;;;;`, "Via": fmt.Sprintf("SIP/2.0/UDP %s;;,;,,", peer.addr),
			}), 400},
		{"a body that ends before its length (3.1.2.2)", options(map[string]string{"Content-Length": "9999"}), 400},
		{"a negative length (3.1.2.3)", options(map[string]string{"Content-Length": "-999"}), 400},
		{"numbers out of range (3.1.2.4)", options(map[string]string{"CSeq": "36893488147419103232 OPTIONS"}), 400},
		{"too many hops to count (3.1.2.4)", options(map[string]string{"Max-Forwards": "300"}), 400},
		{"a response out of range (3.1.2.5)",
			strings.Replace(peer.reply(text(options(nil)), 503, ""), "CSeq: 1", "CSeq: 9292394834772304023312", 1), 0},
		{"a quote that never closes (3.1.2.6)", options(map[string]string{"To": `"Mr. J. User <sip:j.user@example.com>`}), 400},
		{"a Request-URI in brackets (3.1.2.7)", strings.Replace(options(nil), " "+uri+" ", " <"+uri+"> ", 1), 400},
		{"a blank in the Request-URI (3.1.2.8)", strings.Replace(options(nil), " "+uri+" ", " "+uri+"; lr ", 1), 400},
		{"several blanks in the request line (3.1.2.9)", strings.Replace(options(nil), " SIP/2.0\r\n", "  SIP/2.0\r\n", 1), 400},
		{"headers in the Request-URI (3.1.2.11)",
			strings.Replace(options(nil), " "+uri+" ", " "+uri+"?Route=%3Csip:example.com%3E ", 1), 400},
		{"another version (3.1.2.16)", strings.Replace(options(nil), " SIP/2.0\r\n", " SIP/7.0\r\n", 1), 505},
		{"another method in CSeq (3.1.2.17)", options(map[string]string{"CSeq": "1 INVITE"}), 400},
		{"an enormous code (3.1.2.19)", strings.Replace(peer.reply(text(options(nil)), 200, ""), " 200 ", " 4294967301 ", 1), 0},
		{"no From (3.3.1)", options(map[string]string{"From": ""}), 400},
		{"no To, From nor Call-ID (3.3.1)", options(map[string]string{"From": "", "To": "", "Call-ID": ""}), 400},
		{"no Via", options(map[string]string{"Via": ""}), 0},
		{"no CSeq", options(map[string]string{"CSeq": ""}), 400},
		{"an unknown scheme (3.3.2)", peer.request("OPTIONS", "nobodyKnowsThisScheme:totallyopaquecontent", nil), 416},
		{"an extension that is required (3.3.5)", options(map[string]string{"Require": "nothingSupportsThis"}), 420},
		{"a body of an unknown type (3.3.6)",
			peer.request("INVITE", uri, map[string]string{"body": "<audio/>", "Content-Type": "application/unknownformat"}), 415},
		{"two values of what is single (3.3.8)",
			strings.Replace(options(nil), "Call-ID:", "Call-ID: other@peer\r\nCall-ID:", 1), 400},
		{"two CSeq", strings.Replace(options(nil), "CSeq:", "CSeq: 2 OPTIONS\r\nCSeq:", 1), 400},
		{"two lengths (3.3.9)", strings.Replace(options(nil), "Content-Length:", "Content-Length: 7\r\nContent-Length:", 1), 400},
		{"no hops left (3.3.11)", options(map[string]string{"Max-Forwards": "0"}), 200},
		{"sound is not wanted back (3.3.15)",
			peer.request("INVITE", uri, map[string]string{"body": peer.sdp(), "Accept": "text/nobodyKnowsThis"}), 406},
		{"two to call back",
			peer.request("INVITE", uri, map[string]string{"body": peer.sdp(), "Contact": "<sip:a@b>, <sip:c@d>"}), 400},
		{"as in RFC 2543 (3.4.1)",
			peer.request("OPTIONS", uri,
				map[string]string{"From": "<sip:a@b>", "Via": "SIP/2.0/UDP " + peer.addr.String()}), 200},
		{"no end of the headers", strings.TrimSuffix(options(nil), "\r\n"), 400},
		{"a line that is no header", strings.Replace(options(nil), "Call-ID:", "no header at all\r\nCall-ID:", 1), 400},
		{"an ACK without To", peer.request("ACK", uri, map[string]string{"To": ""}), 0},
		{"an ACK of nothing", peer.request("ACK", uri, map[string]string{"To": "<sip:x@y>;tag=z"}), 0},
		{"a REGISTER", peer.request("REGISTER", uri, nil), 405},
		{"a BYE of no call", peer.request("BYE", uri, map[string]string{"To": "<sip:x@y>;tag=z"}), 481},
		{"a BYE of no dialog", peer.request("BYE", uri, nil), 481},
		{"a re-INVITE of no call",
			peer.request("INVITE", uri, map[string]string{"To": "<sip:x@y>;tag=z", "body": peer.sdp()}), 481},
		{"a giant", options(map[string]string{"X": many("x", 60000)}), 513},
	} {
		t.Run(c.name, func(t *testing.T) {
			peer.send(p.Addr(), c.message)
			// Something that surely is answered, after it: what came before is the answer.
			alive := text(options(nil))
			if c.code == 0 {
				peer.send(p.Addr(), string(alive))
			}
			got := peer.await("answer", func(m text) bool { return m.code() >= 200 })
			switch isAlive := got.header("Call-ID") == alive.header("Call-ID"); {
			case c.code == 0 && !isAlive:
				t.Errorf("answered with %d, not silence", got.code())
			case c.code != 0 && got.code() != c.code:
				t.Errorf("answered with %d, not %d:\n%s", got.code(), c.code, got)
			}
			if got.code() >= 300 && strings.HasPrefix(c.message, "INVITE") {
				peer.send(p.Addr(), strings.ReplaceAll(strings.ReplaceAll(c.message, "INVITE", "ACK"), "Accept:", "X:"))
			}
		})
	}
	select {
	case in := <-calls:
		t.Errorf("one of them became a call: %+v", in.Invite())
	default:
	}
	peer.send(p.Addr(), options(nil))
	if code := peer.final("1 OPTIONS").code(); code != 200 {
		t.Errorf("afterwards the server answers %d", code)
	}
}
