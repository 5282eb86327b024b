package config_test

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"releve"
	"releve/config"
	"releve/config/site"
)

// A file that was written for high availability, with the level changed by one line, is
// a good file of level mirroring: it says what it does not use (SPEC V1).
func TestTheLevelIsChangedByOneLine(t *testing.T) {
	s := newSpoilt(t)
	for seat, want := range map[releve.Seat][]string{
		releve.Main:      {"pbx.standby_user", "pbx.standby_password", "sip.other", "takeover", "drill"},
		releve.Secondary: {"pbx", "sip", "attendant", "takeover", "drill", "lines"},
	} {
		file := filepath.Join(filepath.Dir(s.file), string(seat)+".toml")
		s.issue(t, s.id, seat, -time.Hour, time.Hour)
		if before, mistakes := config.Load(file); len(mistakes) > 0 || len(config.Unused(file, before)) > 0 || before.Mute() {
			t.Errorf("at high availability: %v, unused %q", mistakes, config.Unused(file, before))
		}
		setLevel(t, file, releve.Mirroring)
		c, mistakes := config.Load(file)
		if len(mistakes) > 0 || c.Mute() != (seat == releve.Secondary) {
			t.Errorf("the %s at level mirroring: mute is %v, mistakes %v", seat, c.Mute(), mistakes)
		}
		if got := config.Unused(file, c); !slices.Equal(got, want) {
			t.Errorf("the %s does not use %q, want %q", seat, got, want)
		}
	}
}

// What is not used is not there for anybody: a value that was never checked stands in
// nobody's way.
func TestWhatALevelDoesNotUseIsForgotten(t *testing.T) {
	s := newSpoilt(t)
	setLevel(t, s.file, releve.Mirroring)
	c, mistakes := config.Load(s.file)
	if len(mistakes) > 0 {
		t.Fatal(mistakes)
	}
	if c.SIP.Other != "" || c.PBX.StandbyUser != "" || c.PBX.StandbyPassword != "" || c.PBX.ReceptionUser == "" || c.SIP.Listen == "" {
		t.Errorf("the main goes by %+v, %+v", c.PBX, c.SIP)
	}
	secondary, _ := config.Load("testdata/mirroring.toml")
	d := config.Defaults()
	if !reflect.DeepEqual(secondary.PBX, d.PBX) || secondary.SIP != d.SIP {
		t.Errorf("the secondary goes by %+v, %+v", secondary.PBX, secondary.SIP)
	}
}

// The files of a new site of level mirroring ask for nothing that the level has not.
func TestANewSiteOfLevelMirroring(t *testing.T) {
	for _, language := range []releve.Language{releve.French, releve.English} {
		o := site.Defaults()
		o.Language, o.Level = language, releve.Mirroring
		givePlaces(t, &o)
		o.ReceptionNumber, o.ReceptionPassword = "9", "a"
		w, err := site.Init(o)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range []string{w.Main, w.Secondary} {
			c, mistakes := config.Load(file)
			if len(mistakes) > 0 || c.Site.Level != releve.Mirroring || len(config.Unused(file, c)) > 0 {
				t.Errorf("%s: %v, level %s, unused %q", file, mistakes, c.Site.Level, config.Unused(file, c))
			}
		}
	}
}

func setLevel(t *testing.T, file string, level releve.Level) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	old := `level = "` + string(releve.HighAvailability) + `"`
	if !strings.Contains(string(text), old) {
		t.Fatalf("%s does not say its level", file)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(text), old, `level = "`+string(level)+`"`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A file says for each level what it lacks, so that the level can be changed while the server runs,
// and a server that was taken to another level goes by that one whatever its file says.
func TestAFileIsPreparedForOtherLevels(t *testing.T) {
	s := newSpoilt(t)
	c, mistakes := config.Load(s.file)
	if len(mistakes) > 0 {
		t.Fatal(mistakes)
	}
	for _, level := range []releve.Level{releve.Base, releve.Mirroring, releve.Backup, releve.HighAvailability} {
		if p := config.Prepare(s.file, c); !p.CanRun(level) || p.CanRun("gold") {
			t.Errorf("a whole file lacks for level %s: %v", level, p.Levels)
		}
		at, mistakes := config.LoadAt(s.file, level)
		if len(mistakes) > 0 || at.Site.Level != level {
			t.Errorf("at level %s: %s, %v", level, at.Site.Level, mistakes)
		}
		p := config.Prepare(s.file, at)
		if p.Site.Level != level || p.PBX.StandbyUser != c.PBX.StandbyUser || p.SIP.Other != c.SIP.Other {
			t.Errorf("prepared at level %s: %s, the standby %q, the other %q", level, p.Site.Level, p.PBX.StandbyUser, p.SIP.Other)
		}
	}
	text, err := os.ReadFile(s.file)
	if err != nil {
		t.Fatal(err)
	}
	cut := strings.Replace(string(text), "standby_user", "# standby_user", 1)
	cut = strings.Replace(cut, `level = "high-availability"`, `level = "mirroring"`, 1)
	if err := os.WriteFile(s.file, []byte(cut), 0o600); err != nil {
		t.Fatal(err)
	}
	low, mistakes := config.Load(s.file)
	p := config.Prepare(s.file, low)
	if len(mistakes) > 0 || p.CanRun(releve.HighAvailability) || !p.CanRun(releve.Base) || !p.CanRun(releve.Backup) || p.PBX.ReceptionUser == "" ||
		!slices.Contains(p.Levels[3].Lacks, "pbx.standby_user") {
		t.Errorf("without its standby user, the file lacks %v (%v)", p.Levels, mistakes)
	}
}
