package phone_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"releve"
	"releve/adapters/phone"
	"releve/adapters/phone/dialog"
)

func TestCallAnsweredAndHungUpByTheCaller(t *testing.T) {
	caller := newPeer(t)
	p, calls := newPhone(t, caller.addr)
	c := caller.invite(p.Addr(), nil)
	l := answer(t, next(t, calls))
	c.answered()
	if got := c.ok.header("Contact"); got != "<"+c.uri+">" {
		t.Errorf("Contact %q, not %q", got, c.uri)
	}
	caller.send(p.Addr(), c.inside("BYE", 2, nil))
	if code := caller.final("2 BYE").code(); code != 200 {
		t.Errorf("BYE is answered with %d", code)
	}
	closes(t, "the call is gone", l.Gone())
	if err := l.Play(t.Context(), silence(time.Second)); !errors.Is(err, phone.ErrGone) {
		t.Errorf("playing to nobody says %v", err)
	}
	if err := l.Hangup(t.Context()); err != nil {
		t.Errorf("hanging up twice: %v", err)
	}
}

func TestCallHungUpByUs(t *testing.T) {
	caller := newPeer(t)
	p, calls := newPhone(t, caller.addr)
	c := caller.invite(p.Addr(), map[string]string{
		"Record-Route": fmt.Sprintf("<sip:first@%s;lr>, <sip:second@%s;lr>", caller.addr, caller.addr),
	})
	l := answer(t, next(t, calls))
	c.answered()
	done := make(chan error, 1)
	go func() { done <- l.Hangup(limit(t, 10*time.Second)) }()
	bye := caller.incoming("BYE")
	if got, want := bye.header("Route"), fmt.Sprintf("<sip:first@%s;lr>", caller.addr); got != want {
		t.Errorf("BYE goes by %q first, not %q", got, want)
	}
	if bye.header("To") != c.invite.header("From") || bye.header("From") != c.ok.header("To") {
		t.Errorf("BYE of another dialog:\n%s", bye)
	}
	caller.send(p.Addr(), caller.reply(bye, 200, ""))
	if err := <-done; err != nil {
		t.Errorf("hanging up: %v", err)
	}
}

func TestNeverMoreThan100BeforeTheVerdict(t *testing.T) {
	caller := newPeer(t)
	p, calls := newPhone(t, caller.addr)
	c := caller.invite(p.Addr(), nil)
	in := next(t, calls)
	first := caller.await("response", func(text) bool { return true })
	if first.code() != 100 {
		t.Errorf("the first response is %d", first.code())
	}
	if err := in.Refuse(486); err != nil {
		t.Fatal(err)
	}
	refusal := caller.await("response after 100", func(m text) bool { return m.code() != 100 })
	if refusal.code() != 486 || refusal.header("Retry-After") != "" {
		t.Errorf("refused with\n%s", refusal)
	}
	again := caller.final("1 INVITE")
	if again.code() != 486 {
		t.Errorf("without an ACK the refusal is repeated, not %d", again.code())
	}
	caller.send(p.Addr(), c.sameTransaction("ACK"))
}

func TestCancelWhileVerifying(t *testing.T) {
	caller := newPeer(t)
	p, calls := newPhone(t, caller.addr)
	c := caller.invite(p.Addr(), nil)
	in := next(t, calls)
	caller.send(p.Addr(), c.sameTransaction("CANCEL"))
	if code := caller.final("1 CANCEL").code(); code != 200 {
		t.Errorf("CANCEL is answered with %d", code)
	}
	if code := caller.final("1 INVITE").code(); code != 487 {
		t.Errorf("INVITE is answered with %d", code)
	}
	closes(t, "the caller is gone", in.Gone())
	if _, err := in.Answer(t.Context()); !errors.Is(err, phone.ErrCancelled) {
		t.Errorf("answering him says %v", err)
	}
	if err := in.Refuse(486); !errors.Is(err, phone.ErrCancelled) {
		t.Errorf("refusing him says %v", err)
	}
}

func TestCancelCrossesAnswer(t *testing.T) {
	caller := newPeer(t)
	p, calls := newPhone(t, caller.addr)
	c := caller.invite(p.Addr(), nil)
	l := answer(t, next(t, calls))
	caller.send(p.Addr(), c.sameTransaction("CANCEL"))
	if code := caller.final("1 CANCEL").code(); code != 200 {
		t.Errorf("CANCEL is answered with %d", code)
	}
	c.answered()
	caller.send(p.Addr(), c.inside("BYE", 2, nil))
	if code := caller.final("2 BYE").code(); code != 200 {
		t.Errorf("BYE is answered with %d", code)
	}
	closes(t, "the call is gone", l.Gone())
}

// Many times, because the two race: whichever wins, the caller is told one thing.
func TestCancelRacesAnswer(t *testing.T) {
	caller := newPeer(t)
	p, calls := newPhone(t, caller.addr)
	for range 12 {
		c := caller.invite(p.Addr(), nil)
		in := next(t, calls)
		caller.send(p.Addr(), c.sameTransaction("CANCEL"))
		l, err := in.Answer(t.Context())
		final := caller.final("1 INVITE")
		switch {
		case err == nil && final.code() == 200:
			c.ok = final
			caller.send(p.Addr(), c.inside("ACK", 1, nil))
			caller.send(p.Addr(), c.inside("BYE", 2, nil))
			caller.final("2 BYE")
			closes(t, "the call is gone", l.Gone())
		case errors.Is(err, phone.ErrCancelled) && final.code() == 487:
			if again := caller.final("1 INVITE"); again.code() != 487 {
				t.Fatalf("487 is repeated as %d", again.code())
			}
			caller.send(p.Addr(), c.sameTransaction("ACK"))
		default:
			t.Fatalf("Answer says %v, and the caller was told %d", err, final.code())
		}
	}
}

func TestCancelOvertakesInvite(t *testing.T) {
	caller := newPeer(t)
	p, calls := newPhone(t, caller.addr)
	c := &call{peer: caller, to: p.Addr(), uri: "sip:reception@" + p.Addr().String()}
	c.invite = text(caller.request("INVITE", c.uri, map[string]string{"body": caller.sdp()}))
	caller.send(p.Addr(), c.sameTransaction("CANCEL"))
	caller.send(p.Addr(), string(c.invite))
	if code := caller.final("1 INVITE").code(); code != 487 {
		t.Errorf("INVITE is answered with %d", code)
	}
	closes(t, "the caller is gone", next(t, calls).Gone())
	caller.send(p.Addr(), caller.request("CANCEL", c.uri, map[string]string{"CSeq": "7 CANCEL"}))
	if code := caller.final("7 CANCEL").code(); code != 481 {
		t.Errorf("a CANCEL of nothing is answered with %d", code)
	}
}

func TestOneTagInAllResponses(t *testing.T) {
	caller := newPeer(t)
	p, calls := newPhone(t, caller.addr)
	c := caller.invite(p.Addr(), nil)
	in := next(t, calls)
	caller.send(p.Addr(), string(c.invite))
	caller.send(p.Addr(), c.sameTransaction("CANCEL"))
	tag := caller.final("1 INVITE").header("To")
	closes(t, "the caller is gone", in.Gone())
	if again := caller.final("1 INVITE").header("To"); again != tag || !strings.Contains(tag, "tag=") {
		t.Errorf("To is %q, then %q", tag, again)
	}
}

func TestNobodyAcknowledges(t *testing.T) {
	caller := newPeer(t)
	p, calls := newPhone(t, caller.addr)
	p.SetT1(20 * time.Millisecond)
	c := caller.invite(p.Addr(), nil)
	l := answer(t, next(t, calls))
	c.ok = caller.final("1 INVITE")
	repeated := 0
	bye := caller.await("BYE", func(m text) bool {
		if m.code() == 200 {
			repeated++
		}
		return m.method() == "BYE"
	})
	if repeated < 3 {
		t.Errorf("the 200 was repeated %d times before the BYE", repeated)
	}
	caller.send(p.Addr(), caller.reply(bye, 200, ""))
	closes(t, "the call is gone", l.Gone())
	if err := l.Play(t.Context(), silence(time.Second)); !errors.Is(err, phone.ErrNoAck) {
		t.Errorf("playing says %v", err)
	}
}

// A CANCEL that crosses our 200 changes nothing, and tells that the caller had given up before.
func TestACancelBehindTheAnswerIsNoticed(t *testing.T) {
	caller := newPeer(t)
	p, calls := newPhone(t, caller.addr)
	for _, cancels := range []bool{true, false} {
		c := caller.invite(p.Addr(), nil)
		l := answer(t, next(t, calls))
		c.ok = caller.final("1 INVITE")
		if cancels {
			caller.send(p.Addr(), c.sameTransaction("CANCEL"))
			if code := caller.final("1 CANCEL").code(); code != 200 {
				t.Errorf("CANCEL is answered with %d", code)
			}
		}
		caller.send(p.Addr(), c.inside("ACK", 1, nil))
		closes(t, "the call is confirmed", l.Confirmed())
		if l.Withdrawn() != cancels {
			t.Errorf("cancelled: %v, withdrawn: %v", cancels, l.Withdrawn())
		}
		caller.send(p.Addr(), c.inside("BYE", 2, nil))
		caller.final("2 BYE")
		closes(t, "the call is gone", l.Gone())
	}
}

// The same call by another way is merged while the first is in progress (RFC 3261 §8.2.2.2). One
// that was withdrawn, or ended, is not, in whatever order the messages come; and the first that
// was cancelled too late is ended as any other, and takes nothing of the second with it.
func TestAWithdrawnCallComesByAnotherWay(t *testing.T) {
	for _, c := range []struct {
		between string // the answer and the same call by another way
		merged  bool
	}{
		{"", true},
		{"ACK", true},
		{"CANCEL", false},
		{"CANCEL ACK", false},
		{"ACK CANCEL", false},
		{"CANCEL CANCEL", false},
		{"CANCEL ACK BYE", false},
		{"ACK BYE", false},
		{"BYE", false},
	} {
		t.Run(c.between, func(t *testing.T) {
			caller := newPeer(t)
			p, calls := newPhone(t, caller.addr)
			for range 5 {
				first := caller.invite(p.Addr(), nil)
				l := answer(t, next(t, calls))
				first.ok = caller.final("1 INVITE")
				other := &call{peer: caller, to: first.to, uri: first.uri}
				other.invite = text(strings.ReplaceAll(string(first.invite), "branch=z9hG4bK-", "branch=z9hG4bK-other-"))
				say := func(what string) {
					if what == "CANCEL" {
						caller.send(p.Addr(), first.sameTransaction(what))
					} else {
						caller.send(p.Addr(), first.inside(what, map[string]int{"ACK": 1, "BYE": 2}[what], nil))
					}
				}
				for what := range strings.FieldsSeq(c.between) {
					say(what)
				}
				caller.send(p.Addr(), string(other.invite))
				final := func() text {
					return caller.await("answer to the second", func(m text) bool {
						return m.code() >= 200 && strings.Contains(m.header("Via"), "-other-") && m.header("CSeq") == "1 INVITE"
					})
				}
				var second *phone.Leg
				if c.merged {
					if got := final(); got.code() != 482 {
						t.Fatalf("answered with %d, not 482", got.code())
					}
					caller.send(p.Addr(), other.sameTransaction("ACK"))
				} else {
					second = answer(t, next(t, calls))
					if other.ok = final(); other.ok.code() != 200 || other.ok.header("To") == first.ok.header("To") {
						t.Fatalf("the second is not a call of its own:\n%s", other.ok)
					}
					caller.send(p.Addr(), other.inside("ACK", 1, nil))
					closes(t, "the second is confirmed", second.Confirmed())
				}
				for _, what := range []string{"ACK", "BYE"} {
					if !strings.Contains(c.between, what) {
						say(what)
					}
				}
				closes(t, "the first is gone", l.Gone())
				if second != nil {
					select {
					case <-second.Gone():
						t.Fatal("the second is gone with it")
					default:
					}
					caller.send(p.Addr(), other.inside("BYE", 2, nil))
					closes(t, "the second is gone", second.Gone())
				}
			}
		})
	}
}

func TestByeOvertakesAck(t *testing.T) {
	caller := newPeer(t)
	p, calls := newPhone(t, caller.addr)
	c := caller.invite(p.Addr(), nil)
	l := answer(t, next(t, calls))
	c.ok = caller.final("1 INVITE")
	caller.send(p.Addr(), c.inside("BYE", 2, nil))
	caller.final("2 BYE")
	caller.send(p.Addr(), c.inside("ACK", 1, nil))
	closes(t, "the call is gone", l.Gone())
}

// A telephone from the days of RFC 2543: no branch, no tag, no Contact.
func TestOldTelephone(t *testing.T) {
	caller := newPeer(t)
	p, calls := newPhone(t, caller.addr)
	old := map[string]string{
		"Via":  "SIP/2.0/UDP " + caller.addr.String(),
		"From": fmt.Sprintf("<sip:old@%s>", caller.addr), "Contact": "",
	}
	c := caller.invite(p.Addr(), old)
	l := answer(t, next(t, calls))
	c.ok = caller.final("1 INVITE")
	caller.send(p.Addr(), string(c.invite)) // a repetition is no second call
	caller.send(p.Addr(), c.inside("ACK", 1, old))
	done := make(chan error, 1)
	go func() { done <- l.Hangup(limit(t, 10*time.Second)) }()
	bye := caller.incoming("BYE")
	caller.send(p.Addr(), caller.reply(bye, 200, ""))
	if err := <-done; err != nil {
		t.Errorf("hanging up: %v", err)
	}
	select {
	case in := <-calls:
		t.Errorf("a second call: %+v", in.Invite())
	default:
	}
}

func TestMergedInvite(t *testing.T) {
	caller := newPeer(t)
	p, calls := newPhone(t, caller.addr)
	c := caller.invite(p.Addr(), nil)
	l := answer(t, next(t, calls))
	c.answered()
	other := strings.ReplaceAll(string(c.invite), "branch=z9hG4bK-", "branch=z9hG4bK-other-")
	caller.send(p.Addr(), other)
	merged := caller.await("482", func(m text) bool { return m.code() >= 200 && strings.Contains(m.header("Via"), "other") })
	if merged.code() != 482 {
		t.Errorf("the same call by another way is answered with %d", merged.code())
	}
	if l.Dialog().CallID != c.invite.header("Call-ID") {
		t.Errorf("the dialog is of %q", l.Dialog().CallID)
	}
}

// What the PBX does after a refusal: the same call again, with another branch.
func TestRefusedCallComesBack(t *testing.T) {
	caller := newPeer(t)
	p, calls := newPhone(t, caller.addr)
	c := caller.invite(p.Addr(), nil)
	if err := next(t, calls).Refuse(480); err != nil {
		t.Fatal(err)
	}
	caller.final("1 INVITE")
	caller.send(p.Addr(), c.sameTransaction("ACK"))
	caller.send(p.Addr(), strings.ReplaceAll(string(c.invite), "branch=z9hG4bK-", "branch=z9hG4bK-back-"))
	if err := next(t, calls).Refuse(486); err != nil {
		t.Fatal(err)
	}
	if code := caller.await("486", func(m text) bool { return m.code() > 480 }).code(); code != 486 {
		t.Errorf("the call that came back is answered with %d", code)
	}
}

func TestUndecidedCallIsRefused(t *testing.T) {
	caller := newPeer(t)
	p, _ := newPhone(t, caller.addr, func(o *setup) { o.Invite = func(*phone.Incoming) {} })
	caller.invite(p.Addr(), nil)
	if code := caller.final("1 INVITE").code(); code != 500 {
		t.Errorf("answered with %d", code)
	}
}

func TestPanicIsNotTheEnd(t *testing.T) {
	caller := newPeer(t)
	told := make(chan releve.Sentence, 1)
	p, _ := newPhone(t, caller.addr, func(o *setup) {
		o.Invite = func(*phone.Incoming) { panic("on purpose") }
		o.Explain = func(what releve.Sentence) { told <- what }
	})
	caller.invite(p.Addr(), nil)
	if code := caller.final("1 INVITE").code(); code != 500 {
		t.Errorf("answered with %d", code)
	}
	select {
	case what := <-told:
		if what.Code != "event-message-broken" || what.Args["cause"] != "on purpose" {
			t.Errorf("told as %+v", what)
		}
	case <-time.After(10 * time.Second):
		t.Error("the operator is told nothing")
	}
}

func TestLateOffer(t *testing.T) {
	caller := newPeer(t)
	p, calls := newPhone(t, caller.addr)
	c := caller.invite(p.Addr(), map[string]string{"body": ""})
	l := answer(t, next(t, calls))
	c.ok = caller.final("1 INVITE")
	if !strings.Contains(c.ok.body(), "m=audio") {
		t.Fatalf("the 200 makes no offer:\n%s", c.ok)
	}
	caller.send(p.Addr(), c.inside("ACK", 1, map[string]string{"body": caller.sdp()}))
	if err := l.Play(limit(t, 10*time.Second), silence(20*time.Millisecond)); err != nil {
		t.Fatalf("the sound does not begin with the ACK: %v", err)
	}
	if got := l.Dialog().RemoteSDP; got != caller.sdp() {
		t.Errorf("the caller's description is kept as %q", got)
	}
}

func TestReinvite(t *testing.T) {
	caller, elsewhere := newPeer(t), newPeer(t)
	p, calls := newPhone(t, caller.addr)
	c := caller.invite(p.Addr(), nil)
	l := answer(t, next(t, calls))
	c.answered()
	hold := strings.Replace(caller.sdp(), "a=sendrecv", "a=sendonly", 1)
	caller.send(p.Addr(), c.inside("INVITE", 2, map[string]string{
		"body": hold, "Contact": fmt.Sprintf("<sip:moved@%s>", elsewhere.addr),
	}))
	held := caller.final("2 INVITE")
	if held.code() != 200 || !strings.Contains(held.body(), "a=recvonly") {
		t.Errorf("hold is answered with\n%s", held)
	}
	if l.Dialog().Version != 2 {
		t.Errorf("version %d of a description that changed", l.Dialog().Version)
	}
	caller.send(p.Addr(), c.inside("ACK", 2, nil))
	caller.send(p.Addr(), c.inside("INVITE", 2, map[string]string{"body": hold}))
	if code := caller.await("500", func(m text) bool { return m.code() == 500 }).code(); code != 500 {
		t.Errorf("an old CSeq is answered with %d", code)
	}
	go func() { _ = l.Hangup(t.Context()) }()
	bye := elsewhere.incoming("BYE")
	if !strings.HasPrefix(string(bye), "BYE sip:moved@") {
		t.Errorf("BYE goes to the old target:\n%s", bye)
	}
	elsewhere.send(p.Addr(), elsewhere.reply(bye, 200, ""))
}

func TestReinviteThatCannotBe(t *testing.T) {
	caller := newPeer(t)
	p, calls := newPhone(t, caller.addr)
	c := caller.invite(p.Addr(), nil)
	l := answer(t, next(t, calls))
	c.answered()
	video := strings.Replace(caller.sdp(), "RTP/AVP 0 101", "RTP/AVP 99", 1)
	caller.send(p.Addr(), c.inside("INVITE", 2, map[string]string{"body": video}))
	if code := caller.final("2 INVITE").code(); code != 488 {
		t.Errorf("answered with %d", code)
	}
	if err := l.Play(t.Context(), silence(40*time.Millisecond)); err != nil {
		t.Errorf("the call goes on, but %v", err)
	}
}

func TestNoCommonSound(t *testing.T) {
	caller := newPeer(t)
	p, calls := newPhone(t, caller.addr)
	caller.invite(p.Addr(), map[string]string{"body": strings.Replace(caller.sdp(), "RTP/AVP 0 101", "RTP/AVP 99", 1)})
	if _, err := next(t, calls).Answer(t.Context()); !errors.Is(err, phone.ErrNotAcceptable) {
		t.Errorf("answering says %v", err)
	}
	if code := caller.final("1 INVITE").code(); code != 488 {
		t.Errorf("the caller is told %d", code)
	}
}

func TestNoMediaPort(t *testing.T) {
	caller := newPeer(t)
	p, calls := newPhone(t, caller.addr, func(o *setup) { o.RTPFirst, o.RTPLast = 31000, 31000 })
	first := caller.invite(p.Addr(), nil)
	answer(t, next(t, calls))
	first.answered()
	second := caller.invite(p.Addr(), nil)
	in := next(t, calls)
	if _, err := in.Answer(t.Context()); !errors.Is(err, phone.ErrNoMediaPort) {
		t.Fatalf("answering says %v", err)
	}
	if err := in.Refuse(500); err != nil {
		t.Fatal(err)
	}
	refused := caller.await("refusal", func(m text) bool {
		return m.header("Call-ID") == second.invite.header("Call-ID") && m.code() >= 200
	})
	if refused.code() != 500 {
		t.Errorf("the second caller is told %d", refused.code())
	}
}

func TestDialogCanBeWrittenDown(t *testing.T) {
	caller := newPeer(t)
	p, calls := newPhone(t, caller.addr)
	c := caller.invite(p.Addr(), nil)
	l := answer(t, next(t, calls))
	c.answered()
	written, err := json.Marshal(l.Dialog())
	if err != nil {
		t.Fatal(err)
	}
	var read dialog.State
	if err := json.Unmarshal(written, &read); err != nil {
		t.Fatal(err)
	}
	read.LocalSeq += 100 // above whatever the first server used
	bye, err := read.Request("BYE")
	if err != nil {
		t.Fatal(err)
	}
	if bye.CallID().Value() != c.invite.header("Call-ID") || bye.Destination() != caller.addr.String() {
		t.Errorf("the BYE of another server:\n%s", bye)
	}
	if read.Source != caller.addr || read.RemoteSDP != caller.sdp() || read.LocalSDP != c.ok.body() {
		t.Errorf("kept: %+v", read)
	}
}

func TestReasonsOfAnOverflow(t *testing.T) {
	caller := newPeer(t)
	p, calls := newPhone(t, caller.addr)
	caller.invite(p.Addr(), map[string]string{
		"To":   "<sip:9@pbx.example>",
		"From": `"Dr. No, M.D." <sip:0612%2345@pbx.example>;tag=x1`,
		"Diversion": `"Reception, main" <sip:9@pbx>;reason="user-busy";counter=1, ` +
			`<sip:8@pbx>;reason=no-answer, <sip:7@pbx>;reason=follow-me`,
		"History-Info": `<sip:9@pbx?Reason=SIP%3Bcause%3D486%3Btext%3D%22Busy%22>;index=1, ` +
			`<sip:reception@pbx>;index=1.1, <sip:standby@pbx;cause=408>;index=1.2`,
		"X-Releve-Test": "drill-7",
	})
	in := next(t, calls)
	got := in.Invite()
	if got.From != "0612#45" || got.To != "9" || got.Target != "reception" || got.TestID != "drill-7" {
		t.Errorf("%+v", got)
	}
	wantDiversion := []releve.Diversion{
		{User: "9", Reason: releve.ReasonBusy}, {User: "8", Reason: releve.ReasonNoAnswer}, {User: "7"},
	}
	if fmt.Sprint(got.Diversion) != fmt.Sprint(wantDiversion) {
		t.Errorf("Diversion %v, not %v", got.Diversion, wantDiversion)
	}
	wantHistory := []releve.Diversion{{User: "9", Reason: releve.ReasonBusy}, {User: "reception", Reason: releve.ReasonNoAnswer}}
	if fmt.Sprint(got.History) != fmt.Sprint(wantHistory) {
		t.Errorf("History-Info %v, not %v", got.History, wantHistory)
	}
}

// A fenced server is silent: the same address can be taken by another program at once.
func TestCloseIsImmediate(t *testing.T) {
	caller := newPeer(t)
	p, calls := newPhone(t, caller.addr)
	c := caller.invite(p.Addr(), nil)
	in := next(t, calls)
	l := answer(t, in)
	c.answered()
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	closes(t, "the call is gone", l.Gone())
	if err := p.Close(); err != nil {
		t.Errorf("closing twice: %v", err)
	}
	if _, err := p.Register(t.Context(), reception()); !errors.Is(err, phone.ErrClosed) {
		t.Errorf("registering says %v", err)
	}
	if _, _, err := p.CheckOther(t.Context(), caller.addr, "n"); !errors.Is(err, phone.ErrClosed) {
		t.Errorf("asking says %v", err)
	}
	next, _ := newPhone(t, caller.addr, func(o *setup) { o.Listen = p.Addr() })
	if next.Addr() != p.Addr() {
		t.Errorf("the address is %s", next.Addr())
	}
}

func TestAddressInUse(t *testing.T) {
	holder := newPeer(t)
	_, err := phone.New(phone.Options{
		Listen: holder.addr, PBX: holder.addr, Domain: "x", RTPFirst: 30000, RTPLast: 30010, Log: discard(),
	})
	if err == nil || !strings.Contains(err.Error(), holder.addr.String()) || !strings.Contains(err.Error(), "[sip] listen") {
		t.Errorf("says %v", err)
	}
}
