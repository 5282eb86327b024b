package acceptance

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// disk is a file system for one server's data alone, so that it can fill up and stop
// answering without the machine's.
type disk struct {
	dir    string
	kind   string // "ext4" on a loop device; "tmpfs", which cannot be frozen
	why    error  // what kept it from being an ext4
	frozen bool
}

// diskSize has room for the copies that are set aside over many takeovers; nothing of
// it is taken before it is written to.
const diskSize = 16 << 30

// openDisk mounts a new file system at a directory, in this namespace only.
func openDisk(dir string) (*disk, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	d := &disk{dir: dir, kind: "ext4"}
	if d.why = d.mountLoop(); d.why == nil {
		return d, nil
	}
	d.kind = "tmpfs"
	return d, command("mount", "-t", "tmpfs", "-o", "size=4g", "releve", dir)
}

// memory is where a disk's image lies if there is room: what a machine's own disk does
// under the load of all tests is no nemesis that a seed has drawn.
const memory = "/dev/shm"

// memoryLeast is the room that is asked for there, in bytes: a disk's data and its copies.
const memoryLeast = 4 << 30

func imageDirectory(beside string) string {
	var free unix.Statfs_t
	if unix.Statfs(memory, &free) == nil && int64(free.Bavail)*free.Bsize >= memoryLeast {
		return memory
	}
	return filepath.Dir(beside)
}

func (d *disk) mountLoop() error {
	image, err := os.CreateTemp(imageDirectory(d.dir), "releve-disk-")
	if err != nil {
		return err
	}
	defer image.Close()
	defer os.Remove(image.Name()) // the mount keeps it, and with the mount it goes
	if err := image.Truncate(diskSize); err != nil {
		return err
	}
	if err := command("mkfs.ext4", "-q", "-m", "0", "-E", "nodiscard", image.Name()); err != nil {
		return err
	}
	if err := command("mount", "-o", "loop,noatime,discard", image.Name(), d.dir); err != nil {
		return err
	}
	return os.Remove(filepath.Join(d.dir, "lost+found")) // a data directory holds nothing of others
}

// command runs a program of the system.
func command(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, out)
	}
	return nil
}

// close gives the file system up, also while somebody still has it open.
func (d *disk) close() error {
	d.thaw()
	return unix.Unmount(d.dir, unix.MNT_DETACH)
}

func (d *disk) ballast() string { return filepath.Join(d.dir, "ballast") }

// fill takes all the room there is left.
func (d *disk) fill() error {
	file, err := os.OpenFile(d.ballast(), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	size := int64(0)
	for step := int64(1 << 30); step >= 4096; {
		switch err := unix.Fallocate(int(file.Fd()), 0, size, step); {
		case err == nil:
			size += step
		case errors.Is(err, unix.ENOSPC):
			step /= 2
		case errors.Is(err, unix.EINTR):
		default:
			return fmt.Errorf("the disk cannot be filled: %w", err)
		}
	}
	return nil
}

// free gives the room back.
func (d *disk) free() error { return os.Remove(d.ballast()) }

// Requests of ioctl_fifreeze(2).
const (
	fifreeze = 0xc0045877
	fithaw   = 0xc0045878
)

// freeze makes each write and fsync wait, as a controller that hangs does.
func (d *disk) freeze() error {
	if err := d.ioctl(fifreeze); err != nil {
		return fmt.Errorf("the disk cannot be frozen: %w", err)
	}
	d.frozen = true
	return nil
}

// thaw lets the writes go on.
func (d *disk) thaw() {
	if d.frozen && d.ioctl(fithaw) == nil {
		d.frozen = false
	}
}

func (d *disk) ioctl(request uint) error {
	dir, err := os.Open(d.dir)
	if err != nil {
		return err
	}
	defer dir.Close()
	return unix.IoctlSetInt(int(dir.Fd()), request, 0)
}
