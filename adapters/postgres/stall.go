package postgres

import (
	"context"
	"fmt"
	"os"
	"releve"
	"strconv"
	"strings"
	"time"
)

// ErrStalled ends what makes no progress. Whatever still advances is waited for, however slow
// the disk or the line: a limit for the whole would begin it again and again.
var ErrStalled = releve.Known("it makes no progress", "cause-stalled")

const (
	stallLimit = 2 * time.Minute
	stallLook  = time.Second
)

// stall notices that a mark of progress has not changed for too long.
type stall struct {
	limit         time.Duration
	mark          string
	moved, looked time.Time
}

// at takes in the mark of now. A look that comes late says nothing of the time between: it
// was this process that slept.
func (s *stall) at(now time.Time, mark string) error {
	if mark != s.mark || s.moved.IsZero() || now.Sub(s.looked) > 5*stallLook {
		s.mark, s.moved = mark, now
	}
	s.looked = now
	if still := now.Sub(s.moved); still > s.limit {
		return fmt.Errorf("%w (for %s)", ErrStalled, still.Round(time.Second))
	}
	return nil
}

// watched ends the context of a piece of work as soon as look fails, and at the latest with
// end, which waits for the looking to end.
func watched(ctx context.Context, look func() error) (work context.Context, end func()) {
	work, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for pause(work, stallLook) == nil {
			if err := look(); err != nil {
				cancel(err)
			}
		}
	}()
	return work, func() {
		cancel(nil)
		<-done
	}
}

// runMoving is runTo for a program that may take as long as it advances. Its lines, its
// processor time and the bytes that it reads and writes tell; a wait for a source that is
// gone moves none of them.
func (c *Cluster) runMoving(ctx context.Context, p program, guard func() error) error {
	var group groupMark
	each := p.line
	p.line = func(line string) {
		group.say(line)
		if each != nil {
			each(line)
		}
	}
	p.started = group.lead
	s := stall{limit: c.stallLimit()}
	work, end := watched(ctx, func() error {
		return firstOf(s.at(time.Now(), group.read()), guard())
	})
	defer end()
	return c.runProgram(work, p)
}

func unguarded() error { return nil }

// stallLimit is the site's, or what a test shortened it to.
func (c *Cluster) stallLimit() time.Duration {
	if c.stalls > 0 {
		return c.stalls
	}
	return stallLimit
}

// effort is what a process has done so far: its processor time in ticks, and the bytes that
// it read and wrote where we may look (proc(5)).
func effort(pid int) string {
	fields := statFields(pid)
	if len(fields) < 13 {
		return ""
	}
	io, _ := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid)) // closed to a root without CAP_SYS_PTRACE
	moved, _, _ := strings.Cut(string(io), "syscr")
	return fields[11] + " " + fields[12] + " " + moved
}

// statFields are those of /proc/PID/stat behind the process's name: state, parent, group …
func statFields(pid int) []string {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil
	}
	_, behind, _ := strings.Cut(string(raw[strings.LastIndexByte(string(raw), ')')+1:]), " ")
	return strings.Fields(behind)
}

// allProcesses are those of this machine.
func allProcesses() (pids []int) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}
