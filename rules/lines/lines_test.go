package lines_test

import (
	"testing"

	"go.uber.org/goleak"

	"releve"
	"releve/rules/lines"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestWhereALineGoes(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.31/1 0140200001":       "192.0.2.31/1 0140200001",
		"  dahdi/3\t+33140200001 ":      "dahdi/3 +33140200001",
		"2001:db8::31/24 9":             "2001:db8::31/24 9",
		"::ffff:192.0.2.31/1024 9":      "192.0.2.31/1024 9",
		"192.0.2.31/0 9":                "",
		"192.0.2.31/1025 9":             "",
		"192.0.2.31/+1 9":               "",
		"192.0.2.31/-1 9":               "",
		"192.0.2.31/ 9":                 "",
		"192.0.2.31 9":                  "",
		"192.0.2.31/1":                  "",
		"192.0.2.31/1 9 9":              "",
		"192.0.2.31/1 +":                "",
		"192.0.2.31/1 9+9":              "",
		"192.0.2.31/1 0123456789012345": "",
		"gateway/1 9":                   "",
		"0.0.0.0/1 9":                   "",
		"224.0.0.1/1 9":                 "",
		"fe80::1%eth0/1 9":              "",
		"":                              "",
	} {
		line, ok := lines.Parse(text)
		if got := line.Place() + " " + line.Number; ok != (want != "") || ok && got != want {
			t.Errorf("%q is %q, %t", text, got, ok)
		}
	}
}

func TestAPlan(t *testing.T) {
	plan := lines.Plan([]string{"192.0.2.31/1 1", "what?", "dahdi/9 3", "192.0.2.31/2 4", "2001:db8::31/1 5"})
	if len(plan) != 4 || plan[1].Channel != 3 || plan[3].Channel != 5 || plan[0].Verdict != releve.LineUnseen {
		t.Errorf("%+v", plan)
	}
	if got := lines.Devices(plan); len(got) != 3 || got[0] != "192.0.2.31" || got[1] != lines.Card {
		t.Errorf("devices %v", got)
	}
	if got := lines.Gateways(plan); len(got) != 2 || got[1].String() != "2001:db8::31" {
		t.Errorf("gateways %v", got)
	}
}

func TestWhoHasToHaveTheLines(t *testing.T) {
	for _, c := range []struct {
		level releve.Level
		owner releve.Seat
		want  string // of the main, of the secondary
	}{
		{releve.Base, releve.Main, "true false"},
		{releve.Mirroring, releve.Main, "true false"},
		{releve.Backup, releve.Main, "true false"},
		{releve.Backup, releve.Secondary, "false true"},
		{releve.HighAvailability, releve.Main, "true true"},
		{releve.HighAvailability, releve.Secondary, "true true"},
	} {
		got := word(lines.Expected(c.level, releve.Main, c.owner)) + " " + word(lines.Expected(c.level, releve.Secondary, c.owner))
		if got != c.want {
			t.Errorf("%s, %s on duty: %s", c.level, c.owner, got)
		}
	}
}

func word(b bool) string {
	if b {
		return "true"
	}
	return "false"
}

// Every state of both servers' ports for one line. What is not seen is never well.
func TestWhetherALineIsWhereItHasToBe(t *testing.T) {
	const plugged, dead, unknown = releve.LinePlugged, releve.LineDead, releve.LineUnknown
	for _, c := range []struct {
		level    releve.Level
		expected bool
		own      releve.LineState
		theirs   releve.LineState // "": the other server is not heard
		want     releve.LineVerdict
	}{
		{releve.Backup, true, plugged, dead, releve.LineWell},
		{releve.Backup, true, plugged, "", releve.LineWell},
		{releve.Backup, true, plugged, plugged, releve.LineWell}, // the other says that one is stray
		{releve.Backup, true, dead, plugged, releve.LineElsewhere},
		{releve.Backup, true, dead, dead, releve.LineMissing},
		{releve.Backup, true, dead, unknown, releve.LineMissing},
		{releve.Backup, true, dead, "", releve.LineMissing},
		{releve.Backup, true, unknown, dead, releve.LineUnseen},
		{releve.Backup, false, dead, plugged, releve.LineAway},
		{releve.Backup, false, dead, dead, releve.LineAway}, // the other says that it is missing
		{releve.Backup, false, plugged, dead, releve.LineStray},
		{releve.Backup, false, unknown, plugged, releve.LineUnseen},
		{releve.HighAvailability, true, plugged, plugged, releve.LineWell},
		{releve.HighAvailability, true, dead, plugged, releve.LineMissing}, // the other has lines of its own
		{releve.HighAvailability, true, unknown, plugged, releve.LineUnseen},
		{releve.Mirroring, true, dead, "", releve.LineMissing},
	} {
		own := []releve.Line{{Number: "1", State: c.own}}
		theirs := []releve.Line{{Number: "2", State: plugged}}
		if c.theirs != "" {
			theirs = append(theirs, releve.Line{Number: "1", State: c.theirs})
		}
		if got := lines.Judge(c.level, c.expected, own, theirs)[0].Verdict; got != c.want {
			t.Errorf("%s, expected %t, here %s, there %q: %s, and not %s", c.level, c.expected, c.own, c.theirs, got, c.want)
		}
		if own[0].Verdict != "" {
			t.Error("it wrote into what it was given")
		}
	}
}
