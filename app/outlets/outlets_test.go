package outlets

import (
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"releve"
	"releve/config"
	"releve/rules/alarm"
	"releve/screen/view"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newConfig(seat releve.Seat) config.Config {
	c := config.Defaults()
	c.Site.ID, c.Site.Seat, c.Site.Language, c.Console.Listen = "S", seat, releve.French, "192.0.2.21:8080"
	return c
}

func TestTheOutletsThatAreSetUp(t *testing.T) {
	c := newConfig(releve.Main)
	if all := of(c); len(all) > 0 {
		t.Errorf("of a file that sets none up: %v", all)
	}
	c.Mail.Server, c.Syslog.Server, c.Webhook.URL, c.SNMP.Server =
		"smtp.hopital.example", "192.0.2.50:514", "https://a.example/", "192.0.2.60:162"
	var names []string
	for _, w := range of(c) {
		names = append(names, w.Name()+" "+string(w.Least))
	}
	if got := strings.Join(names, ", "); got != "mail major, syslog warning, webhook warning, snmp warning" {
		t.Errorf("they are %s", got)
	}
}

// A relay can tell that it has the same letter twice, whichever server gives it.
func TestTheNamesOfLetters(t *testing.T) {
	notice := alarm.Notice{Entry: alarm.Entry{Key: alarm.Key{Code: "mirror-away"}, Severity: releve.Major, What: releve.Say("alarm-mirror-away")}, Message: alarm.Began}
	main, secondary := writer{newConfig(releve.Main)}, writer{newConfig(releve.Secondary)}
	site := view.Site{Name: "Hôpital", Seat: releve.Main, At: time.Now()}
	first, second := main.Letter([]alarm.Notice{notice}, site), secondary.Letter([]alarm.Notice{notice}, site)
	if first.ID == "" || first.ID != second.ID {
		t.Errorf("%q and %q", first.ID, second.ID)
	}
	notice.Message = alarm.Ended
	if ended := main.Letter([]alarm.Notice{notice}, site); ended.ID == first.ID {
		t.Errorf("that it ended is %q as well", ended.ID)
	}
	if one, another := main.Test(site), main.Test(site); one.ID == another.ID {
		t.Error("two tests are one")
	}
	if len(first.Alarms) != 1 || !strings.Contains(first.Alarms[0].What, "miroir") || !strings.Contains(first.Text, "http://192.0.2.21:8080/") {
		t.Errorf("it is %+v", first)
	}
}
