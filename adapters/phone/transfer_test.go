package phone_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"releve/adapters/phone"
)

// talking is a call that is answered.
func talking(t *testing.T, set ...func(*phone.Phone)) (*phone.Phone, *call, *phone.Leg) {
	t.Helper()
	caller := newPeer(t)
	p, calls := newPhone(t, caller.addr)
	for _, f := range set {
		f(p)
	}
	c := caller.invite(p.Addr(), nil)
	l := answer(t, next(t, calls))
	c.answered()
	return p, c, l
}

// outcome is how a transfer ended.
type outcome struct {
	code int
	err  error
}

func transferring(ctx context.Context, l *phone.Leg, user string) <-chan outcome {
	done := make(chan outcome, 1)
	go func() {
		code, err := l.Transfer(ctx, user)
		done <- outcome{code, err}
	}()
	return done
}

// notify writes a report on a transfer.
func (c *call) notify(cseq int, fragment, more string) string {
	return c.inside("NOTIFY", cseq, map[string]string{
		"Event": "refer" + more, "Subscription-State": "active", "body": fragment, "Content-Type": "message/sipfrag",
	})
}

func TestTransferReportBeforeAccepted(t *testing.T) {
	p, c, l := talking(t)
	done := transferring(limit(t, 10*time.Second), l, "1002")
	refer := c.incoming("REFER")
	if got, want := refer.header("Refer-To"), fmt.Sprintf("<sip:1002@%s>", c.addr); got != want {
		t.Errorf("Refer-To %q, not %q", got, want)
	}
	c.send(p.Addr(), c.notify(2, "SIP/2.0 100 Trying\r\n", ""))
	c.send(p.Addr(), c.notify(3, "SIP/2.0 200 OK\r\n", ""))
	c.final("3 NOTIFY")
	c.send(p.Addr(), c.reply(refer, 202, ""))
	if got := <-done; got != (outcome{200, nil}) {
		t.Errorf("ended with %+v", got)
	}
	if l.Dialog().RemoteSeq != 3 {
		t.Errorf("the dialog's remote CSeq is %d", l.Dialog().RemoteSeq)
	}
}

func TestTransferFailsAndTheCallGoesOn(t *testing.T) {
	p, c, l := talking(t)
	done := transferring(limit(t, 10*time.Second), l, "1002")
	refer := c.incoming("REFER")
	c.send(p.Addr(), c.reply(refer, 202, ""))
	id := ";id=" + strings.Fields(refer.header("CSeq"))[0]
	c.send(p.Addr(), c.notify(2, "SIP/2.0 200 OK", ";id=4711")) // of some other transfer
	c.send(p.Addr(), c.notify(3, "SIP/2.0 486 Busy Here", id))
	if got := <-done; got != (outcome{486, nil}) {
		t.Fatalf("ended with %+v", got)
	}
	if err := l.Play(t.Context(), silence(40*time.Millisecond)); err != nil {
		t.Errorf("the call goes on, but %v", err)
	}
	again := transferring(limit(t, 10*time.Second), l, "1003")
	c.send(p.Addr(), c.reply(c.incoming("REFER"), 603, ""))
	if got := <-again; got != (outcome{603, nil}) {
		t.Errorf("a REFER that is refused: %+v", got)
	}
}

func TestTransferReportAndBye(t *testing.T) {
	p, c, l := talking(t)
	done := transferring(limit(t, 10*time.Second), l, "1002")
	c.send(p.Addr(), c.reply(c.incoming("REFER"), 202, ""))
	c.send(p.Addr(), c.inside("BYE", 4, nil))
	c.send(p.Addr(), c.notify(3, "SIP/2.0 200 OK", ""))
	if got := <-done; got != (outcome{200, nil}) {
		t.Errorf("ended with %+v", got)
	}
}

// Whoever hangs up at once when a transfer is reported does not overtake the answer to that
// report: the PBX would have a BYE where it waits for a 200.
func TestAReportIsAnsweredBeforeItIsActedOn(t *testing.T) {
	for range 20 {
		p, c, l := talking(t)
		over := make(chan error, 1)
		go func() {
			_, _ = l.Transfer(limit(t, 10*time.Second), "1002")
			over <- l.Hangup(limit(t, 10*time.Second))
		}()
		c.send(p.Addr(), c.reply(c.incoming("REFER"), 202, ""))
		c.send(p.Addr(), c.notify(2, "SIP/2.0 200 OK", ""))
		first := c.await("the answer or the BYE", func(m text) bool { return m.code() == 200 || m.method() == "BYE" })
		if first.method() == "BYE" {
			t.Fatal("the BYE comes first")
		}
		c.send(p.Addr(), c.reply(c.incoming("BYE"), 200, ""))
		if err := <-over; err != nil {
			t.Fatal(err)
		}
	}
}

func TestTransferWithoutReport(t *testing.T) {
	p, c, l := talking(t)
	done := transferring(limit(t, 10*time.Second), l, "1002")
	c.send(p.Addr(), c.reply(c.incoming("REFER"), 202, ""))
	if code, err := l.Transfer(t.Context(), "1003"); err == nil {
		t.Errorf("two transfers at once: %d", code)
	}
	c.send(p.Addr(), c.inside("BYE", 3, nil))
	if got := <-done; !errors.Is(got.err, phone.ErrGone) || got.code != 202 {
		t.Errorf("ended with %+v", got)
	}
}

// How a transfer ended that the PBX did not report to its end.
func TestTransferReportedInPart(t *testing.T) {
	for _, c := range []struct {
		name     string
		fragment string
		state    string
		bye      bool
		want     int
		gone     bool
	}{
		{"trying, and a BYE", "SIP/2.0 100 Trying", "active", true, 202, true},
		{"trying is all, and a BYE", "SIP/2.0 100 Trying", "terminated;reason=noresource", true, 202, true},
		{"trying is all, and no BYE", "SIP/2.0 100 Trying", "terminated;reason=noresource", false, 100, false},
		{"ringing, and a BYE", "SIP/2.0 180 Ringing", "active", true, 202, true},
		{"queued, and a BYE", "SIP/2.0 182 Queued", "active;expires=60", true, 202, true},
		{"no status, and a BYE", "", "Terminated", true, 202, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, call, l := talking(t)
			done := transferring(limit(t, 20*time.Second), l, "1002")
			call.send(p.Addr(), call.reply(call.incoming("REFER"), 202, ""))
			call.send(p.Addr(), call.inside("NOTIFY", 2, map[string]string{
				"Event": "refer", "Subscription-State": c.state, "body": c.fragment, "Content-Type": "message/sipfrag",
			}))
			call.final("2 NOTIFY")
			if c.bye {
				call.send(p.Addr(), call.inside("BYE", 3, nil))
			}
			if got := <-done; got.code != c.want || errors.Is(got.err, phone.ErrGone) != c.gone {
				t.Errorf("ended with %+v", got)
			}
		})
	}
}

// A PBX that was started anew knows the dialog no more: there is nobody to talk to, and
// nothing more to ask.
func TestTransferInADialogThatIsGone(t *testing.T) {
	for _, code := range []int{481, 408} {
		p, c, l := talking(t)
		begin := time.Now()
		done := transferring(limit(t, 10*time.Second), l, "1002")
		c.send(p.Addr(), c.reply(c.incoming("REFER"), code, ""))
		if got := <-done; !errors.Is(got.err, phone.ErrLost) || got.code != code {
			t.Errorf("ended with %+v", got)
		}
		closes(t, "the call ends", l.Gone())
		if took := time.Since(begin); took > 3*time.Second {
			t.Errorf("the call ends after %v", took)
		}
		c.send(p.Addr(), c.reply(c.incoming("BYE"), 481, ""))
	}
}

// A transfer fails in the PBX, which dropped the caller for it: his sound, which never
// stopped, has stopped at the REFER and does not come back. A caller whose sound does is
// still there. Nothing is known of one whose sound never flowed, or who sends nothing while
// he listens: a silence of his is no loss.
func TestTransferThatCostTheCaller(t *testing.T) {
	for name, c := range map[string]struct{ before, suppresses, after, reports, lost bool }{
		"stops for good":                   {before: true, lost: true},
		"stops for good, and RTCP goes on": {before: true, reports: true, lost: true},
		"comes back":                       {before: true, after: true},
		"never flowed":                     {}, "flows while he speaks": {before: true, suppresses: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, call, l := talking(t)
			sound := call.sound(l, c.before)
			if c.suppresses {
				sound(false)
				time.Sleep(1200 * time.Millisecond) // a pause of his
				sound(true)
				time.Sleep(3 * time.Second) // with which another's flow is known
			}
			if c.before && !c.suppresses {
				eventually(t, "the sound is known to flow", func() bool { return l.Life().Steady })
			}
			done := transferring(limit(t, 20*time.Second), l, "1002")
			refer := call.incoming("REFER")
			begin := time.Now()
			sound(c.after)
			call.send(p.Addr(), call.reply(refer, 202, ""))
			call.send(p.Addr(), call.notify(2, "SIP/2.0 503 Service Unavailable", ""))
			got := call.ending(done, c.reports)
			if got.code != 503 || errors.Is(got.err, phone.ErrLost) != c.lost {
				t.Errorf("ended with %+v", got)
			}
			if took := time.Since(begin); took > 10*time.Second || !c.lost && took > 7*time.Second {
				t.Errorf("it took %v", took)
			}
			if c.lost {
				closes(t, "the call ends", l.Gone())
			} else if l.Play(t.Context(), silence(20*time.Millisecond)) != nil {
				t.Error("the call does not go on")
			}
		})
	}
}

// ending waits for the end of a transfer, and reports by RTCP meanwhile if it is asked to.
func (c *call) ending(done <-chan outcome, reports bool) outcome {
	c.t.Helper()
	if !reports {
		return <-done
	}
	conn, tick := c.control(), time.NewTicker(20*time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case got := <-done:
			return got
		case <-tick.C:
			if _, err := conn.Write(receiversReport); err != nil && !errors.Is(err, syscall.ECONNREFUSED) { // the port goes with the call
				c.t.Fatal(err)
			}
		}
	}
}

// sound begins to send the caller's sound, and returns when it is heard, with what turns
// it on and off.
func (c *call) sound(l *phone.Leg, on bool) (turn func(on bool)) {
	c.t.Helper()
	port := regexp.MustCompile(`m=audio (\d+)`).FindStringSubmatch(c.ok.body())
	to, err := net.ResolveUDPAddr("udp", c.to.Addr().String()+":"+port[1])
	if err != nil {
		c.t.Fatal(err)
	}
	conn, err := net.DialUDP("udp", &net.UDPAddr{IP: c.addr.Addr().AsSlice()}, to)
	if err != nil {
		c.t.Fatal(err)
	}
	var flows atomic.Bool
	flows.Store(on)
	tick, over := time.NewTicker(20*time.Millisecond), make(chan struct{})
	go func() {
		defer close(over)
		for n := uint16(1); ; n++ {
			select {
			case <-c.t.Context().Done():
				return
			case <-tick.C:
			}
			if flows.Load() {
				packet := binary.BigEndian.AppendUint16([]byte{0x80, 0}, n)
				packet = binary.BigEndian.AppendUint32(packet, uint32(n)*160)
				packet = binary.BigEndian.AppendUint32(packet, 7)
				_, _ = conn.Write(append(packet, make([]byte, 160)...))
			}
		}
	}()
	c.t.Cleanup(func() { <-over; tick.Stop(); conn.Close() })
	for on && l.Stats().Received < 3 {
		time.Sleep(time.Millisecond)
	}
	return flows.Store
}

func TestTransferThatStopsReporting(t *testing.T) {
	p, c, l := talking(t)
	done := transferring(limit(t, 10*time.Second), l, "1002")
	c.send(p.Addr(), c.reply(c.incoming("REFER"), 202, ""))
	c.send(p.Addr(), c.inside("NOTIFY", 2, map[string]string{
		"Event": "refer", "Subscription-State": "terminated;reason=timeout",
		"body": "SIP/2.0 180 Ringing", "Content-Type": "message/sipfrag",
	}))
	if got := <-done; got != (outcome{408, nil}) {
		t.Errorf("ended with %+v", got)
	}
}

// registered binds the reception at a PBX that challenges with the realm "pbx".
func (c *call) registered(t *testing.T, p *phone.Phone) {
	t.Helper()
	done := make(chan error, 1)
	go func() { _, err := p.Register(limit(t, 10*time.Second), reception()); done <- err }()
	c.send(p.Addr(), c.reply(c.incoming("REGISTER"), 401, "WWW-Authenticate: Digest realm=\"pbx\", nonce=\"r\"\r\n"))
	c.send(p.Addr(), c.reply(c.incoming("REGISTER"), 200, ""))
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// Some PBXs ask for credentials inside a call; those of the user it came to will do.
func TestTransferChallenged(t *testing.T) {
	p, c, l := talking(t)
	c.registered(t, p)
	done := transferring(limit(t, 10*time.Second), l, "1002")
	c.send(p.Addr(), c.reply(c.incoming("REFER"), 407, "Proxy-Authenticate: Digest realm=\"pbx\", nonce=\"n\"\r\n"))
	refer := c.incoming("REFER")
	if !strings.Contains(refer.header("Proxy-Authorization"), `username="reception"`) {
		t.Errorf("credentials:\n%s", refer)
	}
	c.send(p.Addr(), c.reply(refer, 202, ""))
	c.send(p.Addr(), c.notify(2, "SIP/2.0 200 OK", ";id="+strings.Fields(refer.header("CSeq"))[0]))
	if got := <-done; got != (outcome{200, nil}) {
		t.Errorf("ended with %+v", got)
	}
}

func TestNotifyOfSomethingElse(t *testing.T) {
	p, c, _ := talking(t)
	c.send(p.Addr(), c.inside("NOTIFY", 2, map[string]string{"Event": "message-summary"}))
	if code := c.final("2 NOTIFY").code(); code != 489 {
		t.Errorf("answered with %d", code)
	}
}

// A PBX that calls the published number asks for the credentials of the user that is
// registered here.
func TestChallengedInACallToTheNumber(t *testing.T) {
	caller := newPeer(t)
	p, calls := newPhone(t, caller.addr)
	c := &call{peer: caller, to: p.Addr(), uri: "sip:9@" + p.Addr().String()}
	c.invite = text(caller.request("INVITE", c.uri, map[string]string{"body": caller.sdp()}))
	caller.send(p.Addr(), string(c.invite))
	l := answer(t, next(t, calls))
	c.answered()
	c.registered(t, p)
	transferring(limit(t, 10*time.Second), l, "1002")
	c.send(p.Addr(), c.reply(c.incoming("REFER"), 407,
		"Proxy-Authenticate: Digest realm=\""+c.addr.String()+"\", nonce=\"n\"\r\n"))
	refer := c.incoming("REFER")
	if !strings.Contains(refer.header("Proxy-Authorization"), `username="reception"`) {
		t.Errorf("credentials to REFER:\n%s", refer)
	}
	c.send(p.Addr(), c.reply(refer, 603, ""))
	go func() { _ = l.Hangup(limit(t, 10*time.Second)) }()
	c.send(p.Addr(), c.reply(c.incoming("BYE"), 407, "Proxy-Authenticate: Digest realm=\"pbx\", nonce=\"n\"\r\n"))
	bye := c.incoming("BYE")
	if !strings.Contains(bye.header("Proxy-Authorization"), `username="reception"`) {
		t.Errorf("credentials to BYE:\n%s", bye)
	}
	c.send(p.Addr(), c.reply(bye, 200, ""))
}

// The other end of a call names itself in Contact: whoever it is, a digest of the
// password is not for it (K2).
func TestAStrangerInsideACallGetsNoCredentials(t *testing.T) {
	pbx, stranger := newPeer(t), newPeerAt(t, elsewhere())
	p, calls := newPhone(t, pbx.addr)
	c := pbx.invite(p.Addr(), map[string]string{"Contact": fmt.Sprintf("<sip:caller@%s>", stranger.addr)})
	l := answer(t, next(t, calls))
	c.answered()
	c.registered(t, p)
	done := transferring(limit(t, 3*time.Second), l, "1002")
	challenge := fmt.Sprintf("Proxy-Authenticate: Digest realm=\"%s\", nonce=\"n\"\r\n", pbx.addr)
	stranger.send(p.Addr(), stranger.reply(stranger.incoming("REFER"), 407, challenge))
	<-done
	go func() { _ = l.Hangup(limit(t, 3*time.Second)) }()
	stranger.send(p.Addr(), stranger.reply(stranger.incoming("BYE"), 407, challenge))
	for {
		m, more := stranger.tryReceive(time.Second)
		if !more {
			return
		}
		if strings.Contains(strings.ToLower(string(m)), "authorization") {
			t.Fatalf("the stranger is given\n%s", m)
		}
	}
}
