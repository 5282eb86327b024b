package practice

import (
	"context"
	"net"
	"testing"
	"time"
)

func TestSIPpRegistersWithDigestAndFindsItsBinding(t *testing.T) {
	s := newSite(t, nil)
	s.bind(ReceptionUser, "recep-pw", mainHost)
	if b := s.pbx.Bindings(ReceptionUser); len(b) != 1 || b[0].Contact != "sip:reception@"+s.at(mainHost).String() {
		t.Fatalf("bindings %v", b)
	}
	s.sipp("query", otherHost, s.as(ReceptionUser, "recep-pw")...).succeeds()
	s.sipp("remove", otherHost, s.as(ReceptionUser, "recep-pw")...).succeeds()
	if b := s.pbx.Bindings(ReceptionUser); len(b) != 0 {
		t.Fatalf("bindings after their removal: %v", b)
	}
}

func TestWrongPasswordIsChallengedAgain(t *testing.T) {
	s := newSite(t, nil)
	s.sipp("register_wrong", otherHost,
		s.as(ReceptionUser, "guess", contactFor(ReceptionUser, s.at(mainHost), 60)...)...).succeeds()
	if e := s.tape.wait(t, RegisterRefused); e.Code != 401 || e.User != ReceptionUser {
		t.Errorf("event %+v", e)
	}
	if len(s.pbx.Bindings(ReceptionUser)) != 0 {
		t.Error("a wrong password bound a contact")
	}
}

func TestSecondContactReplacesTheFirst(t *testing.T) {
	s := newSite(t, nil)
	s.bind(ReceptionUser, "recep-pw", mainHost)
	s.bind(ReceptionUser, "recep-pw", standbyHost)
	if b := s.pbx.Bindings(ReceptionUser); len(b) != 1 || b[0].Contact != "sip:reception@"+s.at(standbyHost).String() {
		t.Fatalf("bindings %v", b)
	}
}

func TestSecondContactIsRefusedUntilTheFirstExpires(t *testing.T) {
	s := newSite(t, func(o *PBXOptions) { o.Extra, o.MinExpires = Refuse, time.Second })
	register := func(scenario string, host byte, seconds int) {
		contact := contactFor(ReceptionUser, s.at(host), seconds)
		s.sipp(scenario, otherHost, s.as(ReceptionUser, "recep-pw", contact...)...).succeeds()
	}
	register("register", mainHost, 3)
	register("register_refused", standbyHost, 60)
	if b := s.pbx.Bindings(ReceptionUser); len(b) != 1 || b[0].Contact != "sip:reception@"+s.at(mainHost).String() {
		t.Fatalf("bindings after a refused registration: %v", b)
	}
	for deadline := time.Now().Add(soon); len(s.pbx.Bindings(ReceptionUser)) > 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the first contact never expires")
		}
	}
	register("register", standbyHost, 60)
}

func TestOptionsAreAnswered(t *testing.T) {
	s := newSite(t, nil)
	s.sipp("options", otherHost, s.as("1001", "phone-pw", "-s", "9")...).succeeds()
}

func TestMainAnswersTheCall(t *testing.T) {
	s := newSite(t, nil)
	main := s.sipp("answer", mainHost, echo)
	s.bind(ReceptionUser, "recep-pw", mainHost)
	r := s.caller().Call(t.Context(), CallOptions{Number: "9", Hold: 200 * time.Millisecond})
	main.succeeds()
	if !r.Heard() || !r.Cleanly || r.EndedBy != CallerSide || r.Err != nil || r.Code != 200 {
		t.Errorf("%+v", r)
	}
	if kinds := s.tape.kinds(); kinds != "call try-main answered bye" {
		t.Errorf("events: %s", kinds)
	}
	if e := s.tape.wait(t, Answered); e.Call != r.Call || e.Contact != "sip:reception@"+s.at(mainHost).String() {
		t.Errorf("event %+v", e)
	}
}

func TestRefusedCallOverflowsWithItsReason(t *testing.T) {
	s := newSite(t, func(o *PBXOptions) { o.Diversion = true })
	main, standby := s.sipp("busy", mainHost), s.sipp("answer_diverted", standbyHost, echo)
	s.bind(ReceptionUser, "recep-pw", mainHost)
	s.bind(StandbyUser, "stand-pw", standbyHost)
	r := s.caller().Call(t.Context(), CallOptions{Number: "9", Hold: 100 * time.Millisecond})
	main.succeeds()
	standby.succeeds()
	if !r.Heard() || !r.Cleanly {
		t.Errorf("%+v", r)
	}
	if kinds := s.tape.kinds(); kinds != "call try-main main-refused overflow answered bye" {
		t.Errorf("events: %s", kinds)
	}
}

func TestCallGoesToTheStandbyAtOnceWhenTheMainIsNotRegistered(t *testing.T) {
	s := newSite(t, nil)
	standby := s.sipp("answer", standbyHost, echo)
	s.bind(StandbyUser, "stand-pw", standbyHost)
	r := s.caller().Call(t.Context(), CallOptions{Number: "9", Hold: 100 * time.Millisecond})
	standby.succeeds()
	if kinds := s.tape.kinds(); !r.Heard() || kinds != "call main-unregistered overflow answered bye" {
		t.Errorf("%+v, events: %s", r, kinds)
	}
}

func TestCallRefusedByTheStandbyGoesBackToTheMain(t *testing.T) {
	s := newSite(t, nil)
	main, standby := s.sipp("busy_then_answer", mainHost, echo), s.sipp("busy", standbyHost)
	s.bind(ReceptionUser, "recep-pw", mainHost)
	s.bind(StandbyUser, "stand-pw", standbyHost)
	r := s.caller().Call(t.Context(), CallOptions{Number: "9", Hold: 100 * time.Millisecond})
	main.succeeds()
	standby.succeeds()
	if kinds := s.tape.kinds(); !r.Heard() ||
		kinds != "call try-main main-refused overflow standby-refused back-to-main answered bye" {
		t.Errorf("%+v, events: %s", r, kinds)
	}
}

// A main that was frozen answers what it finds in its socket when it wakes up.
// The standby has the call by then: the main must be told to hang up.
func TestSilentMainIsTooLate(t *testing.T) {
	s := newSite(t, func(o *PBXOptions) { o.NoReply = time.Second })
	main, standby := s.sipp("wake_late", mainHost), s.sipp("answer", standbyHost, echo)
	s.bind(ReceptionUser, "recep-pw", mainHost)
	s.bind(StandbyUser, "stand-pw", standbyHost)
	r := s.caller().Call(t.Context(), CallOptions{Number: "9", Hold: 100 * time.Millisecond})
	main.succeeds()
	standby.succeeds()
	if kinds := s.tape.kinds(); !r.Heard() || kinds != "call try-main main-noreply overflow answered bye" {
		t.Errorf("%+v, events: %s", r, kinds)
	}
	if e := s.tape.wait(t, Answered); e.Contact != "sip:standby@"+s.at(standbyHost).String() {
		t.Errorf("answered by %s", e.Contact)
	}
}

func TestPBXGivesUpWhenNobodyTakesTheCall(t *testing.T) {
	s := newSite(t, func(o *PBXOptions) { o.NoReply, o.BackMax = 50*time.Millisecond, 2 })
	silent, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(s.at(mainHost)))
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	s.bind(ReceptionUser, "recep-pw", mainHost)
	s.sipp("call_refused", otherHost, s.as("1001", "phone-pw", "-s", "9")...).succeeds()
	if kinds := s.tape.kinds(); kinds != "call try-main main-noreply standby-unregistered "+
		"back-to-main main-noreply back-to-main main-noreply give-up" {
		t.Errorf("events: %s", kinds)
	}
}

func TestCallerWhoHangsUpCancelsTheRinging(t *testing.T) {
	s := newSite(t, nil)
	main := s.sipp("ring", mainHost)
	s.bind(ReceptionUser, "recep-pw", mainHost)
	ctx, hangUp := context.WithCancel(t.Context())
	defer hangUp()
	caller := s.caller()
	result := make(chan Result, 1)
	go func() { result <- caller.Call(ctx, CallOptions{Number: "9"}) }()
	s.tape.wait(t, TryMain)
	hangUp()
	if r := <-result; r.Answered || r.Code != 487 {
		t.Errorf("%+v", r)
	}
	main.succeeds()
	s.tape.wait(t, Cancelled)
}

func TestReInvitePassesThrough(t *testing.T) {
	s := newSite(t, nil)
	main := s.sipp("reinvite", mainHost, echo)
	s.bind(ReceptionUser, "recep-pw", mainHost)
	r := s.caller().Call(t.Context(), CallOptions{Number: "9", Hold: soon})
	main.succeeds()
	if r.EndedBy != CalleeSide || !r.Cleanly {
		t.Errorf("%+v", r)
	}
}

func TestUnknownNumberIsNotFound(t *testing.T) {
	s := newSite(t, nil)
	if r := s.caller().Call(t.Context(), CallOptions{Number: "77"}); r.Code != 404 || !r.Refused() {
		t.Errorf("%+v", r)
	}
}
