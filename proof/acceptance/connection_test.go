package acceptance

import (
	"testing"
	"time"
)

// A site that speaks to its PBX over TCP: callers are put through, the main is killed under load and relieved, and comes back;
// the PBX is started anew, and callers are put through again (C9).
func TestASiteOverTCPIsRelievedAndComesBack(t *testing.T) {
	s := ownSite(t, plan{settings: map[string]string{"pbx.transport": `"tcp"`}})
	checkServed(t, s.callIn(t, callsToPhone(20, 10)).wait(t, time.Minute), s.main)

	load := s.callIn(t, callsToPhone(0, 10))
	load.waitGreeted(t, 30, time.Time{})
	s.main.kill9(t)
	died := time.Now()
	load.waitGreeted(t, 60, died)
	_, after := split(load.finish(t), died)
	checkServed(t, after, s.secondary)
	s.checkRecorded(t, s.secondary, after)
	s.checkLedger(t, s.secondary)
	s.bringBack(t)

	s.pbx.restart(t)
	lives := time.Now()
	eventually(t, 2*time.Second+busyMachine, "both users bound again", func() error {
		if err := s.exchange.registered("reception", s.main.host); err != nil {
			return err
		}
		return s.exchange.registered("standby", s.secondary.host)
	})
	t.Logf("both bound %v after the PBX answers", time.Since(lives).Round(time.Millisecond))
	s.phoneAgain(t)
	checkServed(t, s.callIn(t, callsToPhone(20, 10)).wait(t, time.Minute), s.main)
	s.checkEqual(t, s.main)
	s.checkLedger(t, s.main)
}
