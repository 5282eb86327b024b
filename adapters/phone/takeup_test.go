package phone_test

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"releve/adapters/phone"
	"releve/adapters/phone/dialog"
	"releve/adapters/phone/register"
)

// takenUp is a call that one telephone answered and another took up, from what was written down. The
// ear is where the caller hears.
func takenUp(t *testing.T) (c *call, ear *ear, second *phone.Phone, l *phone.Leg) {
	t.Helper()
	return takenUpAfter(t, func(*call, *phone.Phone, *phone.Leg) {})
}

// takenUpAfter is [takenUp], of a call in which something happened before.
func takenUpAfter(t *testing.T, before func(*call, *phone.Phone, *phone.Leg)) (c *call, ear *ear, second *phone.Phone, l *phone.Leg) {
	t.Helper()
	caller := newPeer(t)
	ear = newEar(t, caller.addr.Addr())
	first, calls := newPhone(t, caller.addr)
	c = caller.invite(first.Addr(), map[string]string{"body": ear.describe(caller)})
	was := answer(t, next(t, calls))
	c.answered()
	closes(t, "the ACK comes", was.Confirmed())
	before(c, first, was)
	written := was.Written()
	was.Leave()
	closes(t, "the first telephone lets go", was.Gone())
	read, err := dialog.Read(written)
	if err != nil {
		t.Fatal(err)
	}
	second, _ = newPhone(t, caller.addr)
	l, err = second.TakeUp(read)
	if err != nil {
		t.Fatal(err)
	}
	c.to, c.uri = second.Addr(), "sip:reception@"+second.Addr().String()
	return c, ear, second, l
}

// reinvited begins a re-INVITE and waits for it.
func (c *call) reinvited(l *phone.Leg) (invite text, done <-chan error) {
	c.t.Helper()
	ended := make(chan error, 1)
	ctx := limit(c.t, 20*time.Second)
	go func() { ended <- l.Reinvite(ctx) }()
	return c.incoming("INVITE"), ended
}

// agrees writes the 200 to a re-INVITE.
func (c *call) agrees(invite text, contact, sdp string) string {
	res := c.reply(invite, 200, fmt.Sprintf("Contact: <sip:%s@%s>\r\nContent-Type: application/sdp\r\n", contact, c.addr))
	return strings.Replace(res, "Content-Length: 0", fmt.Sprintf("Content-Length: %d", len(sdp)), 1) + sdp
}

func TestACallIsTakenUpByAnotherTelephone(t *testing.T) {
	c, ear, second, l := takenUp(t)
	go func() { _ = l.Play(t.Context(), silence(10*time.Second)) }()
	if !ear.hears(5 * time.Second) {
		t.Error("the caller hears nothing before his side was asked")
	}
	invite, done := c.reinvited(l)
	origin := regexp.MustCompile(`o=(\S+ \d+) (\d+) `)
	before, now := origin.FindStringSubmatch(c.ok.body()), origin.FindStringSubmatch(invite.body())
	if before == nil || now == nil || before[1] != now[1] || before[2] != "1" || now[2] != "2" {
		t.Errorf("the session %q goes on as %q: the same, one version further", before, now)
	}
	for header, want := range map[string]string{
		"Call-ID": c.invite.header("Call-ID"), "From": c.ok.header("To"), "To": c.invite.header("From"), "CSeq": "101 INVITE",
		"Contact": fmt.Sprintf("<sip:reception@%s>", second.Addr()),
	} {
		if got := invite.header(header); got != want {
			t.Errorf("%s is %q, want %q", header, got, want)
		}
	}
	moved := newEar(t, c.addr.Addr())
	res := c.agrees(invite, "moved", moved.describe(c.peer))
	c.send(second.Addr(), res)
	if ack := c.incoming("ACK"); ack.header("CSeq") != "101 ACK" || !strings.HasPrefix(string(ack), "ACK sip:moved@") {
		t.Errorf("acknowledged with\n%s", ack)
	}
	if err := <-done; err != nil {
		t.Fatalf("the re-INVITE: %v", err)
	}
	if !moved.hears(5 * time.Second) {
		t.Error("the sound does not go where the answer says")
	}
	c.send(second.Addr(), res) // our ACK was lost
	if ack := c.incoming("ACK"); ack.header("CSeq") != "101 ACK" {
		t.Errorf("an answer that comes again is acknowledged with\n%s", ack)
	}
	go func() { _ = l.Hangup(t.Context()) }()
	if bye := c.incoming("BYE"); bye.header("CSeq") != "102 BYE" {
		t.Errorf("hung up with\n%s", bye)
	}
}

// Whoever dials while our re-INVITE is on its way is asked to wait, and so are we (RFC 3261 §14).
func TestTwoReinvitesThatCross(t *testing.T) {
	c, _, second, l := takenUp(t)
	invite, done := c.reinvited(l)
	c.send(second.Addr(), c.inside("INVITE", 2, map[string]string{"body": c.sdp()}))
	if code := c.final("2 INVITE").code(); code != 491 {
		t.Errorf("a re-INVITE that crosses ours is answered with %d", code)
	}
	c.send(second.Addr(), c.reply(invite, 491, ""))
	again := c.await("another re-INVITE", func(m text) bool { return m.method() == "INVITE" && m.header("CSeq") != invite.header("CSeq") })
	c.send(second.Addr(), c.agrees(again, "caller", c.sdp()))
	if err := <-done; err != nil {
		t.Errorf("asked a second time: %v", err)
	}
	c.send(second.Addr(), c.inside("INVITE", 3, map[string]string{"body": c.sdp()}))
	if code := c.final("3 INVITE").code(); code != 200 {
		t.Errorf("afterwards the other side is answered with %d", code)
	}
}

func TestAReinviteThatIsNotAgreedTo(t *testing.T) {
	for code, lost := range map[int]bool{481: true, 408: true, 488: false, 500: false} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			c, _, second, l := takenUp(t)
			invite, done := c.reinvited(l)
			c.send(second.Addr(), c.reply(invite, code, ""))
			err := <-done
			if refused, is := errors.AsType[*register.StatusError](err); !is || refused.Code != code || errors.Is(err, phone.ErrLost) != lost {
				t.Errorf("refused with %d: %v", code, err)
			}
			if lost {
				closes(t, "the call that nobody has is over", l.Gone())
				c.incoming("BYE") // somebody may have it all the same
				return
			}
			go func() { _ = l.Hangup(t.Context()) }()
			c.incoming("BYE")
		})
	}
}

// Nobody waits for ever, and what was given up does not end the call.
func TestAReinviteThatIsGivenUp(t *testing.T) {
	c, _, second, l := takenUp(t)
	ctx := limit(t, 300*time.Millisecond)
	done := make(chan error, 1)
	go func() { done <- l.Reinvite(ctx) }()
	invite := c.incoming("INVITE")
	c.send(second.Addr(), c.reply(invite, 100, ""))
	if err := <-done; err == nil {
		t.Fatal("agreed to by nobody")
	}
	c.send(second.Addr(), c.agrees(invite, "caller", c.sdp()))
	c.incoming("ACK")
	c.send(second.Addr(), c.inside("INVITE", 2, map[string]string{"body": c.sdp()}))
	answered := c.await("an answer, or BYE", func(m text) bool { return m.method() == "BYE" || m.code() >= 200 && m.header("CSeq") == "2 INVITE" })
	if answered.code() != 200 {
		t.Errorf("the call does not go on:\n%s", answered)
	}
}

// awaited is a call that was taken up in the middle of a transfer, on which nothing was reported yet.
func awaited(t *testing.T) (c *call, second *phone.Phone, l *phone.Leg, done <-chan outcome) {
	c, _, second, l = takenUpAfter(t, func(c *call, first *phone.Phone, was *phone.Leg) {
		asked := make(chan struct{}, 8)
		was.WhenChanged(func() { asked <- struct{}{} })
		go func() { _, _ = was.Transfer(t.Context(), "1002") }()
		c.send(first.Addr(), c.reply(c.incoming("REFER"), 202, ""))
		closes(t, "the telephone tells of the transfer", theFirst(asked))
		if was.Dialog().Refer == 0 {
			t.Error("what is written down says nothing of the transfer")
		}
	})
	ended := make(chan outcome, 1)
	ctx := limit(t, 10*time.Second)
	go func() {
		code, err := l.Await(ctx)
		ended <- outcome{code, err}
	}()
	return c, second, l, ended
}

// theFirst is closed at the first of several.
func theFirst(all <-chan struct{}) <-chan struct{} {
	one := make(chan struct{})
	go func() {
		<-all
		close(one)
	}()
	return one
}

// The PBX goes on with a transfer, whoever asked for it, and reports to whoever has the call by then.
func TestATransferIsReportedToTheTelephoneThatTookTheCallUp(t *testing.T) {
	c, second, l, done := awaited(t)
	c.send(second.Addr(), c.notify(2, "SIP/2.0 180 Ringing", ""))
	c.final("2 NOTIFY")
	c.send(second.Addr(), c.notify(3, "SIP/2.0 486 Busy Here", ""))
	if got := <-done; got != (outcome{486, nil}) {
		t.Errorf("ended with %+v", got)
	}
	if l.Dialog().Refer != 0 {
		t.Error("what is written down speaks of a transfer that is over")
	}
}

// One of which the PBX had let go meanwhile was put through, as far as can be known.
func TestATransferThatWasOverBeforeTheCallWasTakenUp(t *testing.T) {
	c, second, l, done := awaited(t)
	invite, agreed := c.reinvited(l)
	c.send(second.Addr(), c.reply(invite, 481, ""))
	if err := <-agreed; !errors.Is(err, phone.ErrLost) {
		t.Errorf("the re-INVITE: %v", err)
	}
	if got := <-done; got.code != 202 || !errors.Is(got.err, phone.ErrGone) {
		t.Errorf("ended with %+v", got)
	}
}

func TestNobodyWaitsForATransferThatThereIsNot(t *testing.T) {
	_, _, _, l := takenUp(t)
	if code, err := l.Await(limit(t, time.Second)); code != 0 || err == nil {
		t.Errorf("ended with %d, %v", code, err)
	}
}

// What the other side changes within the call, another server is to know.
func TestAReinviteIsTold(t *testing.T) {
	p, c, l := talking(t)
	told := make(chan string, 8)
	l.WhenChanged(func() { told <- l.Dialog().RemoteTarget })
	c.send(p.Addr(), c.inside("INVITE", 2, map[string]string{"body": c.sdp(), "Contact": "<sip:moved@" + c.addr.String() + ">"}))
	if code := c.final("2 INVITE").code(); code != 200 {
		t.Fatalf("the re-INVITE is answered with %d", code)
	}
	if target := <-told; !strings.HasPrefix(target, "sip:moved@") {
		t.Errorf("told with the target %q", target)
	}
}
