package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"regexp"

	"releve"
)

// Beyond counts the commits that this server's log holds from the position where the
// other server left the timeline: rows that only this data directory has, and that a
// rewind would destroy (RULES R11). PostgreSQL is stopped. A log that no longer reaches
// back to the fork, or that is damaged, is an error and never a zero.
func (c *Cluster) Beyond(ctx context.Context, timeline releve.Timeline, fork releve.LSN) (commits int, err error) {
	end, err := c.beginStopped(ctx)
	if err != nil {
		return 0, err
	}
	defer end()
	commits, err = c.countCommits(ctx, timeline, fork)
	if err != nil {
		return 0, fmt.Errorf("cannot tell what this server's log holds after %s of timeline %d: %w", fork, timeline, err)
	}
	return commits, nil
}

// OnlyFollowed is nil when nothing is only in this server's data: it was copied whole, has
// only followed since, and the server on duty at source, on the same timeline, has all that
// it received. A timeline's number proves nothing of that (RULES R10).
func (c *Cluster) OnlyFollowed(ctx context.Context, source netip.AddrPort) error {
	end, err := c.beginStopped(ctx)
	if err != nil {
		return err
	}
	defer end()
	state, err := c.requireUsable()
	if err != nil {
		return err
	}
	if !state.Copy {
		return releve.Known("it was writable since it was copied", "cause-was-writable")
	}
	if _, err := c.prepare(); err != nil {
		return err
	}
	o, err := c.inspectOrigin(ctx, source)
	if err != nil {
		return err
	}
	return c.receivedFrom(ctx, state.Control, o)
}

// receivedFrom is nil when a copy has no commit that its source lacks. Where it has no file
// for the source's position, it never came that far: it removes only what it has replayed.
func (c *Cluster) receivedFrom(ctx context.Context, copied Control, o origin) error {
	latest, err := c.LatestTimeline()
	switch {
	case err != nil:
		return err
	case copied.SystemID != o.systemID:
		return ErrOtherCluster
	case latest != o.timeline:
		return releve.Known(fmt.Sprintf("it is on timeline %d, the other server on %d", latest, o.timeline),
			"cause-other-timeline", "own", fmt.Sprint(latest), "theirs", fmt.Sprint(o.timeline))
	case copied.MinRecovery > o.received:
		return releve.Known(fmt.Sprintf("it has come to %s, the other server to %s only", copied.MinRecovery, o.received),
			"cause-come-further", "own", fmt.Sprint(copied.MinRecovery), "theirs", fmt.Sprint(o.received))
	}
	if _, err := os.Stat(c.path("data", "pg_wal", segmentName(latest, o.received))); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	commits, err := c.countCommits(ctx, latest, o.received)
	if err == nil && commits > 0 {
		err = releve.Known(fmt.Sprintf("it holds %d commits that the other server never had", commits),
			"cause-commits", "commits", fmt.Sprint(commits))
	}
	return err
}

// LatestTimeline is the newest timeline of which this server's log has a file. After
// a crash it is ahead of the control file, which follows a checkpoint only.
func (c *Cluster) LatestTimeline() (releve.Timeline, error) {
	entries, err := os.ReadDir(c.path("data", "pg_wal"))
	if err != nil {
		return 0, fmt.Errorf("cannot read this server's log: %w", err)
	}
	latest := releve.Timeline(0)
	for _, e := range entries {
		var timeline uint32
		if segmentForm.MatchString(e.Name()) {
			if _, err := fmt.Sscanf(e.Name()[:8], "%08X", &timeline); err == nil {
				latest = max(latest, releve.Timeline(timeline))
			}
		}
	}
	return latest, nil
}

func (c *Cluster) countCommits(ctx context.Context, timeline releve.Timeline, fork releve.LSN) (commits int, err error) {
	first := segmentStart(fork - min(1, fork))
	if _, err := os.Stat(c.path("data", "pg_wal", segmentName(timeline, first))); err != nil {
		return 0, fmt.Errorf("it does not reach back that far: %w", err)
	}
	records := &lineWriter{each: func(line string) {
		if at, ok := commitAt(line); ok && at >= fork {
			commits++
		}
	}}
	err = c.runMoving(ctx, program{
		name: "pg_waldump",
		args: []string{
			"--path=" + c.path("data", "pg_wal"), fmt.Sprintf("--timeline=%d", timeline),
			"--start=" + first.String(), "--rmgr=Transaction",
		},
		out: records,
	}, unguarded)
	records.flush()
	return commits, wholeLog(err)
}

// wholeLog is nil when pg_waldump stopped where a log simply ends, as it always must.
func wholeLog(err error) error {
	var said *programError
	if !errors.As(err, &said) {
		return cmp.Or(err, errNoEnd)
	}
	if said.said("could not find file") {
		return nil // the log ends with its last file
	}
	end, notUnderstood := parseWALEnd(said.text())
	if notUnderstood != nil {
		return notUnderstood
	}
	if end.checksum {
		return fmt.Errorf("it is damaged: %w", err)
	}
	return nil
}

var commitRecord = regexp.MustCompile(`lsn: ([0-9A-F]+/[0-9A-F]+), .*desc: COMMIT`)

// commitAt reads a line of pg_waldump, prepared commits included.
func commitAt(line string) (releve.LSN, bool) {
	found := commitRecord.FindStringSubmatch(line)
	if found == nil {
		return 0, false
	}
	at, err := releve.ParseLSN(found[1])
	return at, err == nil
}
