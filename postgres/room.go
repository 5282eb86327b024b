package postgres

import (
	"fmt"
	"syscall"

	"releve/view"
)

// copyLog is what a copy needs beside the tables: the log of the time that copying takes.
const copyLog = 4 * segmentSize

// disk is a file system as an account without rights finds it.
type disk struct{ free, total int64 }

func diskOf(path string) (disk, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(path, &s); err != nil {
		return disk{}, fmt.Errorf("cannot look for room under %s: %w", path, err)
	}
	return disk{free: int64(s.Bavail) * s.Bsize, total: int64(s.Blocks) * s.Bsize}, nil
}

// spare is what is never given to a copy or to kept log: journal, spool and diary stand on
// the same disk, and calls go on being recorded there.
func (d disk) spare() int64 { return min(max(d.total/20, 2*segmentSize), 1<<30) }

// roomFor refuses what would leave the rest of this server without room, in numbers.
func (c *Cluster) roomFor(bytes int64) error {
	d, err := diskOf(c.opts.Dir)
	if err != nil {
		return err
	}
	if needed := bytes + d.spare(); d.free < needed {
		return c.withoutRoom(d.free, needed)
	}
	return nil
}

func (c *Cluster) withoutRoom(free, needed int64) error {
	return &view.Fault{Cause: ErrNoRoom, Why: view.Say("restore-no-room", "directory", c.opts.Dir, "free", fmt.Sprint(free), "needed", fmt.Sprint(needed))}
}

// roomLeft ends a copy under way before it takes the last of the disk: its source may have
// grown, or others may have written.
func (c *Cluster) roomLeft() error {
	d, err := diskOf(c.opts.Dir)
	if least := d.spare() / 2; err == nil && d.free < least {
		return c.withoutRoom(d.free, least)
	}
	return nil
}
