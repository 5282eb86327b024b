package acceptance

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"releve/screen/view"
)

// Somebody is called about an alarm, through the PBX and on a telephone of another maker, hears it and takes it in hand by a
// key: so it stands on both servers, in his name and in both diaries. A test says that it is one.
func TestSomebodyOnDutyIsCalled(t *testing.T) {
	s := ownSite(t, plan{settings: map[string]string{"call.people": `["1009 Somebody away", "` + softphoneUser + ` Nurse Martin"]`, "call.least": `"major"`}})
	phone := s.plugIn(t, "pcmu")

	phone.answersAndPresses(t, 0, "1") // that there is no licence is an alarm too
	tested := make(chan string, 1)
	go func() {
		r := s.main.run("notify", "test", "--outlet", "call")
		tested <- fmt.Sprint(r.code, " ", r.stdout, r.stderr)
	}()
	phone.answersAndPresses(t, 1, "1")
	if out := <-tested; !strings.HasPrefix(out, "0 ") {
		t.Errorf("the test was taken, and it says %s", out)
	}

	s.secondary.kill9(t)
	phone.answersAndPresses(t, 2, "1")
	taken := func(a view.Alarm) bool { return a.Code == "server-silent" && a.State == "acknowledged" }
	eventually(t, 20*time.Second, "the alarm in somebody's hands", func() error {
		v, err := s.main.view()
		if err == nil && !slices.ContainsFunc(v.Alarms, taken) {
			err = fmt.Errorf("%+v", v.Alarms)
		}
		return err
	})
	s.secondary.start(t)
	s.waitNormal(t)
	for _, server := range []*server{s.main, s.secondary} {
		eventually(t, 20*time.Second, fmt.Sprintf("it in the diary of the %s", server.seat), func() error {
			for _, e := range server.explain(t, time.Now().Add(-5*time.Minute)) {
				if e.What.Code == "event-alarm-ack" && e.What.Args["alarm"] == "server-silent/secondary" && e.What.Args["by"] == "Nurse Martin" {
					return nil
				}
			}
			return fmt.Errorf("it is not there")
		})
	}
}

// answersAndPresses waits for a call, the n-th of the softphone's, listens for some seconds and presses keys.
func (p *softphone) answersAndPresses(t *testing.T, n int, keys string) {
	t.Helper()
	eventually(t, time.Minute, "a call comes", func() error {
		p.mu.Lock()
		defer p.mu.Unlock()
		calls := 0
		for _, e := range p.events {
			if e.Type == "CALL_INCOMING" {
				calls++
			}
		}
		if calls <= n {
			return fmt.Errorf("%d calls", calls)
		}
		return nil
	})
	p.order(t, "accept", "")
	heard := p.hear(t, n, 4*time.Second)
	if m := heard[8000:].measure(t); m.rms < -35 {
		t.Errorf("what is said is %+v: nothing to be heard", m)
	}
	p.press(t, keys)
}
