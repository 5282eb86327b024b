package phone_test

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// peer is a SIP user agent of which the test writes every line: for what a well-behaved
// one never does.
type peer struct {
	t    *testing.T
	conn *net.UDPConn
	addr netip.AddrPort
}

var serial atomic.Int64

func newPeer(t *testing.T) *peer { return newPeerAt(t, ownIP()) }

// elsewhere is an address that is not the PBX's.
func elsewhere() netip.Addr {
	ip := ownIP().As4()
	ip[1] += 32
	return netip.AddrFrom4(ip)
}

func newPeerAt(t *testing.T, ip netip.Addr) *peer {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: ip.AsSlice()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &peer{t: t, conn: conn, addr: conn.LocalAddr().(*net.UDPAddr).AddrPort()}
}

// text is one SIP message as it was received.
type text string

func (m text) header(name string) string {
	found := regexp.MustCompile(`(?im)^` + regexp.QuoteMeta(name) + `[ \t]*:[ \t]*(.*?)\r?$`).FindStringSubmatch(string(m))
	if found == nil {
		return ""
	}
	return found[1]
}

func (m text) code() int {
	fields := strings.Fields(string(m))
	if len(fields) < 2 || fields[0] != "SIP/2.0" {
		return 0
	}
	code, _ := strconv.Atoi(fields[1])
	return code
}

func (m text) method() string {
	if m.code() != 0 {
		return ""
	}
	return strings.Fields(string(m))[0]
}

func (m text) body() string {
	_, body, _ := strings.Cut(string(m), "\r\n\r\n")
	return body
}

// sdp is a usable offer, at a port that nobody listens on.
func (p *peer) sdp() string {
	return strings.ReplaceAll(fmt.Sprintf(`v=0
o=peer 1 1 IN IP4 %[1]s
s=-
c=IN IP4 %[1]s
t=0 0
m=audio 40000 RTP/AVP 0 101
a=rtpmap:0 PCMU/8000
a=rtpmap:101 telephone-event/8000
a=sendrecv
`, p.addr.Addr()), "\n", "\r\n")
}

// request writes a request with the headers given on top of, or instead of, the usual
// ones; "" leaves one out. "body" is the body.
func (p *peer) request(method, uri string, with map[string]string) string {
	n := serial.Add(1)
	h := map[string]string{
		"Via":          fmt.Sprintf("SIP/2.0/UDP %s;branch=z9hG4bK-%d;rport", p.addr, n),
		"From":         fmt.Sprintf("<sip:caller@%s>;tag=from-%d", p.addr, n),
		"To":           "<" + uri + ">",
		"Call-ID":      fmt.Sprintf("call-%d@peer", n),
		"CSeq":         "1 " + method,
		"Contact":      fmt.Sprintf("<sip:caller@%s>", p.addr),
		"Max-Forwards": "70",
	}
	if with["body"] != "" {
		h["Content-Type"] = "application/sdp"
	}
	maps.Copy(h, with)
	body := h["body"]
	delete(h, "body")
	if _, given := h["Content-Length"]; !given {
		h["Content-Length"] = strconv.Itoa(len(body))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s SIP/2.0\r\n", method, uri)
	for _, name := range slices.Sorted(maps.Keys(h)) {
		if h[name] != "" {
			fmt.Fprintf(&b, "%s: %s\r\n", name, h[name])
		}
	}
	return b.String() + "\r\n" + body
}

// reply writes a response to a request.
func (p *peer) reply(req text, code int, more string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "SIP/2.0 %d Test\r\n", code)
	for _, name := range []string{"Via", "From", "To", "Call-ID", "CSeq"} {
		fmt.Fprintf(&b, "%s: %s\r\n", name, req.header(name))
	}
	return b.String() + more + "Content-Length: 0\r\n\r\n"
}

func (p *peer) send(to netip.AddrPort, message string) {
	p.t.Helper()
	if _, err := p.conn.WriteToUDPAddrPort([]byte(message), to); err != nil {
		p.t.Fatal(err)
	}
}

func (p *peer) tryReceive(wait time.Duration) (text, bool) {
	buf := make([]byte, 65536)
	if err := p.conn.SetReadDeadline(time.Now().Add(wait)); err != nil {
		p.t.Fatal(err)
	}
	n, _, err := p.conn.ReadFromUDPAddrPort(buf)
	return text(buf[:n]), err == nil
}

// receiveFrom returns the next message and where it came from.
func (p *peer) receiveFrom() (text, netip.AddrPort) {
	p.t.Helper()
	buf := make([]byte, 65536)
	if err := p.conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		p.t.Fatal(err)
	}
	n, from, err := p.conn.ReadFromUDPAddrPort(buf)
	if err != nil {
		p.t.Fatal(err)
	}
	return text(buf[:n]), from
}

// await returns the next message for which want is true; others are passed over.
func (p *peer) await(what string, want func(text) bool) text {
	p.t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for time.Now().Before(deadline) {
		if m, ok := p.tryReceive(time.Until(deadline)); ok && want(m) {
			return m
		}
	}
	p.t.Fatalf("no %s within 10 s", what)
	return ""
}

// final awaits the final response to the request of that CSeq.
func (p *peer) final(cseq string) text {
	p.t.Helper()
	return p.await("final response to "+cseq, func(m text) bool { return m.code() >= 200 && m.header("CSeq") == cseq })
}

// incoming awaits a request.
func (p *peer) incoming(method string) text {
	p.t.Helper()
	return p.await(method, func(m text) bool { return m.method() == method })
}

// call is one call that a peer places.
type call struct {
	*peer
	to     netip.AddrPort
	uri    string
	invite text
	ok     text
}

func (p *peer) invite(to netip.AddrPort, with map[string]string) *call {
	p.t.Helper()
	c := &call{peer: p, to: to, uri: "sip:reception@" + to.String()}
	if _, given := with["body"]; !given {
		with = maps.Clone(with)
		if with == nil {
			with = map[string]string{}
		}
		with["body"] = p.sdp()
	}
	c.invite = text(p.request("INVITE", c.uri, with))
	p.send(to, string(c.invite))
	return c
}

// inside writes a request inside the call's dialog.
func (c *call) inside(method string, cseq int, with map[string]string) string {
	h := map[string]string{
		"From": c.invite.header("From"), "To": c.ok.header("To"),
		"Call-ID": c.invite.header("Call-ID"), "CSeq": fmt.Sprintf("%d %s", cseq, method),
	}
	maps.Copy(h, with)
	return c.request(method, c.uri, h)
}

// sameTransaction writes the CANCEL, or the ACK of a refusal, of the INVITE.
func (c *call) sameTransaction(method string) string {
	return c.request(method, c.uri, map[string]string{
		"Via": c.invite.header("Via"), "From": c.invite.header("From"), "To": c.invite.header("To"),
		"Call-ID": c.invite.header("Call-ID"), "CSeq": "1 " + method,
	})
}

// answered awaits the 200 and acknowledges it.
func (c *call) answered() {
	c.t.Helper()
	c.ok = c.final("1 INVITE")
	if c.ok.code() != 200 {
		c.t.Fatalf("the INVITE is answered with %d", c.ok.code())
	}
	c.send(c.to, c.inside("ACK", 1, nil))
}

// answer writes a 200 to an INVITE, with our usual description.
func (p *peer) answer(invite text, tag, more string) string {
	res := p.reply(invite, 200, more)
	res = strings.Replace(res, "To: "+invite.header("To"), "To: "+invite.header("To")+";tag="+tag, 1)
	return strings.Replace(res, "Content-Length: 0", "Content-Length: "+strconv.Itoa(len(p.sdp())), 1) + p.sdp()
}

func portOf(a netip.AddrPort) string { return strconv.Itoa(int(a.Port())) }
