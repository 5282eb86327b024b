package stranger

import (
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// trick is one kind of datagram.
type trick struct {
	name  string
	write func(d *draw, m scene) []byte
}

// scene is what a SIP message is written for.
type scene struct {
	site Site
	to   Server
	self netip.AddrPort // in whose name
}

// questions are those that begin no call, whoever is believed to send them.
var questions = []trick{
	{"OPTIONS without a user", func(d *draw, m scene) []byte {
		return m.request(d, "OPTIONS", "sip:"+m.to.SIP.String(), nil)
	}},
	{"OPTIONS that asks for a check", func(d *draw, m scene) []byte {
		return m.request(d, "OPTIONS", m.uri(d), []string{
			"X-Releve-Check: " + d.one("call-"+d.word(8), "watch", hex.EncodeToString(d.bytes(40)), d.word(d.length(2000))),
		})
	}},
	{"REGISTER", func(d *draw, m scene) []byte {
		return m.request(d, "REGISTER", "sip:"+m.to.SIP.String(),
			[]string{"Expires: " + d.one("0", "3600", "-1", "99999999999999999999")})
	}},
	{"a request of a dialog that he guesses", func(d *draw, m scene) []byte {
		method := d.one("BYE", "CANCEL", "ACK", "NOTIFY", "INFO", "REFER", "UPDATE", "PRACK", "MESSAGE", "SUBSCRIBE", "PUBLISH")
		return m.request(d, method, m.uri(d), []string{
			"Event: refer", "Subscription-State: terminated;reason=noresource",
			"Refer-To: <sip:" + m.user(d) + "@" + m.self.String() + ">",
		})
	}},
	{"a challenge that nobody asked for", func(d *draw, m scene) []byte {
		name, code := "WWW-Authenticate", "401 Unauthorized"
		if d.IntN(2) == 0 {
			name, code = "Proxy-Authenticate", "407 Proxy Authentication Required"
		}
		return m.response(d, code, d.one("REGISTER", "INVITE", "BYE", "REFER", "OPTIONS"), challenge(d, name))
	}},
	{"an answer to nothing", func(d *draw, m scene) []byte {
		code := d.one("100 Trying", "180 Ringing", "200 OK", "202 Accepted",
			"302 Moved Temporarily", "403 Forbidden", "423 Interval Too Brief",
			"481 Call/Transaction Does Not Exist", "486 Busy Here", "503 Service Unavailable", "603 Decline", "699 x", "99 x")
		return m.response(d, code, d.one("REGISTER", "INVITE", "BYE", "REFER", "OPTIONS", "CANCEL"),
			"Retry-After: 4000000000", "Min-Expires: 4000000000", "Contact: *")
	}},
	{"what is no message", func(d *draw, m scene) []byte {
		switch d.IntN(3) {
		case 0:
			return d.bytes(d.length(1400))
		case 1:
			return []byte(strings.Repeat(
				d.one("\r\n", " ", "\x00", "INVITE ", "SIP/2.0 200 OK\r\n", "Via: ;\r\n"),
				d.length(300)))
		}
		return []byte(d.one("GET / HTTP/1.1\r\n\r\n", "INVITE\r\n\r\n",
			"SIP/2.0\r\n\r\n", "OPTIONS sip:x SIP/2.0\r\n\r\n", "\r\n\r\n"))
	}},
	{"a mangled OPTIONS", func(d *draw, m scene) []byte {
		return d.mangled(m.request(d, "OPTIONS", m.uri(d), nil))
	}},
	{"a mangled answer", func(d *draw, m scene) []byte {
		return d.mangled(m.response(d, "200 OK", d.one("REGISTER", "OPTIONS", "INVITE")))
	}},
}

// invitations begin calls where they are believed.
var invitations = []trick{
	{"INVITE", func(d *draw, m scene) []byte { return m.invite(d) }},
	{"a forged overflow", func(d *draw, m scene) []byte {
		number := d.one(m.site.Users...)
		return m.invite(d, d.one(
			"Diversion: <sip:"+number+"@x>;reason=no-answer", "Diversion: <tel:"+number+">;reason=unavailable;counter=1",
			"History-Info: <sip:"+number+"@x?Reason=SIP%3Bcause%3D408>;index=1, <sip:"+m.user(d)+"@x>;index=1.1"))
	}},
	{"an INVITE that says that it is a test", func(d *draw, m scene) []byte {
		return m.invite(d, "X-Releve-Test: "+d.one("1", d.word(12)+".1770000000."+hex.EncodeToString(d.bytes(32))))
	}},
	{"an INVITE with escapes", func(d *draw, m scene) []byte {
		return m.invite(d, "Subject: "+d.escape(), "Call-ID: "+d.word(8)+d.escape(),
			"From: \""+d.escape()+"\" <sip:"+d.escape()+"@x>;tag="+d.word(6))
	}},
}

// monsters are invitations that only what reads them should see.
var monsters = []trick{
	{"an INVITE with a long header", func(d *draw, m scene) []byte {
		long := d.word(d.length(40000))
		return m.invite(d, d.one(
			"Call-ID: "+long, "Subject: "+long,
			"Contact: <sip:"+long+"@"+m.self.String()+">",
			"From: <sip:"+long+"@x>;tag=1",
			"Diversion: <sip:"+long+"@x>;reason=no-answer", "User-Agent: "+long))
	}},
	{"an INVITE with many headers", func(d *draw, m scene) []byte {
		var more []string
		for range d.length(2000) {
			more = append(more, d.one("Via: SIP/2.0/UDP "+d.word(5), "Diversion: <sip:9@x>", "X: 1", "Route: <sip:x;lr>"))
		}
		return m.invite(d, more...)
	}},
	{"a mangled INVITE", func(d *draw, m scene) []byte { return d.mangled(m.invite(d)) }},
}

func (m scene) user(d *draw) string {
	return d.one(append([]string{d.word(d.length(200)), "1001", "112"}, m.site.Users...)...)
}

func (m scene) uri(d *draw) string { return "sip:" + m.user(d) + "@" + m.to.SIP.String() }

// request writes a request; a header in more takes the place of the usual one.
func (m scene) request(d *draw, method, uri string, more []string) []byte {
	id := d.word(4 + d.IntN(20))
	usual := []string{
		fmt.Sprintf("Via: SIP/2.0/UDP %s;branch=z9hG4bK%s;rport", m.self, d.word(4+d.length(60))),
		fmt.Sprintf("From: <sip:%s@%s>;tag=%s", m.user(d), m.self.Addr(), d.word(8)),
		fmt.Sprintf("To: <sip:%s@%s>%s", m.user(d), m.to.SIP.Addr(), d.one("", ";tag="+d.word(20))),
		"Call-ID: " + id,
		fmt.Sprintf("CSeq: %d %s", d.IntN(1<<30), method),
		fmt.Sprintf("Contact: <sip:%s@%s>", d.word(5), m.self),
		"Max-Forwards: 70",
	}
	return compose(method+" "+uri+" SIP/2.0", usual, more, "")
}

// invite writes an INVITE whose sound would go to himself, or to a third.
func (m scene) invite(d *draw, more ...string) []byte {
	host := d.one(m.self.Addr().String(), "192.0.2.9", m.site.PBX.Addr().String(),
		m.to.SIP.Addr().String(), "0.0.0.0", "x.example")
	usual := []string{
		fmt.Sprintf("Via: SIP/2.0/UDP %s;branch=z9hG4bK%s;rport", m.self, d.word(12)),
		fmt.Sprintf("From: <sip:%s@192.0.2.9>;tag=%s", m.user(d), d.word(8)),
		fmt.Sprintf("To: <sip:%s@192.0.2.9>", d.one(m.site.Users...)),
		"Call-ID: " + d.word(24),
		"CSeq: 1 INVITE",
		fmt.Sprintf("Contact: <sip:%s@%s>", d.word(5), m.self),
		"Max-Forwards: 70",
		"Content-Type: application/sdp",
	}
	return compose("INVITE "+m.uri(d)+" SIP/2.0", usual, more,
		fmt.Sprintf("v=0\r\no=x 1 1 IN IP4 %[1]s\r\ns=-\r\nc=IN IP4 %[1]s\r\nt=0 0\r\n"+
			"m=audio %[2]d RTP/AVP 8 101\r\n"+
			"a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n",
			host, 1024+2*d.IntN(30000)))
}

func (m scene) response(d *draw, status, method string, more ...string) []byte {
	usual := []string{
		fmt.Sprintf("Via: SIP/2.0/UDP %s;branch=z9hG4bK%s;rport", m.to.SIP, d.word(16)),
		fmt.Sprintf("From: <sip:%s@%s>;tag=%s", m.user(d), m.site.PBX.Addr(), d.word(8)),
		fmt.Sprintf("To: <sip:%s@%s>;tag=%s", m.user(d), m.site.PBX.Addr(), d.word(8)),
		"Call-ID: " + d.word(20),
		fmt.Sprintf("CSeq: %d %s", 1+d.IntN(50), method),
	}
	return compose("SIP/2.0 "+status, usual, more, "")
}

// challenge asks for a password, in one of the forms that are understood.
func challenge(d *draw, name string) string {
	return fmt.Sprintf("%s: Digest realm=\"%s\", nonce=\"%s\"%s", name, d.one("x", "pbx.example", "127.0.0.10"), d.word(16),
		d.one("", ", qop=\"auth\"", ", algorithm=MD5", ", stale=true"))
}

// compose writes a message. A header in more takes the place of the first usual one of its
// name.
func compose(start string, usual, more []string, body string) []byte {
	lines := append([]string(nil), usual...)
	for _, header := range more {
		name, _, _ := strings.Cut(header, ":")
		replaced := false
		for i, line := range lines[:len(usual)] {
			if name != "Via" && strings.HasPrefix(line, name+":") {
				lines[i], replaced = header, true
			}
		}
		if !replaced {
			lines = append(lines, header)
		}
	}
	return []byte(start + "\r\n" + strings.Join(lines, "\r\n") + fmt.Sprintf("\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
}

// write draws one of some tricks.
func (s *Stranger) write(d *draw, m scene, all []trick) []byte {
	d.n++
	t := all[d.IntN(len(all))]
	s.note(func(r *Report) { r.Sent[t.name]++ })
	text := t.write(d, m)
	return text[:min(len(text), maxPayload)]
}

// maxPayload is what one datagram over IPv4 carries.
const maxPayload = 65507

// saySIP sends one SIP datagram from an address of his own.
func (s *Stranger) saySIP(to Server) func(*draw) error {
	all := slices.Concat(questions, invitations, monsters)
	return func(d *draw) error {
		mouth := s.mouths[d.IntN(len(s.mouths))]
		_, err := mouth.WriteToUDPAddrPort(s.write(d, scene{s.site, to, local(mouth)}, all), to.SIP)
		return err
	}
}

// forge sends one in the name of the PBX, or of the other server.
func (s *Stranger) forge(to Server) func(*draw) error {
	names := []netip.AddrPort{s.site.PBX, s.site.PBX}
	for _, other := range s.site.Servers {
		if other.SIP != to.SIP {
			names = append(names, other.SIP)
		}
	}
	return func(d *draw) error {
		name := names[d.IntN(len(names))]
		return s.forger.send(name, to.SIP, s.write(d, scene{s.site, to, name}, questions))
	}
}

// forgeCall sends an INVITE in the name of the PBX, which nobody will acknowledge.
func (s *Stranger) forgeCall(to Server) func(*draw) error {
	all := slices.Concat(invitations, monsters)
	return func(d *draw) error {
		return s.forger.send(s.site.PBX, to.SIP, s.write(d, scene{s.site, to, s.site.PBX}, all))
	}
}

// listen takes what comes to one of his addresses, and asks whoever sends him a request for
// his password.
func (s *Stranger) listen(mouth *net.UDPConn) {
	buffer := make([]byte, maxPayload)
	for {
		n, from, err := mouth.ReadFromUDPAddrPort(buffer)
		if err != nil {
			return
		}
		text := string(buffer[:n])
		s.note(func(r *Report) {
			r.Heard++
			if strings.Contains(strings.ToLower(text), "authorization:") && len(r.Credentials) < fewDigests {
				r.Credentials = append(r.Credentials, text)
			}
		})
		if answer := askPassword(text); answer != nil {
			_, _ = mouth.WriteToUDPAddrPort(answer, from)
		}
	}
}

// askPassword answers a request with a challenge; nil: it is none.
func askPassword(text string) []byte {
	head, _, _ := strings.Cut(text, "\r\n\r\n")
	lines := strings.Split(head, "\r\n")
	if !strings.HasSuffix(lines[0], " SIP/2.0") || strings.HasPrefix(lines[0], "ACK ") {
		return nil
	}
	answer := []string{"SIP/2.0 407 Proxy Authentication Required"}
	for _, line := range lines[1:] {
		name, _, _ := strings.Cut(line, ":")
		switch strings.ToLower(name) {
		case "via", "from", "to", "call-id", "cseq":
			answer = append(answer, line)
		}
	}
	return []byte(strings.Join(append(answer,
		`Proxy-Authenticate: Digest realm="x", nonce="y"`, "Content-Length: 0"), "\r\n") + "\r\n\r\n")
}

func local(c *net.UDPConn) netip.AddrPort { return c.LocalAddr().(*net.UDPAddr).AddrPort() }
