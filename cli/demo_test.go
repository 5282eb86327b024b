package cli_test

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Ctrl-C when both servers have been started: nothing of them stays, not even a
// postmaster that lost its parent.
func TestDemoThatIsInterruptedLeavesNoProcess(t *testing.T) {
	// What loses its parent becomes our child, and is found.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0) })
	demo := exec.Command("releve", "demo", "--language", "en")
	demo.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	var complaints bytes.Buffer
	demo.Stderr = &complaints
	out, err := demo.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := demo.Start(); err != nil {
		t.Fatal(err)
	}
	var said []string
	for lines := bufio.NewScanner(out); lines.Scan(); {
		said = append(said, lines.Text())
		if strings.Contains(lines.Text(), "PROTECTED") {
			if err := demo.Process.Signal(os.Interrupt); err != nil {
				t.Error(err)
			}
		}
	}
	_ = demo.Wait() // judged by its exit code
	story := strings.Join(said, "\n") + "\n" + complaints.String()
	if code := demo.ProcessState.ExitCode(); code != 130 || !strings.Contains(story, "PROTECTED") {
		t.Errorf("exit code %d; it told:\n%s", code, story)
	}
	for pid, command := range children(t) {
		t.Errorf("left behind: %d %s", pid, command)
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// children are our living children with their commands; dead ones are reaped.
func children(t *testing.T) map[int]string {
	t.Helper()
	lists, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil || len(lists) == 0 {
		t.Fatalf("the children of this process cannot be listed: %v", err)
	}
	living := map[int]string{}
	for _, list := range lists {
		text, _ := os.ReadFile(list) // a thread that ended has none
		for _, field := range strings.Fields(string(text)) {
			pid, _ := strconv.Atoi(field)
			if gone, _ := unix.Wait4(pid, nil, unix.WNOHANG, nil); gone != pid {
				command, _ := os.ReadFile(filepath.Join("/proc", field, "cmdline"))
				living[pid] = strings.ReplaceAll(string(command), "\x00", " ")
			}
		}
	}
	return living
}
