package phone_test

import (
	"net/netip"
	"testing"
	"time"

	"releve/adapters/phone/sip"
)

// A gateway beside a PBX that is spoken to over TCP speaks UDP: its calls are taken, told where to answer in UDP, and hung up so.
func TestAGatewayBesideThePBXSpeaksUDP(t *testing.T) {
	pbx := startKamailio(t)
	gateway := newPeerAt(t, elsewhere())
	p, calls := newPhone(t, pbx.addr, func(s *setup) {
		s.Transport, s.Sources = sip.TCP, []netip.Prefix{netip.PrefixFrom(gateway.addr.Addr(), 8).Masked()} // the PBX is in it too
	})
	c := gateway.invite(p.Addr(), nil)
	l := answer(t, next(t, calls))
	c.answered()
	if got, want := c.ok.header("Contact"), "<sip:reception@"+p.Addr().String()+">"; got != want {
		t.Errorf("answered with the Contact %s, not %s", got, want)
	}
	done := make(chan error, 1)
	go func() { done <- l.Hangup(limit(t, 10*time.Second)) }()
	bye := gateway.incoming("BYE")
	gateway.send(p.Addr(), gateway.reply(bye, 200, ""))
	if err := <-done; err != nil {
		t.Errorf("hanging up: %v", err)
	}
}
