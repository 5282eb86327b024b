package phone_test

import (
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"releve/adapters/phone"
)

// ear is where a caller hears: an RTP socket beside his telephone.
type ear struct {
	t    *testing.T
	conn *net.UDPConn
}

func newEar(t *testing.T, host netip.Addr) *ear {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: host.AsSlice()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &ear{t, conn}
}

func (e *ear) address() netip.AddrPort { return e.conn.LocalAddr().(*net.UDPAddr).AddrPort() }

// describe writes a description of the peer that names the ear.
func (e *ear) describe(p *peer) string {
	text := strings.Replace(p.sdp(), "m=audio 40000 ", "m=audio "+strconv.Itoa(int(e.address().Port()))+" ", 1)
	return strings.Replace(text, "c=IN IP4 "+p.addr.Addr().String(), "c=IN IP4 "+e.address().Addr().String(), 1)
}

// hears waits for a packet, no longer than that.
func (e *ear) hears(within time.Duration) bool {
	e.t.Helper()
	if err := e.conn.SetReadDeadline(time.Now().Add(within)); err != nil {
		e.t.Fatal(err)
	}
	_, _, err := e.conn.ReadFromUDPAddrPort(make([]byte, 1500))
	return err == nil
}

// An INVITE alone may be forged, and its description name a third: not one packet leaves
// before the ACK. After it the caller hears what waited to be said, from its beginning.
func TestSoundBeginsWithTheACK(t *testing.T) {
	for name, late := range map[string]bool{"offer in the INVITE": false, "offer in the 200": true} {
		t.Run(name, func(t *testing.T) {
			caller := newPeer(t)
			p, calls := newPhone(t, caller.addr)
			ear := newEar(t, caller.addr.Addr())
			early, inACK := ear.describe(caller), ""
			if late {
				early, inACK = inACK, early
			}
			c := caller.invite(p.Addr(), map[string]string{"body": early})
			l := answer(t, next(t, calls))
			said := make(chan error, 1)
			go func() { said <- l.Play(t.Context(), silence(time.Second)) }()
			c.ok = caller.final("1 INVITE")
			caller.final("1 INVITE") // comes again after half a second: a call that waits for its ACK
			if ear.hears(time.Millisecond) || l.Stats().Sent != 0 {
				t.Errorf("%d packets left before the ACK", l.Stats().Sent)
			}
			select {
			case err := <-said:
				t.Errorf("a second of sound was said in half a one, before the ACK: %v", err)
			default:
			}
			caller.send(p.Addr(), c.inside("ACK", 1, map[string]string{"body": inACK}))
			if !ear.hears(10 * time.Second) {
				t.Fatal("nothing is heard after the ACK")
			}
			if err := <-said; err != nil || l.Stats().Sent < 50 {
				t.Errorf("%d packets left of a second's 50: %v", l.Stats().Sent, err)
			}
		})
	}
}

// A description that no sound can follow is refused, in words that the operator of the PBX
// finds in his own trace.
func TestADescriptionThatCannotBeFollowedIsRefusedWithAWarning(t *testing.T) {
	for c, want := range map[string]string{
		"IN IP4 192.0.2.9":   "399 ",
		"IN IP6 2001:db8::9": "300 ",
	} {
		t.Run(c, func(t *testing.T) {
			caller := newPeer(t)
			p, calls := newPhone(t, caller.addr)
			offer := strings.Replace(caller.sdp(), "c=IN IP4 "+caller.addr.Addr().String(), "c="+c, 1)
			caller.invite(p.Addr(), map[string]string{"body": offer})
			_, err := next(t, calls).Answer(t.Context())
			address := strings.Fields(c)[2]
			if !errors.Is(err, phone.ErrNotAcceptable) || !strings.Contains(err.Error(), "names "+address) {
				t.Errorf("answering says %v", err)
			}
			refusal := caller.final("1 INVITE")
			if refusal.code() != 488 || !strings.HasPrefix(refusal.header("Warning"), want+p.Addr().String()+` "`) {
				t.Errorf("refused with\n%s", refusal)
			}
		})
	}
}

// A name in c= is looked up by nobody: sound goes to where the call came from.
func TestANameInADescription(t *testing.T) {
	caller := newPeer(t)
	p, calls := newPhone(t, caller.addr)
	ear := newEar(t, caller.addr.Addr())
	offer := strings.Replace(ear.describe(caller), "c=IN IP4 "+caller.addr.Addr().String(), "c=IN IP4 media.example", 1)
	c := caller.invite(p.Addr(), map[string]string{"body": offer})
	answer(t, next(t, calls))
	c.answered()
	if !ear.hears(10 * time.Second) {
		t.Error("nothing is heard")
	}
}
