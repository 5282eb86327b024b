package sip

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// text writes a message as the wire has it.
func text(lines ...string) []byte { return []byte(strings.Join(lines, "\r\n") + "\r\n\r\n") }

func TestFoldedCompactAndListedFieldsAreRead(t *testing.T) {
	m, err := Parse(text(
		"INVITE sip:9@pbx.test SIP/2.0",
		"v: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKa , SIP/2.0/UDP 127.0.0.2;branch=z9hG4bKb",
		`f: "Dupont, Anne" <sip:1001@pbx.test>;tag=x`, "t: <sip:9@pbx.test>", "i: one@host", "cseq: 7 INVITE",
		`m: "A, B" <sip:1001@127.0.0.1>, <sip:1001@127.0.0.3>;expires=3`,
		"Subject: a long", " story"))
	if err != nil {
		t.Fatal(err)
	}
	if via := m.All("Via"); len(via) != 2 || Param(via[1], "branch") != "z9hG4bKb" {
		t.Errorf("Via %q", via)
	}
	if c := m.All("Contact"); len(c) != 2 || Param(c[1], "expires") != "3" || !strings.HasPrefix(c[0], `"A, B"`) {
		t.Errorf("Contact %q", c)
	}
	if n, method := m.CSeq(); n != 7 || method != "INVITE" {
		t.Errorf("CSeq %d %s", n, method)
	}
	if m.CallID() != "one@host" || m.Get("subject") != "a long story" || Param(m.Get("From"), "tag") != "x" {
		t.Errorf("%s", m.Bytes())
	}
}

func TestWhatIsWrittenIsReadTheSame(t *testing.T) {
	m := request("OPTIONS", netip.MustParseAddrPort("127.0.0.1:5060"))
	m.Prepend("Via", "SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK1")
	m.SetBody("text/plain", []byte("hello"))
	again, err := Parse(m.Bytes())
	if err != nil || string(again.Bytes()) != string(m.Bytes()) {
		t.Errorf("%v\n%s\n%s", err, m.Bytes(), again.Bytes())
	}
}

func TestNoMessageIsMadeOfJunk(t *testing.T) {
	head := []string{"Via: SIP/2.0/UDP h;branch=b", "From: <sip:a@b>;tag=1", "To: <sip:c@d>", "Call-ID: x", "CSeq: 1 OPTIONS"}
	for name, lines := range map[string][]string{
		"no version":          append([]string{"OPTIONS sip:c@d"}, head...),
		"other version":       append([]string{"OPTIONS sip:c@d SIP/7.0"}, head...),
		"impossible status":   append([]string{"SIP/2.0 999 What"}, head...),
		"no colon":            append([]string{"OPTIONS sip:c@d SIP/2.0", "Nonsense"}, head...),
		"no Via":              append([]string{"OPTIONS sip:c@d SIP/2.0"}, head[1:]...),
		"body not there":      append([]string{"OPTIONS sip:c@d SIP/2.0", "Content-Length: 10"}, head...),
		"negative body":       append([]string{"OPTIONS sip:c@d SIP/2.0", "Content-Length: -1"}, head...),
		"an empty first line": append([]string{""}, head...),
	} {
		if _, err := Parse(text(lines...)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Parse([]byte("OPTIONS sip:c@d SIP/2.0\r\n")); !errors.Is(err, ErrMalformed) {
		t.Errorf("no empty line: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(text("INVITE sip:9@pbx.test SIP/2.0", "Via: SIP/2.0/UDP 127.0.0.1:5060;rport;branch=b",
		"From: <sip:a@b>;tag=1", "To: <sip:c@d>", "Call-ID: x", "CSeq: 1 INVITE", "Contact: <sip:a@127.0.0.1>"))
	f.Fuzz(func(t *testing.T, datagram []byte) {
		m, err := Parse(datagram)
		if err != nil {
			return
		}
		markSource(m, netip.MustParseAddrPort("127.0.0.1:5060"))
		if _, err := Parse(m.Bytes()); err != nil {
			t.Errorf("own text is not read: %v\n%q", err, m.Bytes())
		}
	})
}

func TestURIs(t *testing.T) {
	for value, want := range map[string]URI{
		"sip:1001@127.0.0.1:5070":               {User: "1001", Host: "127.0.0.1", Port: 5070},
		`"<odd>" <sip:a@h;transport=udp>;tag=1`: {User: "a", Host: "h", Params: "transport=udp"},
		"sip:pbx.test":                          {Host: "pbx.test"},
		"<sip:a@h?Replaces=x>":                  {User: "a", Host: "h"},
	} {
		if u, err := ParseURI(value); err != nil || u != want {
			t.Errorf("%s: %+v, %v", value, u, err)
		}
	}
	for _, bad := range []string{"", "tel:123", "sip:a@h:99999", "sip:a@h:x"} {
		if u, err := ParseURI(bad); err == nil {
			t.Errorf("%q was read as %+v", bad, u)
		}
	}
}

// The worked example of RFC 2617 §3.5.
func TestDigestOfTheRFC(t *testing.T) {
	given := map[string]string{
		"username": "Mufasa", "realm": "testrealm@host.com", "nonce": "dcd98b7102dd2f0e8b11d0f600bfb0c093",
		"uri": "/dir/index.html", "qop": "auth", "nc": "00000001", "cnonce": "0a4f113b",
	}
	if got := digestOf(given, "Circle Of Life", "GET"); got != "6629fae49393a05397450978507c4ef1" {
		t.Errorf("response %s", got)
	}
}

func TestGateTellsWrongFromStale(t *testing.T) {
	gate := &Gate{Realm: "pbx.test", Passwords: map[string]string{"1001": "right"}}
	req := request("REGISTER", netip.MustParseAddrPort("127.0.0.1:5060"))
	if _, v := gate.Check(req, false); v != NoCredentials {
		t.Errorf("without credentials: %v", v)
	}
	challenge := gate.Challenge(req, false, false)
	for _, c := range []struct {
		account Account
		want    Verdict
	}{
		{Account{"1001", "right"}, Known}, {Account{"1001", "wrong"}, WrongPassword}, {Account{"nobody", "right"}, WrongPassword},
	} {
		signed, err := Authorize(req, challenge, c.account)
		if err != nil {
			t.Fatal(err)
		}
		if user, v := gate.Check(signed, false); v != c.want || user != c.account.User {
			t.Errorf("%v: %s %v", c.account, user, v)
		}
	}
	old := &Gate{Realm: "pbx.test", Passwords: gate.Passwords}
	signed, err := Authorize(req, old.Challenge(req, false, false), Account{"1001", "right"})
	if err != nil {
		t.Fatal(err)
	}
	if _, v := gate.Check(signed, false); v != Stale {
		t.Errorf("a nonce of another: %v", v)
	}
}

func TestUnknownDigestIsSaid(t *testing.T) {
	req := request("REGISTER", netip.MustParseAddrPort("127.0.0.1:5060"))
	challenge := req.Response(401)
	challenge.Add("WWW-Authenticate", `Digest realm="r", nonce="n", algorithm=SHA-256`)
	if _, err := Authorize(req, challenge, Account{}); err == nil || !strings.Contains(err.Error(), "SHA-256") {
		t.Errorf("%v", err)
	}
}

func request(method string, to netip.AddrPort) *Message {
	m := &Message{Method: method, URI: UserAt("9", to).String()}
	m.Add("From", "<sip:a@b>;tag=1")
	m.Add("To", "<sip:9@b>")
	m.Add("Call-ID", NewTag())
	m.Add("CSeq", "1 "+method)
	m.Add("Max-Forwards", "70")
	return m
}

var loopback = netip.MustParseAddrPort("127.0.0.1:0")

func endpoint(t *testing.T, h Handler) *Endpoint {
	t.Helper()
	e, err := Listen(loopback, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	e.Serve(h)
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// peer is a bare socket that speaks or keeps silent as a test wants.
type peer struct {
	t    *testing.T
	conn *net.UDPConn
}

func newPeer(t *testing.T) *peer {
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(loopback))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &peer{t, conn}
}

func (p *peer) addr() netip.AddrPort { return p.conn.LocalAddr().(*net.UDPAddr).AddrPort() }

func (p *peer) receive() *Message {
	p.t.Helper()
	buffer := make([]byte, 65535)
	if err := p.conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		p.t.Fatal(err)
	}
	n, err := p.conn.Read(buffer)
	if err != nil {
		p.t.Fatal(err)
	}
	m, err := Parse(buffer[:n])
	if err != nil {
		p.t.Fatal(err)
	}
	return m
}

func (p *peer) send(m *Message, to netip.AddrPort) {
	p.t.Helper()
	if _, err := p.conn.WriteToUDPAddrPort(m.Bytes(), to); err != nil {
		p.t.Fatal(err)
	}
}

func (p *peer) request(method string, to netip.AddrPort) *Message {
	m := request(method, to)
	m.Prepend("Via", "SIP/2.0/UDP "+p.addr().String()+";rport;branch="+newBranch())
	return m
}

func TestLostRequestIsRepeatedAndItsRefusalAcknowledgedEachTime(t *testing.T) {
	e, p := endpoint(t, func(*ServerTx) {}), newPeer(t)
	req := request("INVITE", p.addr())
	e.PrependVia(req)
	tx := e.Send(req, p.addr())
	if first, second := p.receive(), p.receive(); string(first.Bytes()) != string(second.Bytes()) {
		t.Error("the repetition is another request")
	}
	refusal := req.Response(486)
	refusal.Set("To", WithTag(refusal.Get("To"), "callee"))
	for range 2 {
		p.send(refusal, e.Addr())
		ack := p.receive()
		for ack.Method == "INVITE" { // one more repetition may be on its way
			ack = p.receive()
		}
		if ack.Method != "ACK" || ack.Get("Via") != req.Get("Via") || Param(ack.Get("To"), "tag") != "callee" {
			t.Errorf("%s", ack.Bytes())
		}
	}
	if res, err := tx.Final(t.Context()); err != nil || res.Status != 486 {
		t.Errorf("%v, %v", res, err)
	}
}

func TestAbandonedRequestIsNotRepeated(t *testing.T) {
	e, p := endpoint(t, func(*ServerTx) {}), newPeer(t)
	req := request("INVITE", p.addr())
	e.PrependVia(req)
	tx := e.Send(req, p.addr())
	p.receive()
	tx.Quiet()
	if err := p.conn.SetReadDeadline(time.Now().Add(3 * T1)); err != nil {
		t.Fatal(err)
	}
	if n, err := p.conn.Read(make([]byte, 2048)); err == nil {
		t.Errorf("%d bytes came after all", n)
	}
}

func TestRepeatedRequestIsHandledOnceAndAnsweredTwice(t *testing.T) {
	handled := make(chan string, 8)
	e, p := endpoint(t, func(tx *ServerTx) { handled <- tx.Request.Method; tx.Answer(200) }), newPeer(t)
	req := p.request("OPTIONS", e.Addr())
	p.send(req, e.Addr())
	first := p.receive()
	p.send(req, e.Addr())
	if second := p.receive(); string(first.Bytes()) != string(second.Bytes()) || first.Status != 200 {
		t.Errorf("%s\n%s", first.Bytes(), second.Bytes())
	}
	if len(handled) != 1 {
		t.Errorf("handled %d times", len(handled))
	}
}

func TestRefusalIsRepeatedUntilItsACK(t *testing.T) {
	others := make(chan string, 8)
	e, p := endpoint(t, func(tx *ServerTx) {
		others <- tx.Request.Method
		tx.Answer(486)
	}), newPeer(t)
	req := p.request("INVITE", e.Addr())
	p.send(req, e.Addr())
	first, second := p.receive(), p.receive()
	if first.Status != 486 || string(first.Bytes()) != string(second.Bytes()) {
		t.Errorf("%s\n%s", first.Bytes(), second.Bytes())
	}
	ack := req.Clone()
	ack.Method = "ACK"
	ack.Set("CSeq", "1 ACK")
	p.send(ack, e.Addr())
	p.send(p.request("OPTIONS", e.Addr()), e.Addr())
	for m := p.receive(); ; m = p.receive() {
		if _, method := m.CSeq(); method == "OPTIONS" {
			break // read in order: the ACK was taken before
		}
	}
	if len(others) != 2 || <-others != "INVITE" {
		t.Error("the ACK of a refusal reached the handler")
	}
}

func TestCancelReachesItsInvite(t *testing.T) {
	e, p := endpoint(t, func(tx *ServerTx) {
		go func() {
			<-tx.Cancelled()
			tx.Answer(487)
		}()
	}), newPeer(t)
	req := p.request("INVITE", e.Addr())
	cancel := req.Clone()
	cancel.Method = "CANCEL"
	cancel.Set("CSeq", "1 CANCEL")
	p.send(req, e.Addr())
	p.send(cancel, e.Addr())
	statuses := map[int]bool{p.receive().Status: true, p.receive().Status: true}
	if !statuses[200] || !statuses[487] {
		t.Errorf("answers %v", statuses)
	}
	p.send(p.request("CANCEL", e.Addr()), e.Addr())
	for m := p.receive(); m.Status != 481; m = p.receive() {
		if m.Status != 487 { // repeated, since no ACK came
			t.Fatalf("a CANCEL of nothing: %d", m.Status)
		}
	}
}

func TestTakenAddressIsSaid(t *testing.T) {
	e := endpoint(t, func(*ServerTx) {})
	if _, err := Listen(e.Addr(), slog.New(slog.DiscardHandler)); err == nil ||
		!strings.Contains(err.Error(), e.Addr().String()) {
		t.Errorf("%v", err)
	}
}

func TestClosedEndpointRunsNothing(t *testing.T) {
	e := endpoint(t, func(*ServerTx) {})
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	req := request("OPTIONS", loopback)
	e.PrependVia(req)
	if _, err := e.Send(req, e.Addr()).Final(t.Context()); !errors.Is(err, ErrNoResponse) {
		t.Errorf("%v", err)
	}
	if e.Go(func(context.Context) {}) {
		t.Error("a closed endpoint runs something")
	}
}
