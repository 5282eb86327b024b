// Package freeze stops processes for tests, as a machine that hangs does.
package freeze

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// limit is for a machine that is busy: the kernel stops a process when its threads next run.
const limit = 30 * time.Second

// Stop stops a process and returns when none of its threads runs any more: the signal alone
// only asks, and on a busy machine what was stopped goes on for a while. SIGCONT wakes it.
func Stop(t testing.TB, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatalf("process %d cannot be stopped: %v", pid, err)
	}
	for end := time.Now().Add(limit); ; time.Sleep(time.Millisecond) {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
		switch {
		case err != nil || len(threads) == 0:
			t.Fatalf("process %d ended instead of stopping: %v", pid, err)
		case !slices.ContainsFunc(threads, runs):
			return
		case time.Now().After(end):
			t.Fatalf("process %d does not stop within %v", pid, limit)
		}
	}
}

// runs says whether a thread of this proc(5) file does anything: one that was stopped, or
// has ended meanwhile, does not.
func runs(stat string) bool {
	text, err := os.ReadFile(stat)
	_, state, found := strings.Cut(string(text), ") ")
	return err == nil && found && !strings.HasPrefix(state, "T")
}
