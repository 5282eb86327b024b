package postgres

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"releve"
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
	for _, dir := range []string{"base", "pg_wal"} {
		if err := removeFile(c.path("data", dir, roomProbe)); err != nil {
			return err
		}
	}
	return nil
}

// setModes gives back what others took from PostgreSQL's account in its own directory, and
// closes the data to all others: a chmod -R does both. It comes before anything there is
// removed or written.
func (c *Cluster) setModes() error {
	m, err := c.newModes()
	if err != nil {
		return err
	}
	m.open(c.opts.Dir)
	for _, name := range []string{"run", "conf", "tls", "data", "data/pg_wal"} {
		m.openAll(place(c.path(name))) // the data or its log may be linked elsewhere
	}
	for _, name := range []string{"probe", "data.unusable", damageFile} {
		m.open(c.path(name))
	}
	m.closeToOthers(c.dataDir())
	if len(m.was) > 0 {
		c.log.Warn("PostgreSQL's directory was open to others, or closed to its own account: the modes are put right",
			"directory", c.opts.Dir, "first", m.was[0].path, "mode", fmt.Sprintf("%04o", m.was[0].mode), "files", len(m.was))
	}
	return m.err
}

// openToLook opens what tells whose the data is. It returns the way back.
func (c *Cluster) openToLook() (back func(), err error) {
	m, err := c.newModes()
	if err != nil {
		return nil, err
	}
	for _, path := range []string{c.opts.Dir, c.dataDir(), c.path("data.unusable"), c.path("data", identityFile)} {
		m.open(path)
	}
	return m.undo, m.err
}

// modes changes those of what PostgreSQL's account owns, or we do: examineOwner says what is
// another's.
type modes struct {
	who account
	was []setMode
	err error
}

type setMode struct {
	path string
	mode fs.FileMode
}

func (c *Cluster) newModes() (*modes, error) {
	who, err := c.account()
	return &modes{who: who}, err
}

// open gives the owner what PostgreSQL gives him, and nobody else anything.
func (m *modes) open(path string) {
	m.set(path, func(mode fs.FileMode, dir bool) fs.FileMode {
		if dir {
			return mode | 0o700
		}
		return mode | 0o600
	})
}

// openAll opens a directory with all that is in it, each before it is read. What is not
// there is said elsewhere.
func (m *modes) openAll(dir string) {
	_ = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && (e.IsDir() || e.Type().IsRegular()) {
			m.open(path)
		}
		return nil
	})
}

// closeToOthers: PostgreSQL refuses data that is open.
func (m *modes) closeToOthers(dir string) {
	m.set(dir, func(mode fs.FileMode, _ bool) fs.FileMode {
		if asPrivate(mode) {
			return mode
		}
		return 0o700
	})
}

func (m *modes) set(path string, right func(mode fs.FileMode, dir bool) fs.FileMode) {
	info, err := os.Stat(path)
	if err != nil {
		return
	}
	if owner := int(info.Sys().(*syscall.Stat_t).Uid); owner != m.who.uid && owner != os.Geteuid() {
		return
	}
	mode := info.Mode().Perm()
	if want := right(mode, info.IsDir()); want != mode {
		m.was = append(m.was, setMode{path, mode})
		m.err = errors.Join(m.err, os.Chmod(path, want))
	}
}

// undo goes backwards: what is in a directory before the directory.
func (m *modes) undo() {
	for _, s := range slices.Backward(m.was) {
		_ = os.Chmod(s.path, s.mode)
	}
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
			fault := &releve.Fault{
				Cause: ErrOtherOwner,
				Why: releve.Say("database-other-owner", "file", path,
					"owner", accountName(owner), "account", accountName(who.uid)),
			}
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

// dataMajor is the major version that the data is of. Without it PostgreSQL starts for nothing.
func (c *Cluster) dataMajor() (int, error) {
	file := c.path("data", "PG_VERSION")
	raw, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return 0, c.fault(ErrFilesGone, "database-files-gone", "file", file)
	}
	if err != nil {
		return 0, err
	}
	said := strings.TrimSpace(string(raw[:min(len(raw), versionLimit)]))
	major, err := strconv.Atoi(said)
	if err != nil || major <= 0 {
		return 0, c.fault(ErrDamaged, "database-damaged", "said", fmt.Sprintf("PG_VERSION: %q", said))
	}
	return major, nil
}

// versionLimit is more than PG_VERSION ever has, and what is shown of one that is not right.
const versionLimit = 32

// installation is the programs in use.
func (c *Cluster) installation() Installation {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.found
}

// Major is the major version of the programs in use, 0 where none was found.
func (c *Cluster) Major() int { return c.installation().Version.Major }

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
	major, err := c.dataMajor()
	if err != nil {
		return err
	}
	if in := c.installation(); in.Bin != "" && in.Version.Major == major {
		return nil
	}
	_, err = c.look(major)
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
	if state.Unusable == "" { // else it is replaced whole
		if err := c.matchPrograms(); err != nil {
			return err
		}
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
			return &releve.Fault{
				Cause: ErrClosedPath,
				Why:   releve.Say("database-closed-path", "path", closed, "account", who.name),
			}
		}
		return nil
	}
	return nil
}
