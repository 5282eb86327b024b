package phone_test

import (
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"releve/adapters/phone"
)

// asksAfter sets for how long nothing is heard of a call before the PBX is asked about it.
func asksAfter(silence time.Duration) func(*phone.Phone) {
	return func(p *phone.Phone) { p.SetSilence(silence) }
}

// Sound stops, and the PBX is asked within the call: 481 and 408 say that it is over, and
// any other answer that somebody has it.
func TestThePBXIsAskedAboutACallThatWentSilent(t *testing.T) {
	for code, over := range map[int]bool{481: true, 408: true, 200: false, 404: false, 405: false, 501: false} {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			p, c, l := talking(t, asksAfter(300*time.Millisecond))
			c.sound(l, true)(false)
			question := c.incoming("OPTIONS")
			if question.header("To") != c.invite.header("From") || question.header("From") != c.ok.header("To") ||
				question.header("Call-ID") != c.invite.header("Call-ID") {
				t.Errorf("asked outside of the call:\n%s", question)
			}
			c.send(p.Addr(), c.reply(question, code, ""))
			if over {
				c.send(p.Addr(), c.reply(c.incoming("BYE"), 481, ""))
				closes(t, "the call ends", l.Gone())
				if !l.Lost() {
					t.Error("the call was lost, and does not say so")
				}
				return
			}
			again := c.await("the next question", func(m text) bool {
				return m.method() == "OPTIONS" && m.header("CSeq") != question.header("CSeq")
			})
			c.send(p.Addr(), c.reply(again, 200, ""))
			select {
			case <-l.Gone():
				t.Errorf("%d ended the call", code)
			default:
			}
		})
	}
}

// A PBX that does not answer at all is taken for gone after 32 s, as RFC 3261 has it.
func TestThePBXThatDoesNotAnswerForACall(t *testing.T) {
	t.Parallel()
	_, c, l := talking(t, asksAfter(300*time.Millisecond))
	c.sound(l, true)(false)
	c.incoming("OPTIONS")
	select {
	case <-l.Gone():
	case <-time.After(50 * time.Second):
		t.Fatal("the call is still there after 50 s")
	}
	if !l.Lost() {
		t.Error("the call was lost, and does not say so")
	}
}

// A description has several ways to say that sound is not wanted, or not sent.
func TestACallOnHoldIsNotAskedAbout(t *testing.T) {
	for _, held := range []string{"sendonly", "recvonly", "inactive", "c=0.0.0.0"} {
		t.Run(held, func(t *testing.T) {
			t.Parallel()
			p, c, l := talking(t, asksAfter(time.Second))
			sound := c.sound(l, true)
			description := strings.Replace(c.sdp(), "a=sendrecv", "a="+held, 1)
			if held == "c=0.0.0.0" {
				description = strings.Replace(c.sdp(), "c=IN IP4 "+c.addr.Addr().String(), "c=IN IP4 0.0.0.0", 1)
			}
			c.send(p.Addr(), c.inside("INVITE", 2, map[string]string{"body": description}))
			if code := c.final("2 INVITE").code(); code != 200 {
				t.Fatalf("the hold is answered with %d", code)
			}
			c.send(p.Addr(), c.inside("ACK", 2, nil))
			sound(false)
			for {
				m, more := c.tryReceive(3 * time.Second)
				if !more {
					break
				}
				if m.method() == "OPTIONS" {
					t.Fatalf("a call on hold is asked about:\n%s", m)
				}
			}
			c.send(p.Addr(), c.inside("INVITE", 3, map[string]string{"body": c.sdp()}))
			c.final("3 INVITE")
			c.send(p.Addr(), c.inside("ACK", 3, nil))
			c.send(p.Addr(), c.reply(c.incoming("OPTIONS"), 200, ""))
		})
	}
}

// RTCP shows that somebody is there, where no sound does.
func TestControlPacketsAreASignOfLife(t *testing.T) {
	t.Parallel()
	_, c, l := talking(t, asksAfter(time.Second))
	c.sound(l, true)(false)
	conn := c.control()
	begin := time.Now()
	for time.Since(begin) < 4*time.Second {
		if _, err := conn.Write(receiversReport); err != nil {
			t.Fatal(err)
		}
		if m, came := c.tryReceive(50 * time.Millisecond); came && m.method() == "OPTIONS" {
			t.Fatalf("asked while RTCP comes:\n%s", m)
		}
	}
	c.incoming("OPTIONS") // now that it does not
}

// receiversReport is the shortest of RTCP (RFC 3550 §6.4.2).
var receiversReport = []byte{0x80, 201, 0, 1, 0, 0, 0, 7}

// control is where the caller's RTCP leaves from.
func (c *call) control() net.Conn {
	c.t.Helper()
	port := regexp.MustCompile(`m=audio (\d+)`).FindStringSubmatch(c.ok.body())
	to, err := net.ResolveUDPAddr("udp", net.JoinHostPort(c.to.Addr().String(), port[1]))
	if err != nil {
		c.t.Fatal(err)
	}
	to.Port++
	conn, err := net.DialUDP("udp", &net.UDPAddr{IP: c.addr.Addr().AsSlice()}, to)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = conn.Close() })
	return conn
}
