package acceptance

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"releve"
	"releve/screen/view"
)

// readyNow waits until a server says that the standby could take over. The proof of the mirror
// is ordered: by itself it comes two minutes after the copy.
func (s *site) readyNow(t *testing.T) {
	t.Helper()
	s.main.mustRun(t, "mirror", "verify")
	for _, teller := range []*server{s.main, s.secondary} {
		eventually(t, 30*time.Second, "the standby could take over", func() error { return teller.ready(true) })
	}
}

// ready says why a server's answer is not the one wanted.
func (s *server) ready(want bool, abouts ...string) error {
	v, err := s.view()
	if err != nil {
		return err
	}
	if v.Readiness == nil {
		return errors.New("it gives no answer")
	}
	var wrong []string
	for _, r := range v.Readiness.Reasons {
		if r.State == "broken" || r.State == "pending" {
			wrong = append(wrong, r.About)
		}
	}
	if v.Readiness.Ready != want || !want && len(abouts) > 0 && !slices.Equal(wrong, abouts) {
		return fmt.Errorf("the %s says ready %v, wrong %v %v", s.seat, v.Readiness.Ready, wrong, v.Readiness.Wrong())
	}
	return nil
}

// drills are what a server knows of them.
func (s *server) drills() (d view.Drills, err error) {
	r := s.run("drill", "show", "--output", "json")
	if r.code != 0 {
		return d, fmt.Errorf("releve drill show: exit code %d: %s", r.code, r.stderr)
	}
	return d, json.Unmarshal([]byte(r.stdout), &d)
}

// A drill under calls moves the duty there and back, loses no call and no row, and measures it
// (SPEC H13). Either server can be asked, and both know the report.
func TestADrillUnderCallsLosesNone(t *testing.T) {
	s := ownSite(t, plan{})
	s.readyNow(t)
	term := s.main.mustView(t).Term
	load := s.callIn(t, callsToPhone(0, 5))
	load.waitGreeted(t, 5, time.Time{})
	if rehearsed := s.secondary.mustRun(t, "drill", "--dry-run"); !strings.Contains(rehearsed, "no call is refused") {
		t.Errorf("the rehearsal says\n%s", rehearsed)
	}
	s.checkDuty(t, s.main, term)
	began := time.Now()
	said := s.secondary.mustRun(t, "drill", "--by", "A. Martin")
	t.Logf("a drill in %v:\n%s", time.Since(began), said)
	s.waitNormal(t)
	load.waitGreeted(t, 10, time.Now())
	calls := load.finish(t)
	checkServed(t, calls)
	for _, o := range calls {
		if o.moved > 0 {
			t.Errorf("a call was moved although its server lived: %v", o)
		}
	}
	s.checkDuty(t, s.main, term+2)
	s.checkKept(t, calls)
	if n := len(s.main.promotions(t)); n < 3 {
		t.Errorf("the database was promoted %d times", n)
	}
	for _, teller := range []*server{s.main, s.secondary} {
		eventually(t, 20*time.Second, "the report", func() error {
			d, err := teller.drills()
			if err != nil || d.Open != nil || len(d.Last) != 1 {
				return fmt.Errorf("the %s knows of %d drills, open: %v, %v", teller.seat, len(d.Last), d.Open, err)
			}
			if r := d.Last[0]; !r.Good() || r.By != "A. Martin" || r.Takeover.Answered <= 0 || r.Return.Answered <= 0 ||
				r.Takeover.Recording <= 0 || r.Takeover.Whole < r.Takeover.Recording || r.Takeover.Answered > 20*time.Second {
				return fmt.Errorf("the %s says %+v", teller.seat, r)
			}
			t.Logf("first call answered after %v there, %v back", d.Last[0].Takeover.Answered, d.Last[0].Return.Answered)
			return nil
		})
	}
	s.main.eventSaid(t, "event-drill-passed", began, 5*time.Second)
}

// A site with a witness drills in the same way: the witness names each owner.
func TestADrillWithAWitness(t *testing.T) {
	s := ownSite(t, plan{witness: true})
	s.readyNow(t)
	term := s.main.mustView(t).Term
	s.main.mustRun(t, "drill")
	s.waitNormal(t)
	s.checkDuty(t, s.main, term+2)
}

// While the mirror is away no drill begins, and the reason is said; the answer is a no on the
// screen and an alarm, until the mirror is back.
func TestADrillIsRefusedWhileTheMirrorIsAway(t *testing.T) {
	s := ownSite(t, plan{})
	s.readyNow(t)
	away := time.Now()
	if err := s.secondary.kill(); err != nil {
		t.Fatal(err)
	}
	eventually(t, 10*time.Second, "the answer is no", func() error { return s.main.ready(false, "link") })
	s.main.eventSaid(t, "event-not-ready", away, 10*time.Second)
	refused := s.main.run("drill")
	if refused.code != exitPrecondition || !strings.Contains(refused.stdout, "secondary server is silent") {
		t.Errorf("the drill: %+v", refused)
	}
	if d, err := s.main.drills(); err != nil || d.Open != nil || len(d.Last) != 0 {
		t.Errorf("a drill that was refused is in the list: %+v, %v", d, err)
	}
	s.secondary.start(t)
	s.waitNormal(t)
	s.readyNow(t)
	s.main.eventSaid(t, "event-ready-again", away, 10*time.Second)
}

// The answer follows what it rests on, and says which: the PBX gone, the standby's database held up,
// and each back.
func TestTheReadinessFollowsTheSite(t *testing.T) {
	s := ownSite(t, plan{})
	s.readyNow(t)
	for what, c := range map[string]struct {
		breaks, mends func()
		abouts        []string // one of them
	}{
		"the PBX is silent": {s.pbx.close, func() {
			if err := s.pbx.start(); err != nil {
				t.Fatal(err)
			}
			s.phoneAgain(t)
		}, []string{"voice"}},
		"the standby's PostgreSQL is frozen": {func() { freeze(s.secondary.postgres) }, s.secondary.thawPostgres, []string{"copy", "mirror", "vote"}},
	} {
		c.breaks()
		eventually(t, 20*time.Second, what+": no", func() error {
			v, err := s.main.view()
			if err != nil {
				return err
			}
			if v.Readiness == nil || v.Readiness.Ready || !slices.ContainsFunc(v.Readiness.Reasons, func(r view.Reason) bool {
				return r.State == "broken" && slices.Contains(c.abouts, r.About)
			}) {
				return fmt.Errorf("the answer is %+v", v.Readiness)
			}
			return nil
		})
		c.mends()
		s.waitNormal(t)
		s.readyNow(t)
	}
}

// A main that is killed in the middle of a drill brings the site back when it runs again; the
// secondary says meanwhile what is open.
func TestADrillOutlivesTheMain(t *testing.T) {
	s := ownSite(t, plan{})
	s.readyNow(t)
	ended := s.drillUntilRelieved(t)
	if err := s.main.kill(); err != nil {
		t.Fatal(err)
	}
	if r := <-ended; r.code == 0 {
		t.Errorf("the command says that it went well: %+v", r)
	}
	s.secondary.saysNotice(t, "notice-drill-main-silent")
	s.main.start(t)
	s.drillIsOver(t, "drill-interrupted")
}

// A secondary that is killed in the middle of a drill, and does not come back: the command says
// which step is open and how to go on. Once it is back, the site is as it was, by itself.
func TestADrillOutlivesTheSecondary(t *testing.T) {
	s := ownSite(t, plan{})
	s.readyNow(t)
	ended := s.drillUntilRelieved(t)
	if err := s.secondary.kill(); err != nil {
		t.Fatal(err)
	}
	if r := <-ended; r.code != exitDiffers || !strings.Contains(r.stdout, "is open") || !strings.Contains(r.stdout, "releve return") {
		t.Errorf("the command ends with %+v", r)
	}
	s.main.saysNotice(t, "notice-drill-open")
	if again := s.main.run("drill"); again.code != exitPrecondition && again.code != exitBusy {
		t.Errorf("another drill: %+v", again)
	}
	s.secondary.start(t)
	s.drillIsOver(t, "drill-failed")
}

// exitBusy and exitDiffers are exit codes of the command line.
const (
	exitBusy    = 8
	exitDiffers = 9
)

// drillUntilRelieved begins a drill, and comes back when the secondary is on duty. The end of the
// command comes later.
func (s *site) drillUntilRelieved(t *testing.T) (ended <-chan result) {
	t.Helper()
	end := make(chan result, 1)
	go func() { end <- s.main.run("drill", "--by", "night") }()
	eventually(t, 30*time.Second, "the secondary on duty", func() error {
		v, err := s.secondary.view()
		if err == nil && v.Owner != releve.Secondary {
			err = fmt.Errorf("%s is on duty", v.Owner)
		}
		return err
	})
	return end
}

func (s *server) saysNotice(t *testing.T, code string) {
	t.Helper()
	eventually(t, 20*time.Second, code, func() error {
		v, err := s.view()
		own := v.Main
		if s.seat == releve.Secondary {
			own = v.Secondary
		}
		if err == nil && !slices.ContainsFunc(own.Notices, func(n releve.Sentence) bool { return n.Code == code }) {
			err = fmt.Errorf("the %s has the notices %v", s.seat, own.Notices)
		}
		return err
	})
}

// drillIsOver waits until the site is as it was before the one drill, which says why it did not
// go well.
func (s *site) drillIsOver(t *testing.T, why string) {
	t.Helper()
	eventually(t, 120*time.Second, "the drill is over", func() error {
		d, err := s.main.drills()
		if err != nil || d.Open != nil || len(d.Last) != 1 || d.Last[0].Failed == nil || d.Last[0].Failed.Code != why || !d.Last[0].Restored || d.Last[0].By != "night" {
			return fmt.Errorf("it knows %+v, %v", d, err)
		}
		return nil
	})
	s.waitNormal(t)
	for _, teller := range []*server{s.main, s.secondary} {
		eventually(t, 10*time.Second, "nothing more is said of it", func() error {
			v, err := teller.view()
			notices := slices.Concat(v.Main.Notices, v.Secondary.Notices)
			if err == nil && slices.ContainsFunc(notices, func(n releve.Sentence) bool { return strings.Contains(n.Code, "drill") }) {
				err = fmt.Errorf("the %s has the notices %v", teller.seat, notices)
			}
			return err
		})
	}
}
