package acceptance

import (
	"testing"
	"time"

	"releve"
)

// All channels busy is in service: a takeover would help nobody (H4).
func TestFiveHundredOverflowedCallsWhileEveryChannelIsBusy(t *testing.T) {
	const channels, offered = 10, 500
	s := ownSite(t, plan{
		init:     []string{"--channels", "10"},
		settings: map[string]string{"takeover.own_calls": "false"}, // the standby refuses its own too, and would be counted
		pbx:      map[string]string{"IPBX_BACK_MAX": "1"},
	})
	term := s.main.mustView(t).Term
	began := time.Now() // its alarm is raised once, two seconds after the last channel is taken
	talking := s.callIn(t, load{rate: channels, calls: channels, rings: true, patience: 2 * time.Minute})
	talking.waitGreeted(t, channels, time.Time{})

	start := time.Now()
	calls := s.callIn(t, load{rate: 50, calls: offered, patience: time.Second}).wait(t, 2*time.Minute)
	for _, o := range calls {
		if o.answered {
			t.Errorf("answered although every channel is busy: %v", o)
		}
	}
	refused := s.pbx.events(start, "standby-refused")
	if len(refused) != offered {
		t.Errorf("the standby refused %d calls of %d", len(refused), offered)
	}
	times := lapses(s.pbx.events(start, "overflow-standby", "standby-refused"), "overflow-standby", "standby-refused")
	t.Logf("from overflow to refusal: median %v of %d", median(times), len(times))
	if median(times) > 50*time.Millisecond {
		t.Errorf("median time to a refusal: %v, must be under 50 ms", median(times))
	}
	s.checkDuty(t, s.main, term)
	s.main.eventSaid(t, "event-saturated", began, 10*time.Second)
}

// Who dials the standby's own number has not been sent on by the PBX: that is no
// sign that the main is dead, not even when it is (H7).
func TestACallToTheStandbysOwnNumberStartsNoVerification(t *testing.T) {
	for name, p := range map[string]plan{
		"told by To":        {settings: map[string]string{"pbx.overflow_evidence": `"to"`, "takeover.own_calls": "false"}},
		"told by Diversion": {settings: map[string]string{"pbx.overflow_evidence": `"diversion"`, "takeover.own_calls": "false"}, pbx: map[string]string{"IPBX_DIVERSION": "1"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := ownSite(t, p)
			term := s.main.mustView(t).Term
			for _, diversion := range []string{"0", "1"} {
				s.pbx.change(t, "diversion", diversion)
				s.checkDirectCallsRefused(t)
			}
			s.pbx.set(t, "diversion", "1")
			s.main.kill9(t)
			s.checkDirectCallsRefused(t)
			s.checkDuty(t, s.main, term) // as far as the secondary may know
			checkServed(t, s.callIn(t, callsToPhone(1, 1)).wait(t, time.Minute), s.secondary)
			s.checkDuty(t, s.secondary, term+1)
		})
	}
}

func (s *site) checkDirectCallsRefused(t *testing.T) {
	t.Helper()
	start := time.Now()
	calls := s.callIn(t, load{number: "standby", rate: 5, calls: 5, patience: time.Second}).wait(t, time.Minute)
	direct := map[releve.CallID]bool{}
	for _, o := range calls {
		direct[o.id] = true
		if o.answered || o.code != 486 {
			t.Errorf("a call to the standby's own number: %v", o)
		}
	}
	for _, e := range s.secondary.explain(t, start) {
		if direct[e.Call] && e.Kind == "decision" {
			t.Errorf("a direct call led to a decision: %s", describe(e))
		}
	}
}
