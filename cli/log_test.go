package cli

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
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
