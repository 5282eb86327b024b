package postgres

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"releve"
)

// A copy at rest (SPEC B1): it receives nothing, and is made anew from time to time beside itself.

// beside is where data is made that is not the data yet, or was it a moment ago.
func (c *Cluster) beside() string { return c.path("data.new") }

// CloneBeside makes a copy of source's data, verified against its manifest and with a new id, beside
// the data that is there. There must be room for both.
func (c *Cluster) CloneBeside(ctx context.Context, source netip.AddrPort, newID releve.DataID, progress Progress) error {
	end, err := c.beginStopped(ctx)
	if err != nil {
		return err
	}
	defer end()
	_, err = c.cloneFresh(ctx, source, newID, progress)
	return err
}

// Exchange puts what was made beside the data in its place, and the data beside it, in one step
// (renameat2(2), RENAME_EXCHANGE): whenever the machine dies, one of them is in place, whole.
func (c *Cluster) Exchange() error {
	end, err := c.beginStopped(context.Background())
	if err != nil {
		return err
	}
	defer end()
	if err := unix.Renameat2(unix.AT_FDCWD, c.beside(), unix.AT_FDCWD, c.dataDir(), unix.RENAME_EXCHANGE); err != nil {
		return fmt.Errorf("cannot put the new copy in its place: %w", err)
	}
	return syncDir(c.opts.Dir)
}

// DropBeside removes data that is not in place.
func (c *Cluster) DropBeside() error {
	if err := os.RemoveAll(c.beside()); err != nil {
		return fmt.Errorf("cannot remove the copy that was replaced: %w", err)
	}
	return nil
}

// Replayed is how far a copy has come.
func (c *Cluster) Replayed(ctx context.Context) (releve.LSN, error) {
	p, err := c.Position(ctx)
	return p.Replay, err
}

// CopiedAt is as of when a copy at rest is, zero where nobody has written it. It is read from beside
// the data, PostgreSQL running or not.
func (c *Cluster) CopiedAt() (time.Time, error) {
	state, err := c.ownership()
	return state.Copied, err
}

// receivedQuery: a receiver that is there heard its source at least this lately.
const receivedQuery = `SELECT last_msg_receipt_time FROM pg_stat_wal_receiver WHERE status = 'streaming'`

// Rest ends what a copy receives, and remembers as of when it is: zero where nobody knows.
func (c *Cluster) Rest(ctx context.Context) (at time.Time, err error) {
	unknown := c.ask(ctx, askLimit, []any{&at}, receivedQuery)
	stopping, enough := context.WithTimeout(ctx, stopMost)
	defer enough()
	if err := c.Stop(stopping, true); err != nil {
		return time.Time{}, err
	}
	if unknown == nil {
		unknown = c.writeCopied(at)
	}
	if unknown != nil {
		c.log.Warn("as of when the copy is was not written: it counts as older", "err", unknown)
		at, _ = c.CopiedAt()
	}
	return at, c.Start(ctx, Isolated)
}
