package alarm_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"releve"
	"releve/rules/alarm"
	"releve/rules/takeover"
)

func TestTheTableHangsTogether(t *testing.T) {
	kinds := alarm.Kinds()
	codes := map[alarm.Code]alarm.Kind{}
	for _, k := range kinds {
		if _, twice := codes[k.Code]; twice {
			t.Errorf("%s stands in the table twice", k.Code)
		}
		codes[k.Code] = k
		if !k.Severity.AtLeast(releve.Warning) || k.On < 0 || k.Off < 0 || k.Command == "" {
			t.Errorf("%+v", k)
		}
		told := len(alarm.ToldOf(k.Code)) > 0
		if k.Source != alarm.Looked && !told {
			t.Errorf("nobody tells of %s", k.Code)
		}
	}
	for _, k := range kinds {
		for _, cause := range k.Under {
			if _, known := codes[cause]; !known {
				t.Errorf("%s is folded under %s, which there is not", k.Code, cause)
			}
		}
		if loop := causesOf(codes, k.Code, nil); slices.Contains(loop, k.Code) {
			t.Errorf("%s is its own cause: %v", k.Code, loop)
		}
	}
	if n := len(kinds); n < 20 || n > 35 {
		t.Errorf("%d kinds: more than a person can know", n)
	}
}

// causesOf are all kinds that one may be folded under, over several steps.
func causesOf(kinds map[alarm.Code]alarm.Kind, code alarm.Code, found []alarm.Code) []alarm.Code {
	for _, cause := range kinds[code].Under {
		if !slices.Contains(found, cause) {
			found = causesOf(kinds, cause, append(found, cause))
		}
	}
	return found
}

// Rows of the takeover's table that tell of an alarm are in that table, or are what a server becomes
// outside it.
func TestTheRowsThatTellAreInTheTakeover(t *testing.T) {
	rows := []string{"rule-halted", "rule-promotion-unsafe", "rule-journal-takes-again", "rule-restore-failed", "rule-copy-failed"}
	for _, r := range takeover.Table() {
		rows = append(rows, "rule-"+r.Rule)
	}
	found := 0
	for _, k := range alarm.Kinds() {
		for _, told := range alarm.ToldOf(k.Code) {
			if !strings.HasPrefix(told, "rule-") {
				continue
			}
			found++
			if !slices.Contains(rows, told) {
				t.Errorf("%s tells of %s and is no row", told, k.Code)
			}
		}
	}
	if found < 30 {
		t.Errorf("only %d rows tell of an alarm", found)
	}
}

// What a room tells is read by its code, and what ends an alarm names the one that it ends.
func TestWhatSentencesMean(t *testing.T) {
	inside := releve.Inside(releve.Say("licence-ends-soon", "level", "base"))
	for _, c := range []struct {
		what     releve.Sentence
		effect   alarm.Effect
		key      string
		severity releve.Severity
	}{
		{releve.Say("event-disk-low", "seat", "main", "directory", "/srv"), alarm.Rises, "disk-low/main:/srv", releve.Warning},
		{releve.Say("event-disk-roomy", "seat", "main", "directory", "/srv"), alarm.Ends, "disk-low/main:/srv", releve.Cleared},
		{releve.Say("event-records-missing", "seat", "secondary", "count", "2"), alarm.Falls, "records-lost/secondary:missing", releve.Major},
		{releve.Say("event-register-refused", "user", "standby"), alarm.Rises, "telephone/main:standby", releve.Warning},
		{releve.Say("event-certificate", "fault", "certificate.ends-soon"), alarm.Rises, "certificate/main:dates", releve.Warning},
		{releve.Say("event-certificate", "fault", "certificate.expired"), alarm.Rises, "certificate/main:dates", releve.Major},
		{releve.Say("event-drill-overdue"), alarm.Rises, "drill", releve.Major},
		{releve.Say("event-over", "why", inside), alarm.Ends, "licence/ends", releve.Cleared},
		{releve.Say("rule-takeover"), alarm.Tells, "takeover", releve.Major},
		{releve.Say("rule-owner-well-again"), alarm.Settled, "without-duty/main", releve.Cleared},
		{releve.Say("rule-vote-issued"), alarm.News, "", releve.Info},
		{releve.Say("event-own-call"), alarm.News, "", releve.Info},
		{releve.Say("database-pages-damaged", "pages", "3"), alarm.Rises, "database-lost/main", releve.Critical},
		{releve.Say("nobody-wrote-this-down"), alarm.Falls, "act-failed/main:nobody-wrote-this-down", releve.Warning},
	} {
		got := alarm.Of(releve.Main, c.what)
		if got.Effect != c.effect || got.Key.String() != c.key || got.Severity != c.severity {
			t.Errorf("%s: got %s %s %s", c.what.Code, got.Effect, got.Key, got.Severity)
		}
	}
}

func TestKeysAreWrittenAndRead(t *testing.T) {
	for _, text := range []string{"takeover", "disk-low/main", "disk-low/secondary:/srv/a:b", "licence/ends"} {
		key, err := alarm.ParseKey(text)
		if err != nil || key.String() != text {
			t.Errorf("%s: read as %v, %v", text, key, err)
		}
		raw, err := json.Marshal(map[alarm.Key]int{key: 1})
		back := map[alarm.Key]int{}
		if err != nil || json.Unmarshal(raw, &back) != nil || back[key] != 1 {
			t.Errorf("%s: as JSON %s", text, raw)
		}
	}
	for _, text := range []string{"", "takeover-", "disk-low", "disk-low/elsewhere"} {
		if key, err := alarm.ParseKey(text); err == nil {
			t.Errorf("%q was read as %v", text, key)
		}
	}
}
