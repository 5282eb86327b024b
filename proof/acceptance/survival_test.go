package acceptance

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"releve"
)

const (
	// inProgress calls are on the line when their server dies: what a small machine holds beside all else
	// that runs on it here.
	inProgress = 100
	// silenceMost is how long a caller hears nothing after the verdict (SPEC H11).
	silenceMost = 500 * time.Millisecond
)

// survivors are callers who listen to the menu until another server has their call, and who talk there for some
// seconds and then ask for telephone 1001.
func survivors(after float64) load {
	return load{rate: 25, calls: inProgress, moved: "1001", after: after, patience: 40 * time.Second}
}

// A server is killed with a hundred calls in progress. The other one goes on with them: they hear it at once,
// their keys are understood, they are put through, and no line is left open (SPEC H11).
func TestCallsInProgressLiveThroughTheDeathOfTheirServer(t *testing.T) {
	s := ownSite(t, plan{init: []string{"--channels", "250"}})
	held := s.callIn(t, survivors(1))
	held.waitGreeted(t, inProgress, time.Time{})
	began := time.Now()
	s.main.kill9(t)
	s.somebodyCalls(t)
	calls := held.wait(t, time.Minute)
	s.checkLivedOn(t, calls, began)
	s.bringBack(t)
	s.checkToldOnce(t, s.main, calls)
	s.checkEqual(t, s.main)
	s.checkLedger(t, s.main)
}

// A server is frozen with a hundred calls in progress, and wakes when the other has them. It says nothing in
// them any more, hangs none of them up, and none of its records says that they ended.
func TestAServerThatWakesLeavesTheCallsThatAreTheOthersNow(t *testing.T) {
	s := ownSite(t, plan{init: []string{"--channels", "250"}})
	held := s.callIn(t, survivors(8))
	held.waitGreeted(t, inProgress, time.Time{})
	began := time.Now()
	s.main.freeze()
	s.somebodyCalls(t)
	eventually(t, 5*time.Second, "the calls are on the other server", func() error {
		for _, o := range held.outcomes() {
			if o.moved == 0 {
				return fmt.Errorf("%v", o)
			}
		}
		return nil
	})
	woken := time.Now()
	s.main.thaw()
	knows := s.main.eventSaid(t, "rule-duty-lost", woken, 20*time.Second).At
	calls := held.wait(t, time.Minute)
	s.checkLivedOn(t, calls, began)
	for _, m := range s.ear.sentBy(mainHost, woken, func(m message) bool { return held.made(m.call) }) {
		t.Errorf("the woken main says %q in call %s", m.first, m.call)
	}
	for _, o := range calls {
		if o.byMain.last.After(knows.Add(time.Second)) { // its database comes first, and is fenced within that time (RULES R9)
			t.Errorf("the woken main still speaks %v after it knew: %v", o.byMain.last.Sub(knows), o)
		}
	}
	s.bringBack(t)
	s.checkToldOnce(t, s.main, calls)
	s.checkEqual(t, s.main)
	s.checkLedger(t, s.main)
}

// somebodyCalls has somebody call, whom the standby answers.
func (s *site) somebodyCalls(t *testing.T) {
	t.Helper()
	next := s.callIn(t, callsToPhone(0, 5))
	next.waitGreeted(t, 1, time.Time{})
	checkServed(t, next.finish(t), s.secondary)
}

// checkLivedOn fails the test where less than 99 in 100 callers were put through by the secondary, where one of
// them was left in silence, and for each who was left on an open line.
func (s *site) checkLivedOn(t *testing.T, calls []outcome, since time.Time) {
	t.Helper()
	verdict := s.verdict(t, since)
	var silences []time.Duration
	for _, o := range calls {
		if !o.released() {
			t.Errorf("left on an open line: %v", o)
		}
		if o.transferred && o.hungUpBy == "server" && o.moved > 0 && o.soundFrom.String() == secondaryHost {
			silences = append(silences, o.bySecond.first.Sub(verdict))
		} else {
			t.Logf("not gone on with: %v, moved %d", o, o.moved)
		}
	}
	if len(silences)*100 < len(calls)*99 || len(calls) != inProgress {
		t.Errorf("%d of %d calls went on, of %d", len(silences), len(calls), inProgress)
	}
	longest := time.Duration(0)
	for _, d := range silences {
		longest = max(longest, d)
	}
	t.Logf("%d of %d went on; silence after the verdict: longest %v", len(silences), len(calls), longest)
	if longest > silenceMost {
		t.Errorf("a caller heard nothing for %v after the verdict", longest)
	}
	eventually(t, 10*time.Second, "no channel is busy", func() error {
		v, err := s.secondary.view()
		if err == nil && v.Secondary.ChannelsBusy != 0 {
			err = fmt.Errorf("%d", v.Secondary.ChannelsBusy)
		}
		return err
	})
}

// verdict is when the secondary took the duty.
func (s *site) verdict(t *testing.T, since time.Time) time.Time {
	t.Helper()
	for _, e := range s.secondary.explain(t, since) {
		if e.What.Code == "rule-takeover" {
			return e.At
		}
	}
	t.Fatal("the secondary's diary tells of no takeover")
	return time.Time{}
}

// checkToldOnce fails the test unless each call has one record, which was begun by one server and ended by the
// other.
func (s *site) checkToldOnce(t *testing.T, by *server, calls []outcome) {
	t.Helper()
	eventually(t, 30*time.Second, "one whole record of each call", func() error {
		rows, err := by.query(`select call || ' ' || seat || ' ' || coalesce(outcome, 'none') || ' ' ||
			(select count(*) from jsonb_array_elements(steps) x where x->>'name' = '` + releve.StepTakenUp + `') from call_record`)
		if err != nil {
			return err
		}
		found := map[releve.CallID][]string{}
		for _, row := range rows {
			id, rest, _ := strings.Cut(row, " ")
			found[releve.CallID(id)] = append(found[releve.CallID(id)], rest)
		}
		for _, o := range calls {
			if got := found[o.id]; len(got) != 1 || got[0] != "main transferred 1" {
				return fmt.Errorf("call %s: %q", o.id, got)
			}
		}
		return nil
	})
}
