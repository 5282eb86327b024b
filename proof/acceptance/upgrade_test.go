package acceptance

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"releve"
	"releve/rules/version"
	"releve/server/wire"
)

// versionBefore builds the program as it last was before the link's present version: what a site
// upgrades from. The libraries are those of now, which are on this machine. In a clone without the
// project's history it is this source under that version's number, which tries less, and is said.
func versionBefore(t *testing.T) string {
	t.Helper()
	root := filepath.Join("..", "..")
	sources, built := filepath.Join(newDir(t), "sources"), filepath.Join(newDir(t), "releve-before")
	left, err := git(t, root, "log", "-1", "--format=%H", "-S", fmt.Sprintf("const Version = %d", wire.Version-1), "--", "server/wire/word.go")
	if err == nil && left != "" {
		_, err = git(t, root, "archive", "--output", sources+".tar", left+"^")
	}
	if err != nil || left == "" {
		t.Logf("WEAKER: the project's history is not here (git fetch --unshallow): both are of this source (%v)", err)
		compile(t, root, built, "-ldflags", "-X releve/rules/version.number="+version.OfWire(wire.Version-1).Number)
		return built
	}
	mustDo(t, os.Mkdir(sources, 0o755))
	mustDo(t, exec.CommandContext(t.Context(), "tar", "-xf", sources+".tar", "-C", sources).Run())
	for _, name := range []string{"go.mod", "go.sum"} {
		mustDo(t, os.WriteFile(filepath.Join(sources, name), must(os.ReadFile(filepath.Join(root, name)))(t), 0o644))
	}
	compile(t, sources, built)
	return built
}

func git(t *testing.T, root string, args ...string) (string, error) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "git", append([]string{"-C", root, "-c", "safe.directory=*"}, args...)...).Output()
	return strings.TrimSpace(string(out)), err
}

// compile builds the program of a source tree as make does.
func compile(t *testing.T, sources, program string, flags ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append(append([]string{"build", "-buildvcs=false", "-o", program}, flags...), "./cmd/releve")...)
	cmd.Dir, cmd.Env = sources, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// A pair is upgraded one server after the other, under calls, each in both duties beside the other
// version: no call is lost, no row, and nobody takes over (SPEC L3).
func TestAPairIsUpgradedUnderCalls(t *testing.T) {
	closeSharedSite()
	before, number := versionBefore(t), version.OfWire(wire.Version-1).Number
	s, err := newSite(newDir(t), plan{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	s.main.program, s.secondary.program = before, before
	s.forgetTables(t, "drill", "copy", "records", "mail", "syslog", "webhook", "snmp", "lines", "call")
	s.forgetKey(t, "type") // of the PBX
	s.forgetKey(t, "transfer")
	s.forgetKey(t, "transport") // of the PBX: that of the log server went with its table
	s.forgetKey(t, "bad_certificate")
	s.forgetKey(t, "srtp")
	s.startBoth(t)
	s.waitNormal(t)
	load := s.callIn(t, callsToPhone(0, 5))
	load.waitGreeted(t, 5, time.Time{})

	s.runsAs(t, s.secondary, "")
	if b := s.secondary.besides(t); b.Number != number || b.Fits != "beside" || b.Seat != releve.Main {
		t.Errorf("beside the version before: %+v", b)
	}
	load.waitGreeted(t, 10, time.Now())
	s.secondary.mustRun(t, "switchover")
	s.waitProtected(t, s.secondary)
	load.waitGreeted(t, 10, time.Now())
	s.main.mustRun(t, "return") // … and back: the version before on duty again
	s.waitNormal(t)
	load.waitGreeted(t, 10, time.Now())

	s.secondary.mustRun(t, "switchover")
	s.waitProtected(t, s.secondary)
	eventually(t, 30*time.Second, "the end of the main's last call", func() error {
		if v, err := s.main.view(); err != nil || v.Main.ChannelsBusy > 0 {
			return fmt.Errorf("%d calls, %v", v.Main.ChannelsBusy, err)
		}
		return nil
	})
	s.main.stop()
	s.main.program = ""
	s.main.start(t)
	s.waitProtected(t, s.secondary)
	s.main.mustRun(t, "return")
	s.waitNormal(t)
	load.waitGreeted(t, 10, time.Now())
	if b := s.main.besides(t); b.Fits != "same" {
		t.Errorf("both of this version: %+v", b)
	}
	calls := load.finish(t)
	checkServed(t, calls)
	s.checkKept(t, calls)
}

// forgetKey takes the one line that sets a key out of both files.
func (s *site) forgetKey(t *testing.T, key string) {
	t.Helper()
	line := regexp.MustCompile(`(?m)^` + key + ` = .*\n`)
	for _, server := range []*server{s.main, s.secondary} {
		text, err := os.ReadFile(server.file)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(line.FindAll(text, -1)); n != 1 {
			t.Fatalf("%s sets %s %d times", server.file, key, n)
		}
		if err := os.WriteFile(server.file, line.ReplaceAll(text, nil), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// forgetTables takes what the version before did not know out of both files: it would refuse them.
func (s *site) forgetTables(t *testing.T, names ...string) {
	t.Helper()
	for _, server := range []*server{s.main, s.secondary} {
		text, err := os.ReadFile(server.file)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			before, rest, found := strings.Cut(string(text), "["+name+"]\n")
			if !found {
				t.Fatalf("%s has no table %s", server.file, name)
			}
			if _, after, more := strings.Cut(rest, "\n["); more {
				before += "[" + after
			}
			text = []byte(before)
		}
		if err := os.WriteFile(server.file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
