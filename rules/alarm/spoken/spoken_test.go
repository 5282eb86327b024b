package spoken

import (
	"testing"

	"go.uber.org/goleak"

	"releve"
	"releve/rules/alarm"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Every kind of alarm can be said, in both languages, and nothing else has a file.
func TestEveryAlarmIsSpoken(t *testing.T) {
	names := map[string]bool{}
	for _, name := range Names() {
		names[name] = true
	}
	for _, kind := range alarm.Kinds() {
		if !names["alarm-"+string(kind.Code)] {
			t.Errorf("nothing is said of %s: add its words, and run make.sh", kind.Code)
		}
	}
	for _, language := range []releve.Language{releve.French, releve.English} {
		files, err := sounds.ReadDir(string(language))
		if err != nil || len(files) != len(names) {
			t.Errorf("%s has %d files for %d names, %v", language, len(files), len(names), err)
		}
		for name := range names {
			wav, err := WAV(language, name)
			if err != nil || len(wav) < 8000 || Words(language, name) == "" {
				t.Errorf("%s/%s has %d bytes for %q: %v; run make.sh", language, name, len(wav), Words(language, name), err)
			}
		}
	}
	if _, err := WAV(releve.French, "nothing"); err == nil {
		t.Error("what is not there is spoken")
	}
}
