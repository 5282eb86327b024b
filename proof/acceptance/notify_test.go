package acceptance

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"releve"
	"releve/proof/practice/relay"
)

// What a takeover has to tell goes out once, though the mail server is down while it happens, both
// servers know of it, one is started again and the duty moves (SPEC A3).
func TestAPairSendsOneMailOfAnAlarm(t *testing.T) {
	const port = 2525
	s := ownSite(t, plan{settings: map[string]string{
		"mail.server": fmt.Sprintf(`"127.0.0.1:%d"`, port), "mail.security": `"none"`, "mail.from": `"releve@hopital.test"`,
		"mail.to": `["astreinte@hopital.test"]`,
	}})
	s.takeOverAmong(t, callsToPhone(0, 2), 2, 3, func(t testing.TB) { s.main.kill9(t) })
	eventually(t, 60*time.Second, "the mail server is found to be down", func() error { return s.secondary.sends(false) })

	mails := relay.Start(t, relay.Plan{Port: port})
	eventually(t, 60*time.Second, "the takeover is told", func() error { return told(mails.Delivered(t), "takeover") })
	eventually(t, 10*time.Second, "it is shown that it was sent", func() error { return s.secondary.sends(true) })
	s.main.start(t)
	s.secondary.mustRun(t, "return")
	s.waitNormal(t)
	s.main.mustRun(t, "alarms", "ack", "takeover", "--by", "A. Martin", "--remark", "seen")
	s.secondary.stop()
	s.secondary.start(t)
	s.waitNormal(t)
	if r := s.main.run("notify", "test"); r.code != 0 {
		t.Errorf("a test ends with %d: %s", r.code, r.stderr)
	}
	eventually(t, 20*time.Second, "the test comes", func() error {
		if len(mailsOf(mails.Delivered(t), "This is a test")) != 1 {
			return errors.New("it has not")
		}
		return nil
	})
	s.checkSentOnce(t, mails.Delivered(t))
}

// sends says why a server's outlet is not as wanted.
func (s *server) sends(well bool) error {
	r := s.run("notify", "show", "--output", "json")
	var all []struct {
		Seat    releve.Seat
		Outlets []releve.Outlet
	}
	if r.code != 0 {
		return errors.New(r.stderr)
	}
	if err := json.Unmarshal([]byte(r.stdout), &all); err != nil {
		return err
	}
	for _, server := range all {
		for _, o := range server.Outlets {
			if server.Seat == s.seat && (o.Failed == nil) == well && o.SentAt.IsZero() == !well {
				return nil
			}
		}
	}
	return fmt.Errorf("it is shown as %s", r.stdout)
}

// tells is the line by which a mail about an alarm that began ends.
var tells = regexp.MustCompile(`releve alarms ack (\S+) `)

func told(mails []string, alarm string) error {
	for _, m := range mails {
		for _, found := range tells.FindAllStringSubmatch(m, -1) {
			if found[1] == alarm {
				return nil
			}
		}
	}
	return fmt.Errorf("%d mails came, none of it", len(mails))
}

func mailsOf(mails []string, text string) (all []string) {
	for _, m := range mails {
		if strings.Contains(m, text) {
			all = append(all, m)
		}
	}
	return all
}

// checkSentOnce: of each alarm there is one mail that it began.
func (s *site) checkSentOnce(t *testing.T, mails []string) {
	t.Helper()
	times := map[string]int{}
	for _, m := range mails {
		for _, found := range tells.FindAllStringSubmatch(m, -1) {
			times[found[1]]++
		}
	}
	for alarm, n := range times {
		if n != 1 {
			t.Errorf("that %s began was sent %d times", alarm, n)
		}
	}
	if len(times) == 0 || t.Failed() {
		t.Errorf("mails:\n%s", strings.Join(mails, "\n---\n"))
	}
}
