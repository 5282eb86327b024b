package postgres

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"releve"
)

// What Restore fails with. What was there is untouched then.
var (
	ErrUnsound = releve.Known("the mirror's copy has damaged pages", "cause-unsound")
	ErrOnlyOne = releve.Known("the data that would be removed may be the only one to hold some rows", "cause-only-one")
)

// Replaced says what becomes of the data that a restore replaces.
type Replaced string

// What can become of it. Removed is for a disk without room for both, and only where
// the log proves that the mirror has every commit.
const (
	SetAside Replaced = "set-aside"
	Removed  Replaced = "removed"
)

// RestoreBeside is Restore that keeps the old data whole.
func (c *Cluster) RestoreBeside(
	ctx context.Context, source netip.AddrPort, newID releve.DataID, progress Progress,
) (aside string, err error) {
	return c.Restore(ctx, source, newID, SetAside, progress)
}

// RestoreOver is Restore that removes the old data.
func (c *Cluster) RestoreOver(ctx context.Context, source netip.AddrPort, newID releve.DataID, progress Progress) error {
	_, err := c.Restore(ctx, source, newID, Removed, progress)
	return err
}

// Restore replaces lost or damaged data by a copy of the mirror's at source, which goes on
// following and is not changed (SPEC M5). PostgreSQL is stopped here. aside is where the old
// data is now, "" when there is none. The copy has all that the mirror had replayed; Start
// it as CatchUp, then CatchUpWith brings the rest, and it can be promoted.
//
// Every page of the mirror is verified on its way, and the copy against its manifest.
func (c *Cluster) Restore(
	ctx context.Context, source netip.AddrPort, newID releve.DataID, old Replaced, progress Progress,
) (aside string, err error) {
	end, err := c.begin(ctx)
	if err != nil {
		return "", err
	}
	defer end()
	o, err := c.readyToRestore(ctx, source)
	if err != nil {
		return "", err
	}
	spare := c.holdsNothingMore(ctx, o)
	if err := c.makeRoom(ctx, source, o, old, spare); err != nil {
		return "", err
	}
	fresh, err := c.freshDir()
	if err != nil {
		return "", err
	}
	if err := c.copyMirror(ctx, source, fresh, progress); err != nil {
		return "", err
	}
	if err := c.writeCopyIdentity(fresh, newID); err != nil {
		return "", err
	}
	reason := "restored from the mirror at " + source.String()
	if spare == nil {
		reason = replacedBy + "the mirror at " + source.String()
	}
	if aside, err = c.setAside(reason); err != nil {
		return "", err
	}
	return aside, c.swapIn(fresh)
}

// readyToRestore refuses whatever could do harm, before anything is touched.
func (c *Cluster) readyToRestore(ctx context.Context, source netip.AddrPort) (origin, error) {
	if p := c.postmaster(); p != nil && p.running() {
		return origin{}, fmt.Errorf("PostgreSQL is running (process %d): stop it first", p.cmd.Process.Pid)
	}
	state, err := c.ownership()
	if err != nil {
		return origin{}, err
	}
	// Without a control file nobody can start it: what is left of our own data when the
	// file that names its site was deleted as well. It is set aside whole.
	if _, err := os.Stat(c.path("data", "global", "pg_control")); state.Presence == Foreign && err == nil {
		return origin{}, state.Foreign
	}
	if err := c.waitQuiet(ctx); err != nil {
		return origin{}, err
	}
	if _, err := c.prepare(); err != nil {
		return origin{}, err
	}
	return c.inspectMirror(ctx, source)
}

// inspectMirror accepts only a copy of the very data that is to be replaced, as far as
// that still shows.
func (c *Cluster) inspectMirror(ctx context.Context, source netip.AddrPort) (origin, error) {
	o, err := c.inspect(ctx, source)
	if err != nil {
		return origin{}, err
	}
	if !o.inRecovery {
		return origin{}, fmt.Errorf("the PostgreSQL at %s is not a mirror but writable: "+
			"it has left this server's history, use `releve return`", source)
	}
	if control, err := c.Control(); err == nil && control.SystemID != o.systemID {
		return origin{}, fmt.Errorf("%w (ours %s, theirs %s)", ErrOtherCluster, control.SystemID, o.systemID)
	}
	return o, nil
}

// holdsNothingMore is nil when this server's log proves that the mirror has every commit.
func (c *Cluster) holdsNothingMore(ctx context.Context, o origin) error {
	state, err := c.ownership()
	if err != nil || state.Presence == Absent {
		return err
	}
	timeline, err := c.LatestTimeline()
	if err != nil {
		return err
	}
	if timeline != o.timeline {
		return releve.Known(fmt.Sprintf("it is on timeline %d, the mirror on %d", timeline, o.timeline),
			"cause-other-timeline", "own", fmt.Sprint(timeline), "theirs", fmt.Sprint(o.timeline))
	}
	commits, err := c.countCommits(ctx, timeline, o.received)
	if err == nil && commits > 0 {
		err = releve.Known(fmt.Sprintf("%d commits never reached the mirror", commits),
			"cause-commits", "commits", fmt.Sprint(commits))
	}
	return err
}

// headroom is what a copy needs beside the tables: configuration, WAL of the time that
// copying takes, and the next files of it.
const headroom = 8 * segmentSize

// makeRoom removes the old data where that was asked for, and may be.
func (c *Cluster) makeRoom(ctx context.Context, source netip.AddrPort, o origin, old Replaced, spare error) error {
	if old == SetAside {
		return c.roomFor(o.bytes + headroom)
	}
	if spare != nil {
		return &releve.Fault{
			Cause: fmt.Errorf("%w: %w", ErrOnlyOne, spare),
			Why:   releve.Say("restore-only-one", "directory", c.dataDir(), "cause", releve.Reason(spare)),
		}
	}
	if bad, err := c.checkPages(ctx, c.cloneInfo(source), nil); err != nil || len(bad) > 0 {
		return errors.Join(err, unsound(source, bad))
	}
	if err := c.markUnusable("", "a restore did not end"); err != nil {
		return err
	}
	return os.RemoveAll(c.dataDir())
}

func unsound(source netip.AddrPort, bad []releve.BadPage) error {
	if len(bad) == 0 {
		return nil
	}
	return &releve.Fault{
		Cause: fmt.Errorf("%w: %v", ErrUnsound, bad),
		Why: releve.Say("restore-unsound", "address", source.String(),
			"pages", fmt.Sprint(len(bad)), "file", bad[0].File, "page", fmt.Sprint(bad[0].Page)),
	}
}

// copyMirror is copyFrom that tells a mirror with damaged pages from a copy that failed.
func (c *Cluster) copyMirror(ctx context.Context, source netip.AddrPort, dir string, progress Progress) error {
	var bad []releve.BadPage
	report := linesOf(progress)
	err := c.copyFrom(ctx, source, dir, func(line string) {
		if page, ok := parseBadPage(line); ok {
			bad = append(bad, page)
		}
		report(line)
	})
	if len(bad) > 0 {
		return unsound(source, bad)
	}
	if err != nil {
		return fmt.Errorf("cannot copy the mirror's data: %w", err)
	}
	return nil
}

// CatchUpWith waits until a copy that runs has received all that the mirror at source had
// received when it was asked, replayed there or not. Nobody writes meanwhile.
func (c *Cluster) CatchUpWith(ctx context.Context, source netip.AddrPort) error {
	o, err := c.inspectMirror(ctx, source)
	if err != nil {
		return err
	}
	return c.reach(ctx, o.received, func(p Position) releve.LSN { return p.Flush })
}

// CatchUpWithOwner waits until a copy has replayed all that the server on duty at source has flushed
// now. It may take as long as it advances.
func (c *Cluster) CatchUpWithOwner(ctx context.Context, source netip.AddrPort) error {
	o, err := c.inspectOrigin(ctx, source)
	if err != nil {
		return err
	}
	return c.reach(ctx, o.received, func(p Position) releve.LSN { return min(p.Flush, p.Replay) })
}

// reach waits until what has is there.
func (c *Cluster) reach(ctx context.Context, there releve.LSN, has func(Position) releve.LSN) error {
	s := stall{limit: c.stallLimit()}
	for {
		p, err := c.Position(ctx)
		if err != nil {
			return err
		}
		if has(p) >= there {
			return nil
		}
		if err := s.at(time.Now(), p.Write.String()+" "+p.Replay.String()); err != nil {
			return notThere(has(p), there, err)
		}
		if err := pause(ctx, replayLook); err != nil {
			return notThere(has(p), there, err)
		}
	}
}
