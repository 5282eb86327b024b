package phone_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"releve/phone"
	"releve/phone/media"
)

// talking is a call that is answered.
func talking(t *testing.T) (*phone.Phone, *call, *phone.Leg) {
	t.Helper()
	caller := newPeer(t)
	p, calls := newPhone(t, caller.addr)
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
	if err := l.Play(t.Context(), media.Silence(40*time.Millisecond)); err != nil {
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

func TestTransferWithoutReport(t *testing.T) {
	p, c, l := talking(t)
	done := transferring(limit(t, 10*time.Second), l, "1002")
	c.send(p.Addr(), c.reply(c.incoming("REFER"), 202, ""))
	if code, err := l.Transfer(t.Context(), "1003"); err == nil {
		t.Errorf("two transfers at once: %d", code)
	}
	c.send(p.Addr(), c.inside("BYE", 3, nil))
	if got := <-done; !errors.Is(got.err, phone.ErrGone) {
		t.Errorf("ended with %+v", got)
	}
}

func TestTransferThatStopsReporting(t *testing.T) {
	p, c, l := talking(t)
	done := transferring(limit(t, 10*time.Second), l, "1002")
	c.send(p.Addr(), c.reply(c.incoming("REFER"), 202, ""))
	c.send(p.Addr(), c.inside("NOTIFY", 2, map[string]string{
		"Event": "refer", "Subscription-State": "terminated;reason=timeout", "body": "SIP/2.0 180 Ringing", "Content-Type": "message/sipfrag",
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
	c.send(p.Addr(), c.reply(c.incoming("REFER"), 407, "Proxy-Authenticate: Digest realm=\""+c.addr.String()+"\", nonce=\"n\"\r\n"))
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
