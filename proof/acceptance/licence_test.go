package acceptance

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"releve"
	"releve/config"
)

// issue writes the demonstrator's licence for a level of this site, and gives its file.
func (s *site) issue(t testing.TB, serial string, level releve.Level, more ...string) string {
	t.Helper()
	conf, mistakes := config.Load(s.main.file)
	if len(mistakes) > 0 {
		t.Fatalf("%s: %v", s.main.file, mistakes)
	}
	file := filepath.Join(s.dir, serial+".licence")
	r := runReleve(append([]string{"licence", "issue", "--demonstration", "--site", conf.Site.ID, "--to", "Hôpital", "--level", string(level),
		"--channels", "100", "--serial", serial, "--out", file}, more...)...)
	if r.code != 0 {
		t.Fatalf("licence issue: %d %s", r.code, r.stderr)
	}
	return file
}

// license installs a licence for each level, for which somebody answers.
func (s *site) license(t testing.TB, levels ...releve.Level) {
	t.Helper()
	for _, level := range levels {
		s.main.mustRun(t, "licence", "install", s.issue(t, "of-"+string(level), level), "--without-study", "A. Durand")
	}
}

// studied makes a study of the site before its servers run, as people would: both ends, real calls.
func (s *site) studied(t *testing.T, more ...string) string {
	t.Helper()
	code, file := filepath.Join(s.dir, "code"), filepath.Join(s.dir, "study.json")
	if err := os.WriteFile(code, []byte("ABCDEFGHJKLMNPQR\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	answer := exec.Command(product(), "study", "answer", "--own", secondaryHost, "--peer", mainHost, "--data", filepath.Join(s.dir, "as"), "--code-file", code)
	end := must(launch(filepath.Join(s.dir, "answer.log"), answer))(t)
	defer func() { end.signal(syscall.SIGKILL); <-end.gone }()
	r := runReleve(append(append(passwordFiles(t, s.dir), more...), "study", "--own", mainHost, "--peer", secondaryHost, "--pbx", pbxHost, "--domain", domain,
		"--data", filepath.Join(s.dir, "am"), "--code-file", code, "--channels", "100", "--establishment", "Hôpital", "--save", file)...)
	if r.code != 0 {
		t.Fatalf("the study: %d %s", r.code, r.stderr)
	}
	raw := must(os.ReadFile(file))(t)
	var made releve.Study
	if err := json.Unmarshal(raw, &made); err != nil {
		t.Fatal(err)
	}
	for _, l := range made.Levels {
		if l.Verdict != releve.Feasible {
			t.Fatalf("this machine cannot have %s: %s\n%s", l.Level, l.Verdict, r.stdout)
		}
	}
	return file
}

// The level is raised by a licence and a study that both parties signed (SPEC V1, L1, E4), each handed
// to one server and known on both; without them it stays where it is, and no caller hears of it.
func TestALicenceAndAStudyComeBeforeALevel(t *testing.T) {
	closeSharedSite() // it uses the same addresses
	s, err := newSite(newDir(t), plan{init: []string{"--demonstration"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	study := s.studied(t)
	s.startBoth(t)
	s.waitNormal(t)
	load := s.callIn(t, callsToPhone(0, 5))
	load.waitGreeted(t, 3, time.Time{})
	refused := func(says string, command string, args ...string) {
		t.Helper()
		if r := s.main.run(command, args...); r.code != 5 || !strings.Contains(r.stdout+r.stderr, says) {
			t.Errorf("%s %v: %+v", command, args, r)
		}
	}
	s.main.mustRun(t, "level", "use", "base")
	refused("Level high availability is not licensed", "level", "use", "high-availability")
	refused("study: not there: the site has adopted no study", "level", "use", "high-availability", "--dry-run")
	base, ha := s.issue(t, "1", releve.Base), s.issue(t, "2", releve.HighAvailability)
	refused("nothing comes before that", "licence", "install", base)
	refused("not signed by both parties", "study", "adopt", study)
	s.main.mustRun(t, "licence", "install", base, "--without-study", "A. Durand")
	s.main.mustRun(t, "licence", "install", ha, "--without-study", "A. Durand", "--dry-run")
	refused("Level high availability is not licensed", "level", "use", "high-availability", "--without-study", "A. Durand")

	sign(t, study)
	if v := s.secondary.mustView(t); !slices.ContainsFunc(v.Licences.Notices, vouchedFor) {
		t.Errorf("nobody says that a name stands in the place of a study: %+v", v.Licences.Notices)
	}
	s.secondary.mustRun(t, "study", "adopt", study)
	for _, teller := range []*server{s.main, s.secondary} {
		if v := teller.mustView(t); slices.ContainsFunc(v.Licences.Notices, vouchedFor) || v.Licences.Study == nil {
			t.Errorf("a study is there, and the %s shows %+v", teller.seat, v.Licences)
		}
	}
	s.main.mustRun(t, "licence", "install", ha)
	rehearsed := s.secondary.mustRun(t, "level", "use", "high-availability", "--dry-run")
	for _, need := range []string{"✔ second server: the secondary server answers", "✔ version: ", "✔ configuration", "✔ licence: for 100 channels", "✔ study: of "} {
		if !strings.Contains(rehearsed, need) {
			t.Errorf("the rehearsal does not say %q:\n%s", need, rehearsed)
		}
	}
	if v := s.main.mustView(t); v.Level != releve.Base {
		t.Errorf("before anybody raised it, the level is %s", v.Level)
	}
	s.secondary.mustRun(t, "level", "use", "high-availability")
	s.checkLevel(t, releve.HighAvailability)
	calls := load.finish(t)
	checkServed(t, calls, s.main)
	s.checkKept(t, calls)
}

// sign has both parties sign a study.
func sign(t *testing.T, study string) {
	t.Helper()
	for party, name := range map[string]string{"establishment": "Marie Duval", "integrator": "Paul Roy"} {
		if r := runReleve("study", "sign", study, "--for", party, "--name", name); r.code != 0 {
			t.Fatalf("study sign: %+v", r)
		}
	}
}

func vouchedFor(s releve.Sentence) bool { return s.Code == "study-vouched-for" }
