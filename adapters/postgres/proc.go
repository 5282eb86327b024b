package postgres

import (
	"bytes"
	"context"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// PostgreSQL's processes are found by their command lines: each backend is in a
// session and process group of its own, orphans have lost their parent, and
// /proc/PID/cwd is closed to a root without CAP_SYS_PTRACE, as in a container.

// title names this cluster in the command line of each of its backends
// ("postgres: TITLE: walwriter"). It is short: titles are cut.
func (c *Cluster) title() string {
	h := fnv.New64a()
	h.Write([]byte(c.dataDir()))
	return fmt.Sprintf("releve-%s-%x", c.opts.Seat, h.Sum64())
}

// members are the processes of this cluster: its postmaster, its backends and
// those whose postmaster is dead.
func (c *Cluster) members() ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err == nil && c.isMember(commandLine(pid)) {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// isMember recognises a backend, and a postmaster or a backend too young to have its title.
func (c *Cluster) isMember(args []string) bool {
	return c.isBackend(args) || len(args) > 0 && filepath.Base(args[0]) == "postgres" && slices.Contains(args, c.dataDir())
}

func (c *Cluster) isBackend(args []string) bool {
	return len(args) > 0 && strings.HasPrefix(args[0], "postgres: "+c.title()+": ")
}

// commandLine is nil for a process that is gone or a zombie.
func commandLine(pid int) []string {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil || len(raw) == 0 {
		return nil
	}
	return strings.Split(strings.TrimRight(string(raw), "\x00"), "\x00")
}

// processState is the letter of a process's state in /proc/PID/stat (proc(5)), 0 when it is
// gone. The name before it is in parentheses and may hold any character.
func processState(pid int) byte {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if end := bytes.LastIndexByte(raw, ')'); err == nil && end >= 0 && end+2 < len(raw) {
		return raw[end+2]
	}
	return 0
}

// pidFile is postmaster.pid: first the pid, on line 8 the status (PostgreSQL
// src/include/utils/pidfile.h).
type pidFile struct {
	pid    int
	status string
}

func (c *Cluster) readPidFile() (pidFile, error) {
	raw, err := os.ReadFile(c.path("data", "postmaster.pid"))
	if err != nil {
		return pidFile{}, err
	}
	lines := strings.Split(string(raw), "\n")
	pid, err := strconv.Atoi(strings.TrimPrefix(lines[0], "-")) // negative: single-user mode
	if err != nil {
		return pidFile{}, fmt.Errorf("postmaster.pid begins with %q", lines[0])
	}
	file := pidFile{pid: pid}
	if len(lines) > 7 {
		file.status = strings.TrimSpace(lines[7])
	}
	return file, nil
}

// livePostmaster is the pid of a postmaster, ours or not, that holds the data, or 0.
// The number in a stale file may have been given to another process since.
func (c *Cluster) livePostmaster() int {
	file, err := c.readPidFile()
	if err != nil {
		return 0
	}
	args := commandLine(file.pid)
	if len(args) == 0 || strings.HasPrefix(args[0], "postgres: ") {
		return 0
	}
	if base := filepath.Base(args[0]); base != "postgres" && base != "postmaster" {
		return 0
	}
	if cwd, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", file.pid)); err == nil && !sameFile(cwd, c.dataDir()) {
		return 0
	}
	return file.pid
}

func sameFile(a, b string) bool {
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}

const (
	quietLimit = 2 * time.Second // a postmaster whose agent was killed ends within it
	lookEvery  = 5 * time.Millisecond
)

// waitQuiet waits until no process of this cluster is left, killing those whose
// postmaster is dead: PostgreSQL refuses to start while one is attached to the old
// shared memory. A postmaster that stays is refused, never ended: it may be serving.
func (c *Cluster) waitQuiet(ctx context.Context) error {
	deadline := time.Now().Add(quietLimit)
	for {
		holder := c.livePostmaster()
		pids, err := c.members()
		if err != nil {
			return err
		}
		if holder == 0 && len(pids) == 0 {
			return c.removeStaleLocks()
		}
		if holder == 0 {
			c.killBackends(pids)
		}
		if time.Now().After(deadline) {
			return c.stillHeld(holder, pids)
		}
		if err := pause(ctx, lookEvery); err != nil {
			return err
		}
	}
}

func (c *Cluster) stillHeld(holder int, pids []int) error {
	if holder != 0 {
		return fmt.Errorf("another PostgreSQL (process %d) holds %s: stop it, or the Relève that started it", holder, c.dataDir())
	}
	return fmt.Errorf("processes %v of a dead PostgreSQL do not end: "+
		"the disk under %s may hang; restart this machine if they stay", pids, c.dataDir())
}

// removeStaleLocks spares PostgreSQL a wrong refusal: the number in a lock that was left
// may now belong to some other process, or the file be empty after a power cut. No process of
// this cluster lives, and the directory of its socket is nobody else's.
func (c *Cluster) removeStaleLocks() error {
	left, err := filepath.Glob(c.path("run", ".s.PGSQL.*"))
	if err != nil {
		return err
	}
	for _, file := range append(left, c.path("data", "postmaster.pid")) {
		if err := removeFile(file); err != nil {
			return fmt.Errorf("cannot remove what a PostgreSQL that is gone has left: %w", err)
		}
	}
	return nil
}

// killBackends spares what may be a postmaster that is just starting.
func (c *Cluster) killBackends(pids []int) {
	for _, pid := range pids {
		if c.isBackend(commandLine(pid)) {
			killAll([]int{pid})
		}
	}
}

// killAll sends SIGKILL, to stopped processes too. One that is gone is no error.
func killAll(pids []int) {
	for _, pid := range pids {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
