package acceptance

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
)

// A caller is put through by a call of the server's own, and both hear each other by way of it; so they do when the server
// is killed, by way of the other one, until one of them hangs up. Telephone 1001 gives back what it hears: who
// hears his own tone was heard there (SPEC C3, H11).
func TestATalkByWayOfTheServers(t *testing.T) {
	s := ownSite(t, plan{settings: map[string]string{"attendant.language": `"fr"`, "pbx.transfer": `"bridge"`}})
	greeting := promptsSaid(t, "greeting", "menu")
	phone := s.plugIn(t, "pcmu")
	call := phone.dial(t, receptionNumber)
	greeting.checkHeard(t, phone.hear(t, 0, greeting.length()+pauseAfter))
	phone.press(t, "1001")
	phone.hearsItself(t, "by way of the main")
	s.main.channelsBusy(t, 2)

	died := s.main.kill9(t)
	next := s.callIn(t, load{rate: 5, calls: 1, patience: 3 * time.Second}) // somebody by whom the death is found out
	next.waitGreeted(t, 1, time.Time{})
	next.finish(t)
	phone.silentFor(t)
	phone.hearsItself(t, "by way of the secondary")
	t.Logf("heard again %v after the main was killed", time.Since(died))
	s.secondary.channelsBusy(t, 2)
	phone.order(t, "hangup", "")
	phone.happens(t, "CALL_CLOSED", receptionNumber)
	s.secondary.channelsBusy(t, 0)
	s.secondary.waitSteps(t, string(call), "main transferred extension bridged",
		"greeting, menu, digits 10**, transfer extension 10**, transfer-result 200 taken, bridged, taken-up, talked")
	s.bringBack(t)
	s.checkEqual(t, s.main)
}

// hearsItself waits until a second of the softphone's first call was its own tone, as it was said.
func (p *softphone) hearsItself(t *testing.T, how string) {
	t.Helper()
	eventually(t, 20*time.Second, "the caller hears the own tone "+how, func() error {
		heard := p.hear(t, 0, time.Second)
		power := 0.0
		for _, sample := range heard[len(heard)-8000:] {
			power += float64(sample) * float64(sample) / 8000
		}
		if level := 10 * math.Log10(power/(1<<30)); math.Abs(level+15) > 1 {
			return fmt.Errorf("%.1f dB, want -15 dB", level)
		}
		return nil
	})
}

// silentFor waits until what was said before its server died has passed.
func (p *softphone) silentFor(t *testing.T) {
	t.Helper()
	p.hear(t, 0, p.hear(t, 0, 0).length()+time.Second)
}

// channelsBusy waits until so many are at a server.
func (s *server) channelsBusy(t *testing.T, want int) {
	t.Helper()
	eventually(t, 10*time.Second, fmt.Sprintf("%d channels busy at the %s", want, s.seat), func() error {
		v, err := s.view()
		if err != nil {
			return err
		}
		if got := v.Own().ChannelsBusy; got != want {
			return fmt.Errorf("%d", got)
		}
		return nil
	})
}

// waitSteps waits for a call's record: how it ended, and the names of its steps with what a caller's would say.
func (s *server) waitSteps(t *testing.T, call, outcome, steps string) {
	t.Helper()
	eventually(t, 20*time.Second, "record of call "+call, func() error {
		told, err := s.query(`select concat_ws(' ', seat, outcome, outcome_detail) || ': ' ||
			(select string_agg(trim(name || ' ' || case name when 'taken-up' then '' else detail end), ', ' order by number) from call_step where call_step.call = r.call)
			from call_record r where call = $1 and outcome is not null`, call)
		if want := outcome + ": " + steps; err == nil && strings.Join(told, "; ") != want {
			err = fmt.Errorf("%q, want %q", told, want)
		}
		return err
	})
}
