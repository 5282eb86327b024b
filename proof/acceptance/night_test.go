package acceptance

import (
	"testing"
	"time"
)

// Nobody calls at three in the morning. The standby finds the main dead by itself,
// calls the reception, and the PBX's own overflow is the proof (H8).
func TestAMainThatDiesAtNightIsRelievedBeforeTheFirstCaller(t *testing.T) {
	s := normalSite(t)
	term := s.main.mustView(t).Term
	died := s.main.kill9(t)
	s.waitOwner(t, s.secondary, 20*time.Second)
	t.Logf("relieved %v after its death, the PBX's own timer included", time.Since(died))

	s.checkDuty(t, s.secondary, term+1)
	own := s.pbx.events(died, "call")
	if len(own) != 1 || own[0].args["from"] != "standby" {
		t.Errorf("the PBX had the calls %v, want one from the standby user", own)
	}
	said := map[string]bool{}
	for _, e := range s.secondary.explain(t, died) {
		said[e.What.Code] = true
	}
	if !said["rule-own-call"] || !said["rule-takeover"] {
		t.Errorf("the diary does not say why: %v", said)
	}
	checkServed(t, s.callIn(t, callsToPhone(3, 1)).wait(t, time.Minute), s.secondary)
	s.bringBack(t)
}
