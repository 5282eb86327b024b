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

// Some PBXs ask for credentials inside a call; those of the user it came to will do.
func TestTransferChallenged(t *testing.T) {
	p, c, l := talking(t)
	registered := make(chan error, 1)
	go func() { _, err := p.Register(limit(t, 10*time.Second), reception()); registered <- err }()
	c.send(p.Addr(), c.reply(c.incoming("REGISTER"), 200, ""))
	if err := <-registered; err != nil {
		t.Fatal(err)
	}
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
