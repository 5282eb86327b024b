package postgres

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"releve"
	"strconv"
	"strings"
	"syscall"
)

// What years do to a data directory: a backup job opens it, a restore gives it to root, an
// upgrade takes its programs away. What can be put right before a start is, and for the rest
// there is a sentence in the place of PostgreSQL's own refusal, once, not once a second.

// ErrOtherOwner says that PostgreSQL's account does not own the data.
var ErrOtherOwner = releve.Known("the data belongs to another account", "cause-other-account")

// tend puts right what would keep PostgreSQL from starting on data that is whole.
func (c *Cluster) tend() error {
	if err := c.examineOwner(); err != nil {
		return err
	}
	info, err := os.Stat(c.dataDir())
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if mode := info.Mode().Perm(); !asPrivate(mode) {
		c.log.Warn("the data directory was open to others, or closed to its owner: PostgreSQL refuses that", "directory", c.dataDir(), "mode", fmt.Sprintf("%04o", mode))
		if err := os.Chmod(c.dataDir(), 0o700); err != nil {
			return err
		}
	}
	for _, dir := range []string{"base", "pg_wal"} {
		if err := removeFile(c.path("data", dir, roomProbe)); err != nil {
			return err
		}
	}
	return nil
}

// asPrivate: what PostgreSQL accepts of its data directory (manual §19.2).
func asPrivate(mode os.FileMode) bool { return mode == 0o700 || mode == 0o750 }

// examineOwner looks at the directory and at what PostgreSQL reads first: a copy that root
// brought back may be the account's only at the top.
func (c *Cluster) examineOwner() error {
	who, err := c.account()
	if err != nil {
		return err
	}
	for _, name := range []string{".", "PG_VERSION", "global", "global/pg_control", "base", "pg_wal"} {
		path := c.path("data", name)
		info, err := os.Stat(path)
		if errors.Is(err, os.ErrNotExist) {
			continue // Health says what is gone
		}
		if err != nil {
			return err
		}
		if owner := int(info.Sys().(*syscall.Stat_t).Uid); owner != who.uid {
			fault := &releve.Fault{Cause: ErrOtherOwner, Why: releve.Say("database-other-owner", "file", path, "owner", accountName(owner), "account", accountName(who.uid))}
			return fault.With("directory", c.dataDir())
		}
	}
	return nil
}

func accountName(uid int) string {
	if found, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return found.Username
	}
	return strconv.Itoa(uid)
}

// dataMajor is the major version that the data is of, 0 when there is none to tell.
func (c *Cluster) dataMajor() int {
	raw, err := os.ReadFile(c.path("data", "PG_VERSION"))
	major, wrong := strconv.Atoi(strings.TrimSpace(string(raw)))
	if err != nil || wrong != nil {
		return 0
	}
	return major
}

// installation is the programs in use.
func (c *Cluster) installation() Installation {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.found
}

// programs is installation, looked for again while there is none.
func (c *Cluster) programs() (Installation, error) {
	if in := c.installation(); in.Bin != "" {
		return in, nil
	}
	return c.look(0)
}

// matchPrograms makes the programs in use those of the data's major version. They may have
// been installed since we last looked.
func (c *Cluster) matchPrograms() error {
	major := c.dataMajor()
	if in := c.installation(); in.Bin != "" && (major == 0 || in.Version.Major == major) {
		return nil
	}
	_, err := c.look(major)
	return err
}

func (c *Cluster) look(major int) (Installation, error) {
	found, err := FindFor(c.opts.Hint, major)
	if err != nil && !errors.Is(err, ErrOldMinor) {
		return Installation{}, c.inData(err)
	}
	c.log.Info("PostgreSQL's programs", "directory", found.Bin, "version", found.Version)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.found = found
	return found, nil
}

// inData names the directory of the data that a fault is about.
func (c *Cluster) inData(err error) error {
	if fault, ok := errors.AsType[*releve.Fault](err); ok {
		return fault.With("directory", c.dataDir())
	}
	return err
}

// Examine finds what would keep this data from being served, without changing anything: for
// who asks before it is to be started.
func (c *Cluster) Examine() error {
	if err := c.examinePath(); err != nil {
		return err
	}
	state, err := c.ownership()
	if err != nil || state.Presence == Absent {
		return err
	}
	if state.Presence == Foreign {
		return state.Foreign
	}
	if err := c.matchPrograms(); err != nil {
		return err
	}
	return c.examineOwner()
}

// ErrClosedPath says that PostgreSQL's account cannot reach its directory.
var ErrClosedPath = releve.Known("PostgreSQL's account may not pass through a directory above its own", "cause-closed-path")

func (c *Cluster) examinePath() error {
	who, err := c.account()
	if err != nil {
		return err
	}
	for dir := filepath.Dir(c.opts.Dir); who.root; dir = filepath.Dir(dir) { // the last one is made for it
		if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
			continue
		}
		if closed := who.blame(dir); closed != "" {
			return &releve.Fault{Cause: ErrClosedPath, Why: releve.Say("database-closed-path", "path", closed, "account", who.name)}
		}
		return nil
	}
	return nil
}
