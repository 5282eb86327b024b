package practice

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

func TestSIPpVerifiesTheDigestOfATelephone(t *testing.T) {
	s := newSite(t, nil)
	registrar := s.sipp("registrar", otherHost)
	p, err := NewPhone(t.Context(), PhoneOptions{
		Listen: s.at(phoneHost), PBX: s.at(otherHost), Domain: "pbx.test", User: "1001", Password: "phone-pw", Log: quietLog(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closing(t, p.Close) })
	registrar.succeeds()
}

func TestTelephoneThatIsRefusedSaysSo(t *testing.T) {
	s := newSite(t, nil)
	_, err := NewPhone(t.Context(), PhoneOptions{
		Listen: s.at(phoneHost), PBX: s.at(pbxHost), Domain: "pbx.test", User: "1001", Password: "guess", Log: quietLog(),
	})
	var refused *StatusError
	if !errors.As(err, &refused) || refused.Code != 401 {
		t.Errorf("%v", err)
	}
}

func TestTelephoneAnswersSIPpAndHangsUp(t *testing.T) {
	s := newSite(t, func(o *PBXOptions) { o.AuthCalls = true })
	phone := s.phone(PhoneOptions{Ring: 50 * time.Millisecond, Talk: 300 * time.Millisecond})
	s.sipp("call_until_bye", otherHost, s.as("1002", "phone-pw", "-s", "1001")...).succeeds()
	if phone.Taken() != 1 {
		t.Errorf("the telephone took %d calls", phone.Taken())
	}
}

func TestTelephoneStopsWhenSIPpHangsUp(t *testing.T) {
	s := newSite(t, nil)
	phone := s.phone(PhoneOptions{})
	s.sipp("call_hang_up", otherHost, s.as("1002", "phone-pw", "-s", "1001")...).succeeds()
	if phone.Taken() != 1 {
		t.Errorf("the telephone took %d calls", phone.Taken())
	}
}

func TestTelephoneTakesItsBindingBack(t *testing.T) {
	s := newSite(t, nil)
	p, err := NewPhone(t.Context(), PhoneOptions{
		Listen: s.at(phoneHost), PBX: s.at(pbxHost), Domain: "pbx.test", User: "1001", Password: "phone-pw", Log: quietLog(),
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(s.pbx.Bindings("1001")) != 1 {
		t.Error("the telephone is not registered")
	}
	closing(t, p.Close)
	if b := s.pbx.Bindings("1001"); len(b) != 0 {
		t.Errorf("bindings left behind: %v", b)
	}
}

func TestCallerFollowsSIPpToATelephone(t *testing.T) {
	s := newSite(t, nil)
	phone := s.phone(PhoneOptions{Talk: 200 * time.Millisecond})
	main := s.sipp("refer", mainHost, "-key", "target", "sip:1001@pbx.test")
	s.bind(ReceptionUser, "recep-pw", mainHost)
	r := s.caller().Call(t.Context(), CallOptions{Number: "9", Digits: "1001", Hold: soon})
	main.succeeds()
	if !r.Transferred || r.TransferCode != 200 || r.EndedBy != CalleeSide || !r.Cleanly || r.Err != nil {
		t.Errorf("%+v", r)
	}
	if phone.Taken() != 1 {
		t.Errorf("the telephone took %d calls", phone.Taken())
	}
}

func TestCallerTellsSIPpThatATelephoneIsBusy(t *testing.T) {
	s := newSite(t, nil)
	s.phone(PhoneOptions{Busy: true})
	main := s.sipp("refer_busy", mainHost, "-key", "target", "sip:1001@pbx.test")
	s.bind(ReceptionUser, "recep-pw", mainHost)
	r := s.caller().Call(t.Context(), CallOptions{Number: "9", Digits: "1001"})
	main.succeeds()
	if r.Transferred || r.TransferCode != 486 || r.EndedBy != CalleeSide || !r.Cleanly {
		t.Errorf("%+v", r)
	}
}

// A 200 without a sound is not an answer to who waits for a voice.
func TestAnswerWithoutASoundIsLost(t *testing.T) {
	s := newSite(t, nil)
	main := s.sipp("answer", mainHost)
	s.bind(ReceptionUser, "recep-pw", mainHost)
	r := s.caller().Call(t.Context(), CallOptions{Number: "9", Patience: time.Second})
	main.succeeds()
	if !r.Answered || r.Heard() || !r.Lost() || r.EndedBy != CallerSide || !r.Cleanly {
		t.Errorf("%+v", r)
	}
}

func TestLoadGivesEachResult(t *testing.T) {
	s := newSite(t, nil)
	const calls = 40
	main := s.sipp("answer", mainHost, echo, "-m", fmt.Sprint(calls))
	s.bind(ReceptionUser, "recep-pw", mainHost)
	heard, seen := 0, map[string]bool{}
	for r := range s.caller().Load(t.Context(), 40, calls, func(int) CallOptions {
		return CallOptions{Number: "9", Hold: 200 * time.Millisecond}
	}) {
		seen[string(r.Call)] = true
		if r.Heard() && r.Cleanly {
			heard++
		} else {
			t.Logf("%+v", r)
		}
	}
	main.succeeds()
	if heard != calls || len(seen) != calls {
		t.Errorf("%d of %d calls heard, %d ids", heard, calls, len(seen))
	}
}
