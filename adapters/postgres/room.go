package postgres

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"releve"
	"syscall"
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

// Disk is a file system that this server lives on, with the room that is left to an account
// without rights, in bytes.
type Disk struct {
	Directory   string
	Free, Total int64
}

// lowFrom is how many times what is never given away there must be, for nobody to have to
// hear of a disk.
const lowFrom = 2

// Low says that somebody should make room while everything still works.
func (d Disk) Low() bool { return d.Free < lowFrom*d.disk().spare() }

// Roomy says that there is clearly enough again.
func (d Disk) Roomy() bool { return d.Free >= (lowFrom+1)*d.disk().spare() }

func (d Disk) disk() disk { return disk{free: d.Free, total: d.Total} }

// disks are those of the directories that exist, each once: journal, spool and diary stand
// beside PostgreSQL's own, and its data or its log may be linked elsewhere.
func (c *Cluster) disks() (found []Disk, err error) {
	seen := map[uint64]bool{}
	for _, dir := range []string{filepath.Dir(c.opts.Dir), c.opts.Dir, c.dataDir(), c.logDir()} {
		info, err := os.Stat(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		device := uint64(info.Sys().(*syscall.Stat_t).Dev)
		if seen[device] {
			continue
		}
		seen[device] = true
		d, err := diskOf(dir)
		if err != nil {
			return nil, err
		}
		found = append(found, Disk{Directory: place(dir), Free: d.free, Total: d.total})
	}
	return found, nil
}

// place is where a directory is, wherever it is linked to.
func place(dir string) string {
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		return real
	}
	return dir
}

// roomFor refuses what would leave the rest of this server without room, in numbers.
func (c *Cluster) roomFor(bytes int64) error { return roomUnder(c.opts.Dir, bytes) }

func roomUnder(dir string, bytes int64) error {
	d, err := diskOf(dir)
	if err != nil {
		return err
	}
	if needed := bytes + d.spare(); d.free < needed {
		return withoutRoom(dir, d.free, needed)
	}
	return nil
}

func withoutRoom(dir string, free, needed int64) error {
	return &releve.Fault{
		Cause: releve.ErrNoRoom,
		Why:   releve.Say("restore-no-room", "directory", dir, "free", fmt.Sprint(free), "needed", fmt.Sprint(needed)),
	}
}

// roomLeft ends a copy under way before it takes the last of the disk: its source may have
// grown, or others may have written.
func (c *Cluster) roomLeft() error { return roomLeftUnder(c.opts.Dir) }

func roomLeftUnder(dir string) error {
	d, err := diskOf(dir)
	if least := d.spare() / 2; err == nil && d.free < least {
		return withoutRoom(dir, d.free, least)
	}
	return nil
}
