package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"releve"
	"releve/doors/identity"
	"releve/screen/words"
)

func TestLogForAPerson(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(newPersonal(&out, slog.LevelInfo)).With("seat", "main").WithGroup("call")
	log.Info("call answered", "id", "a b", "time", 3)
	log.Debug("a detail")
	log.Warn("the PBX is silent")
	want := regexp.MustCompile(`^\d\d:\d\d:\d\d  call answered  seat=main call.id="a b" call.time=3
\d\d:\d\d:\d\d  WARN the PBX is silent  seat=main
$`)
	if !want.MatchString(out.String()) {
		t.Errorf("%q", out.String())
	}
}

func TestLogIsForAPersonOnATerminalOnly(t *testing.T) {
	controller, terminal := openTerminal(t)
	newLog(terminal, slog.LevelDebug).Debug("looked", "at", "it")
	shown := make([]byte, 100)
	n, err := controller.Read(shown)
	if line := string(shown[:n]); err != nil || !strings.Contains(line, "DEBUG looked  at=it") || strings.Contains(line, "msg=") {
		t.Errorf("%q, %v", line, err)
	}
	var out bytes.Buffer
	newLog(&out, slog.LevelInfo).Info("looked", "at", "it")
	if !strings.Contains(out.String(), "level=INFO msg=looked at=it") {
		t.Errorf("%q", out.String())
	}
}

// openTerminal makes a pseudoterminal (pty(7)).
func openTerminal(t *testing.T) (controller, terminal *os.File) {
	t.Helper()
	controller, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatalf("no pseudoterminal can be had: %v", err)
	}
	t.Cleanup(func() { _ = controller.Close() })
	if err := unix.IoctlSetPointerInt(int(controller.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(controller.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = terminal.Close() })
	return controller, terminal
}

// Whoever reads a log needs no catalogue beside it: what is wrong, and what to do.
func TestALogSaysWhatIsWrong(t *testing.T) {
	missing := identity.Fault(releve.Say(identity.Missing, "file", "main.pem"))
	nobody := &releve.Fault{Cause: errors.New("no spool"), Why: releve.Say("spool-in-use", "file", "spool", "directory", "data")}
	for what, c := range map[string]struct {
		named any
		says  string
	}{
		"a fault":          {missing, "the file main.pem is not there: copy it from the directory that `releve init` wrote"},
		"within an error":  {fmt.Errorf("trying again: %w (%w)", missing, fs.ErrNotExist), "trying again: the file main.pem is not there: copy it from the directory that `releve init` wrote (file does not exist)"},
		"two of them":      {errors.Join(missing, nobody), "the file main.pem is not there: copy it from the directory that `releve init` wrote\n" + words.Say(releve.English, nobody.Why)},
		"a sentence":       {missing.Why, "the file main.pem is not there: copy it from the directory that `releve init` wrote"},
		"an error of none": {errors.New("no such device"), "no such device"},
		"a number":         {7, "7"},
	} {
		var out, personal bytes.Buffer
		for _, log := range []*slog.Logger{newLog(&out, slog.LevelInfo), slog.New(newPersonal(&personal, slog.LevelInfo))} {
			log.Warn("it failed", "err", c.named)
		}
		for _, line := range []string{out.String(), personal.String()} {
			if want := "err=" + quoted(c.says) + "\n"; !strings.HasSuffix(line, want) {
				t.Errorf("%s: %q, want %q", what, line, want)
			}
		}
	}
}

// quoted is a value as slog writes it.
func quoted(s string) string {
	if strings.ContainsAny(s, " \n") {
		return strconv.Quote(s)
	}
	return s
}

// A fault of no cause that has an exit code of its own is said like any other.
func TestAFaultIsSaidInTheReadersLanguage(t *testing.T) {
	missing := identity.Fault(releve.Say(identity.Missing, "file", "main.pem"))
	for _, lang := range []releve.Language{releve.English, releve.French} {
		s := &settings{language: string(lang)}
		if code, text := s.verdict(missing); code != codeOther || text != words.Say(lang, missing.Why) {
			t.Errorf("%d, %s", code, text)
		}
	}
	french := &settings{language: "fr"}
	for want, err := range map[string]error{
		"PostgreSQL ne répond pas":     fmt.Errorf("looking: %w", releve.Known("PostgreSQL does not answer", "cause-no-answer")),
		"«\u00a0no such device\u00a0»": errors.New("no such device"), // others wrote it
	} {
		if _, text := french.verdict(err); text != want {
			t.Errorf("%q, want %q", text, want)
		}
	}
}
