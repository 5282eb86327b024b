package acceptance

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"releve"
)

// channelsOnAsterisk are few, so that they are soon all busy.
const channelsOnAsterisk = 12

// A PBX of another kind than Kamailio: a back-to-back agent, which answers and carries the sound itself, makes the
// transfer itself, and says that a call overflowed by Diversion. It is set up by what `releve pbx guide` writes
// for this site, and the site by what `releve init --pbx` does (T4).
func TestAWholeRunOnAsterisk(t *testing.T) {
	s := ownSite(t, plan{
		exchange: startAsterisk,
		init: []string{
			"--pbx", "asterisk", "--pbx-address", pbxHost + ":5060", "--networks", pbxHost, "--extensions", "1001-1002",
			"--channels", fmt.Sprint(channelsOnAsterisk), "--standby-password", "stand;pw", // a semicolon begins a comment there
		},
	})
	a := s.exchange.(*asterisk)
	for _, chapter := range []struct {
		name string
		tell func(*testing.T, *site, *asterisk)
	}{
		{"callers are put through", callsOnAsterisk},
		{"every channel is busy", saturationOnAsterisk},
		{"the main is killed", func(t *testing.T, s *site, a *asterisk) {
			takeoverOnAsterisk(t, s, a, func() { s.main.kill9(t) })
			s.bringBack(t)
		}},
		{"the main freezes and wakes", func(t *testing.T, s *site, a *asterisk) {
			takeoverOnAsterisk(t, s, a, s.main.freeze)
			s.main.thaw()
			s.bringBack(t)
		}},
		{"the PBX was away and has forgotten everything", func(t *testing.T, s *site, a *asterisk) {
			restartOfAsterisk(t, s, a, 10*time.Second, 2*time.Second+busyMachine)
		}},
		{"the PBX has forgotten everything and was hardly away", func(t *testing.T, s *site, a *asterisk) {
			restartOfAsterisk(t, s, a, 0, lookAtBindings+2*time.Second+busyMachine)
		}},
		{"callers are put through again", callsOnAsterisk},
	} {
		if !t.Run(chapter.name, func(t *testing.T) { chapter.tell(t, s, a) }) {
			t.Fatalf("the run ends here:\n%s\n%s", tail(a.log(), 40), s.logs())
		}
	}
	s.checkEqual(t, s.main)
	s.checkLedger(t, s.main)
	a.checkUnderstood(t)
}

func callsOnAsterisk(t *testing.T, s *site, a *asterisk) {
	began := time.Now()
	calls := s.callIn(t, load{rate: 5, calls: 10, digits: "1001", patience: 4 * time.Second}).wait(t, time.Minute)
	checkTaken(t, calls)
	if by, to := a.legs(t, began, "reception", "answered"), a.legs(t, began, "1001", "answered"); len(by) != 10 || len(to) != 10 {
		t.Errorf("of 10 callers %d were answered by the reception and %d put through", len(by), len(to))
	}
}

// checkTaken fails the test for a caller who heard no greeting or was left on an open line.
func checkTaken(t *testing.T, calls []outcome) {
	t.Helper()
	if len(calls) == 0 {
		t.Error("nobody called")
	}
	for _, o := range calls {
		if !o.greeted() || !o.released() {
			t.Errorf("not greeted, or not released: %v", o)
		}
	}
}

// With every channel busy a call overflows, is refused, comes back and is busy: the standby takes nothing over.
func saturationOnAsterisk(t *testing.T, s *site, a *asterisk) {
	term := s.main.mustView(t).Term
	talking := s.callIn(t, load{rate: channelsOnAsterisk, calls: channelsOnAsterisk, patience: 6 * time.Second})
	talking.waitGreeted(t, channelsOnAsterisk, time.Time{})
	began := time.Now()
	const more = 3
	for _, o := range s.callIn(t, load{rate: more, calls: more, patience: time.Second}).wait(t, 30*time.Second) {
		if o.answered || o.code != 486 {
			t.Errorf("every channel is busy: %v", o)
		}
	}
	refused := s.ear.sentBy(secondaryHost, began, func(m message) bool { return strings.HasPrefix(m.first, "SIP/2.0 486 ") })
	if tried, overflowed := a.legs(t, began, "reception", "Called"), a.legs(t, began, "standby", "Called"); len(tried) != 2*more || len(overflowed) != more {
		t.Errorf("%d calls tried the reception %d times, and the standby %d times", more, len(tried), len(overflowed))
	}
	if len(refused) != more {
		t.Errorf("the standby refused %d calls of %d", len(refused), more)
	}
	for _, said := range s.ear.diverted(secondaryHost, began) {
		if !strings.Contains(said, "sip:"+receptionNumber+"@") || !strings.Contains(said, "reason=user-busy") {
			t.Errorf("a call that overflowed since the main was busy says %q", said) // H5: it is refused at once
		}
	}
	checkTaken(t, talking.wait(t, time.Minute))
	s.checkDuty(t, s.main, term)
}

// takeoverOnAsterisk lets the main die under load, and leaves the secondary on duty.
func takeoverOnAsterisk(t *testing.T, s *site, a *asterisk, die func()) {
	t.Helper()
	term := s.main.mustView(t).Term
	load := s.callIn(t, callsToPhone(0, 1))
	load.waitGreeted(t, 2, time.Time{})
	die()
	died := time.Now()
	load.waitGreeted(t, 5, died)
	before, after := split(load.finish(t), died)
	for _, o := range before {
		checkOver(t, o)
	}
	checkTaken(t, after)
	s.checkDuty(t, s.secondary, term+1)
	if answers := s.ear.takenUp(secondaryHost, died); len(answers) < len(after) {
		t.Errorf("the secondary took up %d calls of %d", len(answers), len(after))
	}
	overflowed := a.legs(t, died, "standby", "Called")
	answered := a.legs(t, died, "standby", "answered")
	if len(answered) > 0 && len(overflowed) > 0 {
		t.Logf("the first call that overflowed was answered %v after it did, %v after the main's end",
			answered[0].at.Sub(overflowed[0].at), answered[0].at.Sub(died))
	}
	if put := a.legs(t, died, "1001", "answered"); len(put) < len(after) {
		t.Errorf("%d of %d callers were put through", len(put), len(after))
	}
}

// lookAtBindings is how often a server looks at its binding (adapters/phone/register): a PBX that forgot it within
// less than a silence that anybody would notice is found out then.
const lookAtBindings = 20 * time.Second

// busyMachine is what other tests on the machine may cost: how long it takes where there are none stands
// in the test's log.
const busyMachine = 8 * time.Second

// restartOfAsterisk restarts the PBX, which forgets who is registered; within limit of its being up again both
// servers are.
func restartOfAsterisk(t *testing.T, s *site, a *asterisk, away, limit time.Duration) {
	t.Helper()
	a.restart(t, away)
	up := time.Now()
	for user, host := range map[string]string{"reception": mainHost, "standby": secondaryHost} {
		eventually(t, allowed(limit)-time.Since(up), user+" is registered again", func() error { return a.registered(user, host) })
		t.Logf("%s was registered %v after Asterisk was up", user, time.Since(up))
	}
	s.phoneAgain(t)
	s.waitNormal(t)
	if v := s.main.mustView(t); v.Owner != releve.Main || strings.Contains(string(v.Word), "not") {
		t.Errorf("after a restart of the PBX the site is %s, with %s on duty", v.Word, v.Owner)
	}
}
