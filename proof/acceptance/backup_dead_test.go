package acceptance

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"releve/screen/view"
)

// At level backup a main that falls silent leaves its registration at the PBX (SPEC B3): what is left of
// it is counted down, the duty moves by itself when it is gone, and a main that renews it is not dead.
func TestAMainOfLevelBackupThatFallsSilent(t *testing.T) {
	s := ownSite(t, plan{settings: map[string]string{"pbx.expires": `"10s"`}})
	s.main.mustRun(t, "level", "use", "backup")
	s.waitBackup(t, s.main)
	s.heard = listenOnWire(t)
	for _, c := range []struct {
		name string
		do   func(*testing.T, *site)
	}{
		{"it is only cut off from its peer", mainCutOff},
		{"it is cut off from everybody, and then from its peer alone", mainCutOffFromAll},
		{"it is dead, and nobody says so", mainDeadBySight},
		{"it is dead, and who takes its duty stands still before anything is bound", secondaryStalls},
		{"it is dead, and the PBX shows no bindings", mainDeadAndHidden},
	} {
		t.Run(c.name, func(t *testing.T) { c.do(t, s) })
	}
}

// waitSilent waits until the secondary hears nothing of the main, and raises the alarm (SPEC B7).
func (s *site) waitSilent(t *testing.T) {
	t.Helper()
	eventually(t, 10*time.Second, "the main is silent", func() error {
		v, err := s.secondary.view()
		raised := func(a view.Alarm) bool {
			return (a.Alarm == "service-stopped" || a.Alarm == "server-silent/main") && a.State == "raised"
		}
		if err != nil || v.Main.Heard || !slices.ContainsFunc(v.Alarms, raised) {
			return errors.Join(err, fmt.Errorf("the secondary hears it: %t, and has the alarms %+v", v.Main.Heard, v.Alarms))
		}
		return nil
	})
}

func mainCutOff(t *testing.T, s *site) {
	heal, began := s.cutAgents(t), time.Now()
	s.waitSilent(t)
	s.heard.checkSilent(t, s.secondary, began.Add(-3*time.Second), time.Now())
	asked := time.Now()
	refused := s.secondary.run("switchover")
	if refused.code == 0 || !strings.Contains(refused.stdout+refused.stderr, "only cut off from here") {
		t.Errorf("of a main that renews its registration: %+v", refused)
	}
	if n := len(s.heard.toPBX(asked, time.Now())); n == 0 {
		t.Error("the capture hears nothing")
	}
	if err := errors.Join(s.pbx.registered("reception", mainHost), s.closed(s.secondary)); err != nil {
		t.Error(err)
	}
	over := time.Now()
	load := s.callIn(t, listeners(5))
	load.waitGreeted(t, 10, time.Time{})
	checkGreeted(t, load.finish(t), s.main)
	s.heard.checkSilent(t, s.secondary, over, time.Now())
	heal()
	s.waitBackup(t, s.main)
}

// mainCutOffFromAll: the PBX shows that its registration is gone, and the secondary goes on. Its way to
// the PBX comes back before that to its peer: it sees who is registered, and does not register.
func mainCutOffFromAll(t *testing.T, s *site) {
	healAgents := s.cutAgents(t)
	healPBX := cut(t, "pbx", between(pbxHost, mainHost)...)
	s.waitSilent(t)
	began := time.Now()
	said := s.secondary.mustRun(t, "switchover")
	t.Logf("it went on after %v:\n%s", time.Since(began).Round(time.Millisecond), said)
	if !strings.Contains(said, "holds the main server's registration for") {
		t.Errorf("nothing is counted down:\n%s", said)
	}
	if !strings.Contains(said, "believes itself on duty") {
		t.Errorf("nobody is told that the main may be on:\n%s", said)
	}
	load := s.callIn(t, listeners(5))
	load.waitGreeted(t, 10, time.Time{})
	checkGreeted(t, load.finish(t), s.secondary)
	healPBX()
	s.watchWhile(t, 10*time.Second, func() { // a pause of its registration lasts eight seconds then
		if err := s.pbx.registered("reception", secondaryHost); err != nil {
			t.Fatal(err)
		}
	})
	if n := len(s.pbx.events(began, "register")); n == 0 {
		t.Error("the PBX's log says nothing of registrations")
	}
	for _, e := range s.pbx.events(began, "register") {
		if strings.Contains(e.args["contact"], mainHost) {
			t.Errorf("the main registered beside the secondary: %+v", e)
		}
	}
	healAgents()
	s.comesBack(t)
}

// comesBack: the main stands aside, and gets the duty back.
func (s *site) comesBack(t *testing.T) {
	t.Helper()
	eventually(t, 30*time.Second, "the main stands aside", func() error {
		v, err := s.main.view()
		if err != nil || !v.Secondary.Heard || v.Owner != s.secondary.seat {
			return errors.Join(err, errNotYet)
		}
		return s.closed(s.main)
	})
	s.main.mustRun(t, "return")
	s.waitBackup(t, s.main)
}

func mainDeadBySight(t *testing.T, s *site) {
	died := s.main.kill9(t)
	s.waitSilent(t)
	said := s.secondary.mustRun(t, "switchover")
	took := time.Since(died)
	t.Logf("it went on after %v:\n%s", took.Round(time.Millisecond), said)
	if took > 25*time.Second {
		t.Errorf("a registration of 10 s kept the secondary for %v", took)
	}
	if err := s.pbx.registered("reception", secondaryHost); err != nil {
		t.Error(err)
	}
	s.checkLapsed(t, died)
	s.main.start(t)
	s.comesBack(t)
}

// checkLapsed checks by the PBX's log that the secondary registered once the main's last registration, of
// ten seconds, was over.
func (s *site) checkLapsed(t *testing.T, died time.Time) {
	t.Helper()
	var granted, taken time.Time
	for _, e := range s.pbx.events(died.Add(-10*time.Second), "register") {
		switch contact := e.args["contact"]; {
		case strings.Contains(contact, mainHost):
			granted = e.at
		case strings.Contains(contact, secondaryHost) && e.at.After(died) && taken.IsZero():
			taken = e.at
		}
	}
	if granted.IsZero() || taken.Sub(granted) < 9*time.Second { // the PBX counts in whole seconds
		t.Errorf("the main was registered at %v, and the secondary %v later", granted, taken.Sub(granted))
	}
}

// secondaryStalls: a busy machine stands still for two seconds just when the duty came. Nobody else lives who
// could say whether it is still there, and the PBX, which is slow, has bound nobody yet.
func secondaryStalls(t *testing.T, s *site) {
	s.main.kill9(t)
	s.waitSilent(t)
	heal := cut(t, "slow", between(pbxHost, secondaryHost)...)
	began, ended := time.Now(), make(chan result, 1)
	go func() { ended <- s.secondary.run("switchover", "--other-is-off", "--by", "A. Martin") }()
	s.atStep(t, crash{step: "step-registration"}, s.secondary, began, ended)
	s.secondary.freeze()
	s.watchWhile(t, 2*time.Second, func() {})
	s.secondary.thaw()
	heal()
	eventually(t, 30*time.Second, "the secondary is bound", func() error { return s.pbx.registered("reception", secondaryHost) })
	if r := <-ended; r.code != 0 {
		t.Errorf("the switchover ends with %d:\n%s%s", r.code, r.stdout, r.stderr)
	}
	s.main.start(t)
	s.comesBack(t)
}

func mainDeadAndHidden(t *testing.T, s *site) {
	t.Cleanup(func() { s.registrar(t, "replace") })
	s.registrar(t, "hide")
	hidden := time.Now()
	eventually(t, 30*time.Second, "the main has met a PBX that shows nothing", func() error {
		n := 0
		for _, e := range s.pbx.events(hidden, "register") {
			if strings.Contains(e.args["contact"], mainHost) {
				n++
			}
		}
		if n < 2 { // by the second, what came of the first is told
			return fmt.Errorf("%d registrations", n)
		}
		return nil
	})
	s.main.kill9(t)
	s.waitSilent(t)
	if refused := s.secondary.run("switchover"); refused.code == 0 || !strings.Contains(refused.stdout+refused.stderr, "only a person can tell") {
		t.Errorf("nobody can know, and it says %+v", refused)
	}
	if err := s.closed(s.secondary); err != nil {
		t.Error(err)
	}
	s.registrar(t, "replace")
	s.secondary.mustRun(t, "switchover", "--other-is-off", "--by", "A. Martin")
	s.main.start(t)
	s.comesBack(t)
}
