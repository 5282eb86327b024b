package sip

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	gosip "github.com/emiago/sipgo/sip"
)

// newEndpoint answers every request with 200.
func newEndpoint(t *testing.T) *Endpoint {
	t.Helper()
	e, err := Listen(Options{
		Listen: netip.MustParseAddrPort("127.0.0.1:0"), Log: slog.New(slog.DiscardHandler),
		Sources: Sources{Calls: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
		Handle:  func(req *Request, tx *Transaction) { _ = tx.Respond(200, nil) },
		Stray:   func(*Response) {},
	})
	if err != nil {
		t.Fatal(err)
	}
	e.Serve()
	t.Cleanup(func() { _ = e.Close() })
	return e
}

// askOnce sends an OPTIONS from a new socket and returns the status line of the answer.
func askOnce(t *testing.T, to netip.AddrPort) string {
	t.Helper()
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	from := conn.LocalAddr()
	fmt.Fprintf(conn, "OPTIONS sip:%s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK-%s;rport\r\nFrom: <sip:a@b>;tag=1\r\n"+
		"To: <sip:c@d>\r\nCall-ID: %s\r\nCSeq: 1 OPTIONS\r\n\r\n", to, from, from, from)
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, maxDatagram)
	n, err := conn.Read(buf)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	line, _, _ := strings.Cut(string(buf[:n]), "\r\n")
	return line
}

// A flood from ever new ports with ever new branches is answered, and leaves no more behind
// than the bound: neither transactions, nor their bytes, nor senders (K4).
func TestAFloodLeavesNothingBehind(t *testing.T) {
	e := newEndpoint(t)
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	before := heap()
	for i := range 4 * maxTransactions {
		flood(t, e, conn, i)
	}
	// The answer may be here before the transaction has settled behind it.
	if n := e.others.size(); n > maxTransactions+1 {
		t.Errorf("%d transactions are remembered, the bound is %d", n, maxTransactions)
	}
	if n := e.transport.Pool("udp").Size(); n > 2 {
		t.Errorf("%d senders are remembered", n)
	}
	middle := heap()
	for i := range 8 * maxTransactions {
		flood(t, e, conn, 4*maxTransactions+i)
	}
	if after := heap(); after > middle+4<<20 || middle > before+24<<20 {
		t.Errorf("the memory grows: %d, %d, %d KiB", before>>10, middle>>10, after>>10)
	}
	if got := askOnce(t, e.Addr()); got != "SIP/2.0 200 OK" {
		t.Errorf("afterwards it answers %q", got)
	}
}

// flood asks with a new branch, and every hundredth time from a new socket, and waits for
// the answer, so that none is lost in the socket's queue.
func flood(t *testing.T, e *Endpoint, conn *net.UDPConn, i int) {
	t.Helper()
	if i%100 == 0 {
		askOnce(t, e.Addr())
	}
	text := fmt.Sprintf("OPTIONS sip:%s SIP/2.0\r\n"+
		"Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK-flood-%d;rport\r\nFrom: <sip:a@b>;tag=1\r\n"+
		"To: <sip:c@d>\r\nCall-ID: flood-%d\r\nCSeq: 1 OPTIONS\r\n\r\n", e.Addr(), i, i)
	if _, err := conn.WriteToUDPAddrPort([]byte(text), e.Addr()); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	var buf [2048]byte
	if _, err := conn.Read(buf[:]); err != nil {
		t.Fatalf("question %d is not answered: %v", i, err)
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestFloodInTheLog(t *testing.T) {
	var lines bytes.Buffer
	log := slog.New(newLimiter(slog.NewTextHandler(&lines, nil)))
	for range 1000 {
		log.Error("bad", "data", strings.Repeat("x", 10000))
	}
	if n := strings.Count(lines.String(), "\n"); n < 1 || n > 3*linesPerSecond || lines.Len() > 20*maxText {
		t.Errorf("1000 bad packets write %d lines, %d bytes", n, lines.Len())
	}
}

func TestNothingLeavesAfterClose(t *testing.T) {
	e := newEndpoint(t)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	req, err := NewRequest("OPTIONS", URI{Scheme: "sip", Host: "127.0.0.1"}, "<sip:a@b>", "t", "<sip:c@d>", "", "id", 1)
	if err != nil {
		t.Fatal(err)
	}
	req.SetDestination("127.0.0.1:9")
	if _, err := e.Do(context.Background(), req); !errors.Is(err, ErrClosed) {
		t.Errorf("Do: %v", err)
	}
	if err := e.Send(req); !errors.Is(err, ErrClosed) {
		t.Errorf("Send: %v", err)
	}
	if _, err := e.Probe(context.Background(), e.Addr(), req); !errors.Is(err, ErrClosed) {
		t.Errorf("Probe: %v", err)
	}
}

func TestReplyGoesWhereTheRequestCameFrom(t *testing.T) {
	from := netip.MustParseAddrPort("192.0.2.7:40000")
	for via, want := range map[string]string{
		"SIP/2.0/UDP 10.0.0.1:5070;branch=z9hG4bK1;rport":   "192.0.2.7:40000",
		"SIP/2.0/UDP 10.0.0.1:5070;branch=z9hG4bK1; RPORT ": "192.0.2.7:40000",
		"SIP/2.0/UDP 10.0.0.1:5070;branch=z9hG4bK1":         "192.0.2.7:5070",
		`SIP/2.0/UDP 10.0.0.1;x="a;rport;b"`:                "192.0.2.7:5060",
		"SIP/2.0/UDP pbx.example;branch=z9hG4bK1":           "192.0.2.7:5060",
		"SIP/2.0/UDP [2001:db8::1];branch=z9hG4bK1":         "192.0.2.7:5060",
		"SIP/2.0/UDP [2001:db8::1]:5071, SIP/2.0/UDP x:1":   "192.0.2.7:5071",
		"SIP/2.0/UDP nonsense:port":                         "invalid AddrPort",
	} {
		if got, _ := refusal(screened{code: 400, lines: []field{{"via", via}}}, from); got.String() != want {
			t.Errorf("%s: to %s, not %s", via, got, want)
		}
	}
}

func TestValuesOfOneLine(t *testing.T) {
	msg, err := gosip.ParseMessage([]byte("SIP/2.0 200 OK\r\nContact: \"a, b\" <sip:1@x;p=1,2>;expires=3, <sip:2@y>\r\n" +
		"Contact: sip:3@z\r\nDiversion: \"x\\\", y\" <sip:4@w>, <sip:5@v>\r\n\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	contacts := Contacts(msg)
	if len(contacts) != 3 || contacts[0].URI.User != "1" || contacts[0].Params["expires"] != "3" || contacts[2].URI.User != "3" {
		t.Errorf("%+v", contacts)
	}
	if got := Values(msg, "Diversion"); len(got) != 2 || got[1] != "<sip:5@v>" {
		t.Errorf("%q", got)
	}
}

func TestUsersThatNeedEscapes(t *testing.T) {
	for _, user := range []string{"reception", "#31#", "a b", "é", "1;ext=2"} {
		u, err := ParseURI("sip:" + Escape(user) + "@example.com")
		if err != nil || User(u) != user {
			t.Errorf("%q becomes %q, %v", user, User(u), err)
		}
	}
}

// Whatever arrives, the screen neither dies nor lets through what the library dies of.
func FuzzScreen(f *testing.F) {
	f.Add([]byte("OPTIONS sip:a@b SIP/2.0\r\n" +
		"Via: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n" +
		"To: <sip:c@d>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\n\r\n"))
	f.Add([]byte("SIP/2.0 200 OK\r\nv: SIP / 2.0 / UDP h ; branch = x\r\nf: a\r\n\r\n"))
	f.Add([]byte("\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s := screen(data)
		if (s.clean != nil || s.request != nil) && (s.code != 0 || s.why != "") {
			t.Errorf("let through and refused: %q", data)
		}
		if s.code != 0 {
			if to, text := refusal(s, netip.MustParseAddrPort("192.0.2.7:5060")); to.IsValid() &&
				!bytes.HasPrefix(text, []byte("SIP/2.0 ")) {
				t.Errorf("the answer is %q", text)
			}
		}
	})
}

// Whatever arrives, what is written after a glance is an answer that the screen can read, to whom the
// screen would have sent its own.
func FuzzGlance(f *testing.F) {
	f.Add([]byte("INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1;rport, SIP/2.0/UDP i\r\nv: SIP/2.0/UDP j\r\n" +
		"From: <sip:a@b>;tag=1\r\nt: <sip:c@d>\r\nCALL-ID: x\r\nCSeq: 1 INVITE\r\n\r\nTo: nobody"))
	f.Add([]byte("ACK sip:a@b SIP/2.0\r\nTo: <sip:c@d>;tag=away-1\r\n\r\n"))
	f.Add([]byte("INVITE \r\n:\r\n To"))
	f.Fuzz(func(t *testing.T, data []byte) {
		from := netip.MustParseAddrPort("192.0.2.7:5060")
		g, s := glance(data), screen(data)
		if !g.newCall || !g.plain || s.request == nil {
			return
		}
		top, key, ok := g.transaction()
		if !ok {
			return
		}
		if want := keyOf(s, "INVITE"); key != want {
			t.Errorf("the transaction is %q, and at a glance %q", want, key)
		}
		answer := screen(g.refusal(nil, 486, top, from, 1))
		if answer.clean == nil {
			t.Errorf("the answer to %q cannot be read: %s", data, answer.why)
		}
	})
}

// Whatever a name, a URI and parameters are made of: what is read is written again as it
// came, and a tag is a parameter of the header and of nothing else.
func FuzzAddress(f *testing.F) {
	for _, seed := range []string{
		`"Ada;tag=1" <sip:2002@h>;tag=a`, `<sip:2002@h>;TAG=a`, `<sip:2001@h;tiu="QUJDRA==">`,
		`sip:a@b;tag=1`, `<sip:h;LR>;x-id=7`,
		`"a\"b" <sips:u:p@[::1]:5061;x=y?h=v&w=>`, `<tel:+33;phone-context=x>`, `*`, `"`, `<>`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		a, err := ParseAddress(value)
		if err != nil {
			return
		}
		if !strings.Contains(value, a.Text) {
			t.Errorf("%q is read as the URI %q", value, a.Text)
		}
		bare := WithoutParams(value)
		again, err := ParseAddress(bare + ";tag=mine")
		if err == nil && again.Text == a.Text && again.Params["tag"] != "mine" {
			t.Errorf("%q with a tag of ours has the tag %q", bare, again.Params["tag"])
		}
		if u := a.URI.String(); u == a.Text {
			back, err := ParseURI(u)
			if err != nil || back.String() != u {
				t.Errorf("%q is written %q, %v", u, back.String(), err)
			}
		}
		_ = User(a.URI)
	})
}

// A Via comes back with what was added to its first value, and every other byte as it was.
func FuzzVia(f *testing.F) {
	f.Add(`SIP/2.0/UDP h:5060;branch=z9hG4bK1;rport;x="a,b;rport"`)
	f.Add(`SIP / 2.0 / UDP [::1] ; received=1 , SIP/2.0/UDP b`)
	from := netip.MustParseAddrPort("192.0.2.7:40000")
	f.Fuzz(func(t *testing.T, line string) {
		top, err := vias([]field{{"via", line}})
		if err != nil {
			return
		}
		stamped := top.stamp(line, from)
		again, err := vias([]field{{"via", stamped}})
		if err != nil || again.branch != top.branch || again.host != top.host {
			t.Errorf("%q is stamped %q: %v", line, stamped, err)
		}
	})
}

// size is how many transactions are remembered.
func (b *table) size() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.all)
}
