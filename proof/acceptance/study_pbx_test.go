package acceptance

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"releve"
)

// passwordFiles writes those of both users, and gives the options that name them.
func passwordFiles(t *testing.T, dir string) []string {
	t.Helper()
	options := []string{"--reception-number", receptionNumber}
	for user, password := range map[string]string{"reception": receptionPassword, "standby": standbyPassword} {
		file := filepath.Join(dir, user+".txt")
		if err := os.WriteFile(file, []byte(password+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		options = append(options, "--"+user+"-password-file", file)
	}
	return options
}

// ofAnyProxy are the findings of a PBX that keeps one binding at a time and passes on what is said
// inside a call: keys, too, arrive as they were sent.
func ofAnyProxy(line string) bool {
	return strings.HasSuffix(line, "study-pbx-refer-passed") || strings.HasSuffix(line, "poor study-pbx-keys-as-sent") ||
		strings.HasPrefix(line, "pbx-removal ")
}

// A site on which nothing is missing can have each level, and its configuration is made of the
// study (SPEC E3, E4).
func TestAGoodSiteCanHaveEachLevel(t *testing.T) {
	s := newStudied(t)
	file := filepath.Join(s.dir, "study.json")
	users := passwordFiles(t, s.dir)
	made := s.run(t, nil, append(users, "--save", file, "--establishment", "Hôpital Saint-Luc")...)
	for _, line := range withoutLoaded(wrong(made)) {
		if !ofAnyProxy(line) {
			t.Errorf("a good site: %s", line)
		}
	}
	for _, l := range made.Levels {
		if l.Verdict != releve.Feasible {
			t.Errorf("%s is %s", l.Level, l.Verdict)
		}
	}
	raw := string(must(os.ReadFile(file))(t))
	if strings.Contains(raw, receptionPassword) || strings.Contains(raw, standbyPassword) {
		t.Error("a password stands in the study")
	}
	dir := filepath.Join(s.dir, "site")
	r := runReleve(append(users[2:], "init", "--dir", dir, "--from", file)...)
	if r.code != 0 {
		t.Fatalf("init: %d %s", r.code, r.stderr)
	}
	if r := runReleve("check", "-c", filepath.Join(dir, "main.toml")); r.code != 0 {
		t.Errorf("check: %d %s%s", r.code, r.stdout, r.stderr)
	}
	text := string(must(os.ReadFile(filepath.Join(dir, "secondary.toml")))(t))
	for _, want := range []string{"high-availability", studyPBX + ":5060", studySecondary + ":7443", "Hôpital Saint-Luc"} {
		if !strings.Contains(text, want) {
			t.Errorf("the configuration does not name %s", want)
		}
	}
}

// What a PBX does not do is found, on one that others wrote.
func TestAStudyFindsWhatAPBXDoesNotDo(t *testing.T) {
	closeSharedSite() // it uses the same addresses
	for _, c := range []struct {
		name     string
		settings map[string]string
		want     []string
	}{
		{"all is well", nil, nil},
		{"no overflow on busy", map[string]string{"IPBX_OVERFLOW_ON": "^(408|480|5[0-9][0-9])$"}, []string{
			"pbx-busy main: failed study-pbx-no-busy", "pbx-origin main: not-measured study-pbx-not-seen",
			"pbx-return main 486: not-measured study-pbx-not-seen", "pbx-return-other main 480: not-measured study-pbx-not-seen",
			"pbx-return-other main 503: not-measured study-pbx-not-seen", "pbx-return-other main 603: not-measured study-pbx-not-seen",
		}},
		{"no return", map[string]string{"IPBX_BACK_MAX": "0"}, []string{
			"pbx-return main 486: failed study-pbx-no-return", "pbx-return-other main 480: poor study-pbx-no-return",
			"pbx-return-other main 503: poor study-pbx-no-return", "pbx-return-other main 603: poor study-pbx-no-return",
		}},
		{"a long silence", map[string]string{"IPBX_MAIN_NOREPLY_MS": "9000"}, []string{"pbx-silence main: poor study-why-pbx-silence"}},
		{"one binding that is kept", map[string]string{"IPBX_REGISTER_EXTRA": "refuse"}, []string{"pbx-second main: poor study-pbx-second-refused"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := newDir(t)
			switchboard := must(startPBX(dir, c.settings))(t)
			t.Cleanup(switchboard.close)
			r := runReleve(append(passwordFiles(t, dir), "study", "--own", mainHost, "--pbx", pbxHost, "--domain", domain,
				"--data", filepath.Join(dir, "m"), "--output", "json")...)
			if r.code != 0 {
				t.Fatalf("exit code %d: %s", r.code, r.stderr)
			}
			var made releve.Study
			if err := json.Unmarshal([]byte(r.stdout), &made); err != nil {
				t.Fatal(err)
			}
			for check, way := range map[string]string{"pbx-keys": "telephone-event", "pbx-keys-info": "info", "pbx-keys-tone": "tone"} {
				if got := textOf(made, check); got != way { // sound goes straight here, and what is said in a call is passed on
					t.Errorf("%s: a key arrives by %q, not %s", check, got, way)
				}
			}
			found := slices.DeleteFunc(withoutLoaded(wrong(made)), func(line string) bool {
				return !strings.HasPrefix(line, "pbx-") || strings.Contains(line, " secondary") || ofAnyProxy(line)
			})
			if !slices.Equal(slices.Sorted(slices.Values(found)), c.want) {
				t.Errorf("found\n  %s\nwant\n  %s", strings.Join(found, "\n  "), strings.Join(c.want, "\n  "))
			}
		})
	}
}

// textOf is what a study found of one check.
func textOf(made releve.Study, check string) string {
	for _, f := range made.Findings {
		if f.Check == check {
			return f.Text
		}
	}
	return ""
}
