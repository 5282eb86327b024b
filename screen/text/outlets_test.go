package text

import (
	"strings"
	"testing"
	"time"

	"releve"
	"releve/screen/view"
)

func TestOutlets(t *testing.T) {
	now := time.Date(2026, 11, 30, 3, 20, 0, 0, time.Local)
	why := releve.Say("event-unsent", "outlet", "mail", "why", "connection refused")
	for story, c := range map[string]struct {
		is   releve.Outlet
		want string
	}{
		"not tried yet":      {releve.Outlet{Name: "mail"}, "par courriel : pas encore essayé"},
		"nothing to be sent": {releve.Outlet{Name: "mail", WellAt: now.Add(-time.Minute)}, "a répondu à 03:19:00"},
		"sent":               {releve.Outlet{Name: "mail", SentAt: now.Add(-time.Hour), WellAt: now.Add(-time.Minute)}, "à 02:20:00"},
		"failing":            {releve.Outlet{Name: "mail", SentAt: now.Add(-time.Hour), Since: now.Add(-time.Minute), Failed: &why}, "connection refused"},
	} {
		got := Outlet(c.is, now, releve.French)
		if !strings.Contains(got, c.want) {
			t.Errorf("%s: %s", story, got)
		}
	}
	site := view.Site{At: now, Level: releve.HighAvailability,
		Seat: releve.Main, Owner: releve.Main,
		Main:      view.Server{Seat: releve.Main, Heard: true, Outlets: []releve.Outlet{{Name: "mail"}}},
		Secondary: view.Server{Seat: releve.Secondary, Heard: true}}
	if got := Sending(site, releve.French); got != "Envoi des alarmes : courriel" {
		t.Errorf("in few words: %q", got)
	}
	site.Main.Outlets = []releve.Outlet{{Name: "mail", WellAt: now}, {Name: "syslog", Failed: &why}}
	if got := Sending(site, releve.English); got != "Alarms are sent by: mail 03:20:00, syslog ✖" {
		t.Errorf("in few words: %q", got)
	}
	got := Outlets(site, releve.English, 80)
	if strings.Count(got, "\n") < 2 || !strings.Contains(got, "Main. ") || !strings.Contains(got, "[mail]") {
		t.Errorf("shown:\n%s", got)
	}
}

func TestWhatHasToBeKnownOfAnOutlet(t *testing.T) {
	note := releve.Say("syslog-udp")
	now := time.Date(2026, 11, 30, 3, 20, 0, 0, time.UTC)
	got := Outlet(releve.Outlet{Name: "syslog", SentAt: now, WellAt: now, Note: &note}, now, releve.English)
	if !strings.HasSuffix(got, "nobody answers whether it came.") || !strings.Contains(got, "the last at 03:20:00") {
		t.Errorf("it says %q", got)
	}
}

func TestWhatBecameOfATest(t *testing.T) {
	why := releve.Say("outlet-test-failed", "outlet", "mail", "why", "x")
	all := []view.OutletTest{{Outlet: "mail", Sent: true}, {Outlet: "mail", Failed: &why}}
	if got := OutletTests(all, false, releve.French); !strings.HasPrefix(got, "● ") || !strings.Contains(got, "\n✖ ") {
		t.Errorf("shown:\n%s", got)
	}
	if got := OutletTests([]view.OutletTest{{Outlet: "mail", Subject: "[Site] Test", Text: "a test\n"}}, true, releve.English); !strings.Contains(got, "  [Site] Test\n  a test\n") {
		t.Errorf("rehearsed:\n%s", got)
	}
}
