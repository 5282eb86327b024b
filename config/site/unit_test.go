package site_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"releve"
	"releve/config/site"
)

// systemd itself reads what is written, also where names hold what it gives a meaning.
func TestAUnitIsReadBySystemd(t *testing.T) {
	o := hospital(t)
	o.Name = "Hôpital \"Sud\" 100 %n\nExecStart=/bin/sh"
	o.Dir = filepath.Join(t.TempDir(), "a $HOME of 50%n")
	main, _ := load(t, o)
	program := filepath.Join(t.TempDir(), "releve 2")
	if err := os.WriteFile(program, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, language := range []releve.Language{releve.French, releve.English} {
		text, err := site.Unit(main, program, filepath.Join(o.Dir, "main.toml"), "releve", language)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "releve-main.service")
		if err := os.WriteFile(file, text, 0o644); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("systemd-analyze", "verify", "--man=no", file).CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: systemd-analyze verify: %v\n%s\n%s", language, err, out, text)
		}
		if n := strings.Count(string(text), "\nExecStart="); n != 1 {
			t.Errorf("%s: a name began %d commands of its own:\n%s", language, n-1, text)
		}
	}
}

func TestAUnitTakesTheRightsThatItsServerNeedsAndNoMore(t *testing.T) {
	tests := []struct {
		name   string
		change func(*site.Options)
		has    string
		hasNot string
	}{
		{"as init writes it", func(*site.Options) {}, "\nCapabilityBoundingSet=\n", "AmbientCapabilities"},
		{"its page at a port of root's", func(o *site.Options) { o.Main.ConsolePort = 443 }, "\nAmbientCapabilities=CAP_NET_BIND_SERVICE\n", "\nCapabilityBoundingSet=\n"},
		{"so that sound leaves on time", func(*site.Options) {}, "\nNice=-5\nLimitNICE=-15\nLimitRTPRIO=10\n", "RestrictRealtime"},
		{"away from all homes", func(*site.Options) {}, "\nProtectHome=yes\n", "root"},
		{"its data in a home", func(o *site.Options) { o.Main.Data = "/home/releve/data" }, "\nReadWritePaths=/home/releve/data\n", "ProtectHome"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := hospital(t)
			tt.change(&o)
			main, _ := load(t, o)
			text, err := site.Unit(main, "/usr/local/bin/releve", "/etc/releve/main.toml", "releve", releve.English)
			if err != nil {
				t.Fatal(err)
			}
			_, directives, _ := strings.Cut(string(text), "[Unit]")
			if !strings.Contains(directives, tt.has) || strings.Contains(directives, tt.hasNot) {
				t.Errorf("want %q and not %q in:\n%s", tt.has, tt.hasNot, text)
			}
		})
	}
}
