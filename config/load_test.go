package config_test

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pelletier/go-toml/v2"
	"go.uber.org/goleak"

	"releve"
	"releve/config"
	"releve/screen/words"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Each testdata/NAME.toml has, in NAME.LANGUAGE.golden, all that is wrong with it.
func TestEveryMistakeIsToldAtOnce(t *testing.T) {
	for _, file := range brokenFiles(t) {
		_, mistakes := config.Load(file)
		for _, language := range []releve.Language{releve.English, releve.French} {
			golden := strings.TrimSuffix(file, "toml") + string(language) + ".golden"
			got := told(t, mistakes, language)
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("%s is told as\n%s\nand not as in %s\n%s", file, got, golden, want)
			}
		}
	}
}

func brokenFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.toml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files to read: %v", err)
	}
	for _, file := range files {
		// Git keeps no such mode, and the key's is looked at.
		if err := os.Chmod(file, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return append(files, "testdata/absent.toml")
}

// told is what a person reads, without the directory of this very machine.
func told(t *testing.T, mistakes []config.Mistake, language releve.Language) string {
	t.Helper()
	here, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, m := range mistakes {
		fmt.Fprintln(&b, strings.ReplaceAll(m.Where()+": "+words.Say(language, m.Sentence()), here, "HERE"))
	}
	return b.String()
}

// A kind of mistake that no file here makes is either dead or untried.
func TestEachKindOfMistakeIsMadeByAFile(t *testing.T) {
	made := map[string]bool{}
	for _, file := range brokenFiles(t) {
		_, mistakes := config.Load(file)
		for _, m := range mistakes {
			made[m.Why.Code] = true
		}
	}
	for _, code := range slices.Sorted(maps.Keys(kinds(t))) {
		if !made[code] {
			t.Errorf("no file of testdata makes the mistake %q", code)
		}
	}
}

// kinds are the mistakes that there are words for.
func kinds(t *testing.T) map[string]any {
	t.Helper()
	file, err := os.ReadFile(filepath.Join("..", "screen", "words", "config.en.toml"))
	if err != nil {
		t.Fatal(err)
	}
	var catalogue struct{ Config map[string]any }
	if err := toml.Unmarshal(file, &catalogue); err != nil || len(catalogue.Config) == 0 {
		t.Fatalf("%d kinds of mistake: %v", len(catalogue.Config), err)
	}
	return catalogue.Config
}

func TestWhatAFileDoesNotSayIsTheDefault(t *testing.T) {
	got, _ := config.Load("testdata/empty.toml")
	if want := config.Defaults(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestASettingThatIsOnCanBeTurnedOff(t *testing.T) {
	for value, want := range map[string]bool{"true": true, "false": false} {
		file := filepath.Join(t.TempDir(), "main.toml")
		if err := os.WriteFile(file, []byte("[takeover]\nown_calls = "+value+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if c, _ := config.Load(file); c.Takeover.OwnCalls != want {
			t.Errorf("own_calls = %s is taken for %v", value, c.Takeover.OwnCalls)
		}
	}
}

// Of the issue's own list: each default as it was promised.
func TestTheDefaultsAreThosePromised(t *testing.T) {
	c := config.Defaults()
	for what, pair := range map[string][2]any{
		"level":             {c.Site.Level, releve.HighAvailability},
		"arbiter":           {c.Site.Arbiter, releve.Pair},
		"rounds":            {c.Takeover.Rounds, 3},
		"limit":             {c.Takeover.Limit.Std(), 300 * time.Millisecond},
		"pause":             {c.Takeover.Pause.Std(), 100 * time.Millisecond},
		"watch":             {c.Takeover.Watch.Std(), 500 * time.Millisecond},
		"refusal_code":      {c.PBX.RefusalCode, 486},
		"busy_code":         {c.PBX.BusyCode, 486},
		"transfer":          {string(c.PBX.Transfer), "auto"},
		"expires":           {c.PBX.Expires.Std(), time.Minute},
		"overflow_evidence": {c.PBX.Evidence, releve.EvidenceAuto},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s is %v, promised %v", what, pair[0], pair[1])
		}
	}
}

func FuzzLoad(f *testing.F) {
	files, err := filepath.Glob("testdata/*.toml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		file := filepath.Join(t.TempDir(), "f.toml")
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		_, mistakes := config.Load(file)
		if len(mistakes) == 0 {
			t.Errorf("a file without certificates is accepted:\n%s", text)
		}
		last := 1 + strings.Count(string(text), "\n")
		for i, m := range mistakes {
			if m.Line < 0 || m.Line > last || i > 0 && m.Line < mistakes[i-1].Line {
				t.Errorf("line %d of %d lines, out of order or out of the file: %s", m.Line, last, m)
			}
			for _, language := range []releve.Language{releve.English, releve.French} {
				if what, todo := words.Told(language, m.Sentence()); what == "" || todo == "" {
					t.Errorf("%s is not said in %s", m.Why.Code, language)
				}
			}
		}
	})
}
