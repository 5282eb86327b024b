package sip

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"testing"

	"releve"
)

// BenchmarkTurnedAway is what a call costs that is turned away, without the kernel's part in its coming.
func BenchmarkTurnedAway(b *testing.B) {
	e, err := Listen(Options{Listen: netip.MustParseAddrPort("127.0.0.1:0"), Log: slog.New(slog.DiscardHandler),
		Sources: Sources{Calls: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}, Full: func(releve.Opening) int { return 486 }})
	if err != nil {
		b.Fatal(err)
	}
	in := newInlet(e)
	sink, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		b.Fatal(err)
	}
	defer sink.Close()
	from := sink.LocalAddr().(*net.UDPAddr)
	text := fmt.Appendf(nil, "INVITE sip:reception@%[1]s SIP/2.0\r\nVia: SIP/2.0/UDP %[2]s;branch=z9hG4bK-1;rport\r\n"+
		"Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK-2\r\nRecord-Route: <sip:127.0.0.1;lr=on>\r\nMax-Forwards: 69\r\nFrom: <sip:0612345678@b>;tag=1\r\n"+
		"To: <sip:9@d>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\nContact: <sip:a@b>\r\nContent-Type: application/sdp\r\n\r\n", e.Addr(), from)
	b.ReportAllocs()
	for b.Loop() {
		in.take(text, from)
		in.admitCalls(1)
	}
	_ = e.socket.Close()
}
