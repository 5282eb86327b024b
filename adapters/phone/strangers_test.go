package phone_test

import (
	"net"
	"net/netip"
	"strings"
	"testing"
)

// newStranger is a peer at an address that no telephone of the tests takes for its PBX.
func newStranger(t *testing.T) *peer {
	t.Helper()
	b := ownIP().As4()
	b[1] += 0x20
	at := netip.AddrFrom4(b)
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: at.AsSlice()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &peer{t: t, conn: conn, addr: conn.LocalAddr().(*net.UDPAddr).AddrPort()}
}

// Whatever a stranger sends is dropped without an answer and counted, well formed or not;
// the other server may ask by OPTIONS and nothing else; the PBX may use any port (K1).
func TestSIPIsTakenFromThePBXAlone(t *testing.T) {
	pbx, stranger := newPeer(t), newStranger(t)
	for _, c := range []struct {
		name     string
		change   func(*setup)
		method   string
		answered bool
	}{
		{"a stranger's INVITE", func(*setup) {}, "INVITE", false},
		{"a stranger's OPTIONS", func(*setup) {}, "OPTIONS", false},
		{"a stranger's BYE", func(*setup) {}, "BYE", false},
		{"a stranger's REGISTER", func(*setup) {}, "REGISTER", false},
		{"what cannot be read", func(*setup) {}, "IN VITE", false},
		{"the other server's OPTIONS", func(o *setup) { o.Other = stranger.addr.Addr() }, "OPTIONS", true},
		{"the other server's INVITE", func(o *setup) { o.Other = stranger.addr.Addr() }, "INVITE", false},
		{"a source that was named", func(o *setup) {
			o.Sources = []netip.Prefix{netip.PrefixFrom(stranger.addr.Addr(), 24).Masked()}
		}, "OPTIONS", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, calls := newPhone(t, pbx.addr, c.change)
			uri := "sip:reception@" + p.Addr().String()
			stranger.send(p.Addr(), strings.Replace(
				stranger.request(c.method, uri, map[string]string{"body": stranger.sdp()}),
				"CSeq: 1 ", "CSeq: 7 ", 1))
			if c.answered {
				if code := stranger.final("7 " + c.method).code(); code != 200 {
					t.Errorf("answered with %d", code)
				}
				return
			}
			// The PBX's question is read after it: what is not counted by then never will be.
			pbx.send(p.Addr(), pbx.request("OPTIONS", uri, nil))
			pbx.final("1 OPTIONS")
			if got := p.Strangers(); got.Dropped != 1 || got.Last != stranger.addr.Addr() {
				t.Errorf("counted: %+v", got)
			}
			if m, any := stranger.tryReceive(0); any {
				t.Errorf("a stranger is told\n%s", m)
			}
			select {
			case in := <-calls:
				t.Errorf("a stranger's call: %+v", in.Invite())
			default:
			}
		})
	}
}
