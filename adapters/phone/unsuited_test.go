package phone_test

import (
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"releve/adapters/phone"
)

// Whatever a call is refused for that it offers or asks is told, with the code, to whoever
// shows it: by the telephone, or by Answer.
func TestACallThatIsRefusedForWhatItOffersIsTold(t *testing.T) {
	wideband := func(p *peer) string {
		return strings.Replace(strings.Replace(p.sdp(), "AVP 0 101", "AVP 9 101", 1), "a=rtpmap:0 PCMU/8000\r\n", "", 1)
	}
	for name, c := range map[string]struct {
		with map[string]string
		body func(*peer) string
		code int
		why  string
	}{
		"a session timer":        {map[string]string{"Require": "timer"}, nil, 420, "timer"},
		"two extensions":         {map[string]string{"Require": "100rel, timer"}, nil, 420, "100rel, timer"},
		"a body of another type": {map[string]string{"Content-Type": "application/vnd.cisco"}, nil, 415, "type"},
		"a body that is packed":  {map[string]string{"Content-Encoding": "gzip"}, nil, 415, "type"},
		"no description taken":   {map[string]string{"Accept": "text/plain"}, nil, 406, "session description"},
		"two Contacts":           {map[string]string{"Contact": "<sip:a@192.0.2.1>, <sip:b@192.0.2.1>"}, nil, 400, "Contact"},
		"wideband alone":         {nil, wideband, 488, "G.711"},
		"encrypted": {nil,
			func(p *peer) string { return strings.Replace(p.sdp(), "RTP/AVP", "RTP/SAVP", 1) }, 488, "SAVP"},
		"sound from another place": {nil,
			func(p *peer) string { return strings.ReplaceAll(p.sdp(), p.addr.Addr().String(), "192.0.2.9") }, 488, "192.0.2.9"},
		"no description at all": {nil, func(*peer) string { return "what is this?" }, 488, "not understood"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			told := make(chan phone.Unfit, 1)
			caller := newPeer(t)
			p, calls := newPhone(t, caller.addr, func(o *setup) { o.Unfit = func(u phone.Unfit) { told <- u } })
			with := map[string]string{"body": caller.sdp()}
			maps.Copy(with, c.with)
			if c.body != nil {
				with["body"] = c.body(caller)
			}
			caller.invite(p.Addr(), with)
			var got phone.Unfit
			select {
			case got = <-told:
			case in := <-calls:
				_, err := in.Answer(t.Context())
				unfit, ok := errors.AsType[*phone.Unfit](err)
				if !ok || !errors.Is(err, phone.ErrNotAcceptable) {
					t.Fatalf("answering says %v", err)
				}
				got = *unfit
			case <-time.After(10 * time.Second):
				t.Fatal("nobody was told")
			}
			if got.Code != c.code || !strings.Contains(got.Why.Error(), c.why) || got.Invite.From != "caller" || got.Answered {
				t.Errorf("told %+v", got)
			}
			if final := caller.final("1 INVITE"); final.code() != got.Code {
				t.Errorf("told %d, and refused with %d", got.Code, final.code())
			}
		})
	}
}

// An answer that comes with the ACK, and cannot be agreed to, is too late for a refusal.
func TestALateAnswerThatIsUnfitIsTold(t *testing.T) {
	told := make(chan phone.Unfit, 1)
	caller := newPeer(t)
	p, calls := newPhone(t, caller.addr, func(o *setup) { o.Unfit = func(u phone.Unfit) { told <- u } })
	c := caller.invite(p.Addr(), map[string]string{"body": ""})
	l := answer(t, next(t, calls))
	c.ok = caller.final("1 INVITE")
	caller.send(p.Addr(), c.inside("ACK", 1, map[string]string{"body": strings.Replace(caller.sdp(), "RTP/AVP", "RTP/SAVP", 1)}))
	select {
	case got := <-told:
		if got.Code != 488 || !got.Answered || got.Invite.From != "caller" || !strings.Contains(got.Why.Error(), "SAVP") {
			t.Errorf("told %+v", got)
		}
	case <-time.After(10 * time.Second):
		t.Error("nobody was told")
	}
	caller.send(p.Addr(), caller.reply(caller.incoming("BYE"), 200, ""))
	closes(t, "the call ends", l.Gone())
}

// Whether keys come surely is known of a call.
func TestWhetherEventsWereAgreedOnIsKnown(t *testing.T) {
	for _, with := range []bool{true, false} {
		caller := newPeer(t)
		p, calls := newPhone(t, caller.addr)
		description := caller.sdp()
		if !with {
			var kept []string
			for line := range strings.SplitSeq(description, "\r\n") {
				if !strings.Contains(line, "telephone-event") {
					kept = append(kept, line)
				}
			}
			description = strings.Join(kept, "\r\n")
		}
		caller.invite(p.Addr(), map[string]string{"body": description})
		leg, err := next(t, calls).Answer(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if leg.HearsKeys() != with {
			t.Errorf("events offered %v, keys heard %v", with, leg.HearsKeys())
		}
	}
}
