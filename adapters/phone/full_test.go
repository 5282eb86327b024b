package phone_test

import (
	"strings"
	"sync/atomic"
	"testing"

	"releve"
)

// A call that is turned away leaves nothing behind, and behaves as others that are refused: what comes
// again gets the same answer, tag and all (RFC 3261 §8.2.7), its ACK is taken without a word, and
// each Via comes back.
func TestTurnedAway(t *testing.T) {
	peer := newPeer(t)
	var seen atomic.Pointer[releve.Opening]
	p, calls := newPhone(t, peer.addr, func(o *setup) {
		o.Full = func(opening releve.Opening) int {
			seen.Store(&opening)
			return 486
		}
	})
	proxies := "SIP/2.0/UDP " + peer.addr.String() + ";branch=z9hG4bK-turned;rport"
	c := peer.invite(p.Addr(), map[string]string{"Via": proxies + ", SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK-below", "X-Releve-Test": "signed"})
	first := peer.final("1 INVITE")
	if first.code() != 486 || !strings.Contains(first.header("To"), ";tag=") || !strings.Contains(first.header("Via"), "192.0.2.1") ||
		!strings.Contains(first.header("Via"), "rport="+portOf(peer.addr)) {
		t.Fatalf("it is answered with %s", first)
	}
	if o := seen.Load(); o.User != "reception" || o.TestID != "signed" {
		t.Errorf("asked about %+v", o)
	}
	peer.send(p.Addr(), string(c.invite))
	if again := peer.final("1 INVITE"); again != first {
		t.Errorf("sent again, it is answered with %s", again)
	}
	ack := c.sameTransaction("ACK")
	peer.send(p.Addr(), strings.Replace(ack, "To: "+c.invite.header("To"), "To: "+first.header("To"), 1))
	peer.send(p.Addr(), peer.request("OPTIONS", c.uri, nil))
	if next, _ := peer.receiveFrom(); next.header("CSeq") != "1 OPTIONS" {
		t.Errorf("after the ACK comes %s", next)
	}
	select {
	case in := <-calls:
		t.Errorf("it was offered: %+v", in.Invite())
	default:
	}
}

// A call that was taken before there was no room, and whose INVITE comes again, is the same call. What
// belongs to a call is not asked about.
func TestWhoIsThereIsNotTurnedAway(t *testing.T) {
	peer := newPeer(t)
	var full atomic.Bool
	p, calls := newPhone(t, peer.addr, func(o *setup) {
		o.Full = func(releve.Opening) int {
			if full.Load() {
				return 486
			}
			return 0
		}
	})
	c := peer.invite(p.Addr(), nil)
	in := <-calls
	full.Store(true)
	peer.send(p.Addr(), string(c.invite))
	leg, err := in.Answer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c.answered()
	<-leg.Confirmed()
	peer.send(p.Addr(), c.inside("INVITE", 2, map[string]string{"body": peer.sdp()}))
	if code := peer.final("2 INVITE").code(); code != 200 {
		t.Errorf("the re-INVITE is answered with %d", code)
	}
	peer.send(p.Addr(), c.inside("ACK", 2, nil))
	peer.send(p.Addr(), c.inside("BYE", 3, nil))
	if code := peer.final("3 BYE").code(); code != 200 {
		t.Errorf("the BYE is answered with %d", code)
	}
	<-leg.Gone()
}

// What is written in an odd way is read by the screen, which knows the rules, and so is what is bad.
func TestTurningAwayIsForPlainCalls(t *testing.T) {
	peer := newPeer(t)
	p, calls := newPhone(t, peer.addr, func(o *setup) { o.Full = func(releve.Opening) int { return 486 } })
	for name, c := range map[string]struct {
		with map[string]string
		code int // 0: it is offered
	}{
		"a folded header":       {map[string]string{"To": "<sip:reception@pbx>\r\n  ;x=y"}, 0},
		"a branch of RFC 2543":  {map[string]string{"Via": "SIP/2.0/UDP " + peer.addr.String() + ";branch=1;rport"}, 0},
		"two Call-IDs":          {map[string]string{"Call-ID": "1\r\nCall-ID: 2"}, 486},
		"no Call-ID":            {map[string]string{"Call-ID": ""}, 400},
		"a Via without a host":  {map[string]string{"Via": "SIP/2.0/UDP " + peer.addr.String() + ";branch=z9hG4bK-2;rport;=x"}, 400},
		"a tag in a dialog":     {map[string]string{"To": "<sip:reception@pbx>;TAG=nobody"}, 481},
		"a compact form of all": {map[string]string{"To": "", "t": "<sip:reception@pbx>", "From": "", "f": "<sip:a@b>;tag=1", "Call-ID": "", "i": "compact"}, 486},
	} {
		t.Run(name, func(t *testing.T) {
			peer.invite(p.Addr(), c.with)
			if c.code == 0 {
				if err := (<-calls).Refuse(480); err != nil {
					t.Error(err)
				}
				c.code = 480
			}
			if got := peer.final("1 INVITE").code(); got != c.code {
				t.Errorf("answered with %d, want %d", got, c.code)
			}
		})
	}
}
