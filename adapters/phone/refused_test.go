package phone_test

import (
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"
)

// A refusal of our own call comes again where our ACK was lost: each copy is acknowledged,
// also those of the challenge before it, and of what a CANCEL led to.
func TestARefusalThatComesAgainIsAcknowledgedAgain(t *testing.T) {
	pbx := newPeer(t)
	p, _ := newPhone(t, pbx.addr)
	done := make(chan error, 1)
	go func() { _, err := p.TestCall(limit(t, 20*time.Second), reception(), "9", "t"); done <- err }()
	challenged := pbx.incoming("INVITE")
	challenge := pbx.reply(challenged, 407, "Proxy-Authenticate: Digest realm=\"pbx\", nonce=\"n\"\r\n")
	pbx.send(p.Addr(), challenge)
	pbx.acknowledges(t, challenged)
	invite := pbx.await("the INVITE with credentials",
		func(m text) bool { return m.method() == "INVITE" && m.header("Proxy-Authorization") != "" })
	busy := strings.Replace(pbx.reply(invite, 486, ""), "To: "+invite.header("To"), "To: "+invite.header("To")+";tag=busy", 1)
	pbx.send(p.Addr(), busy)
	pbx.acknowledges(t, invite)
	if err := <-done; err == nil || !strings.Contains(err.Error(), "486") {
		t.Errorf("the call ends with %v", err)
	}
	for range 3 {
		pbx.send(p.Addr(), challenge)
		pbx.acknowledges(t, challenged)
		pbx.send(p.Addr(), busy)
		if ack := pbx.acknowledges(t, invite); !strings.HasSuffix(ack.header("To"), ";tag=busy") {
			t.Errorf("the copy is acknowledged with\n%s", ack)
		}
	}
	// A response that only looks like one of ours is nothing to acknowledge.
	pbx.send(p.Addr(), strings.Replace(busy, "branch=z9hG4bK", "branch=z9hG4bKx", 1))
	pbx.send(p.Addr(), pbx.request("OPTIONS", "sip:"+p.Addr().String(), nil))
	if m := pbx.await("an answer", func(m text) bool { return m.code() == 200 || m.method() == "ACK" }); m.method() == "ACK" {
		t.Errorf("acknowledged:\n%s", m)
	}
}

// acknowledges awaits the ACK that belongs to an INVITE's transaction (RFC 3261 §17.1.1.3).
func (p *peer) acknowledges(t *testing.T, invite text) text {
	t.Helper()
	begin := time.Now()
	ack := p.await("ACK", func(m text) bool { return m.method() == "ACK" && m.header("Via") == invite.header("Via") })
	number, _, _ := strings.Cut(invite.header("CSeq"), " ")
	if ack.header("CSeq") != number+" ACK" || ack.header("Call-ID") != invite.header("Call-ID") ||
		ack.header("From") != invite.header("From") {
		t.Errorf("acknowledged with\n%s", ack)
	}
	if late := time.Since(begin); late > 3*time.Second {
		t.Errorf("acknowledged after %v", late)
	}
	return ack
}

// insists sends a refusal every half second until stop, as who is not acknowledged does
// (RFC 3261 §17.2.1).
func (p *peer) insists(to netip.AddrPort, refusal string) (stop func()) {
	over := make(chan struct{})
	var sender sync.WaitGroup
	sender.Go(func() {
		again := time.NewTicker(500 * time.Millisecond)
		defer again.Stop()
		for {
			_, _ = p.conn.WriteToUDPAddrPort([]byte(refusal), to)
			select {
			case <-again.C:
			case <-over:
				return
			}
		}
	})
	return func() { close(over); sender.Wait() }
}

// The call is given up behind the back of who made it, a moment after its first ACK: what
// comes before that is acknowledged when it comes again.
func TestACancelledCallIsAcknowledgedAgain(t *testing.T) {
	pbx := newPeer(t)
	p, _ := newPhone(t, pbx.addr)
	ctx := limit(t, time.Second)
	go func() { _, _ = p.TestCall(ctx, reception(), "9", "t") }()
	invite := pbx.incoming("INVITE")
	pbx.send(p.Addr(), pbx.reply(invite, 180, ""))
	pbx.send(p.Addr(), pbx.reply(pbx.incoming("CANCEL"), 200, ""))
	for range 3 {
		stop := pbx.insists(p.Addr(), pbx.reply(invite, 487, ""))
		pbx.acknowledges(t, invite)
		stop()
	}
}
