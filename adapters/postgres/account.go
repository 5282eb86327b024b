package postgres

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/google/renameio/v2"
)

// account is the unix account of PostgreSQL's processes and files.
type account struct {
	name     string
	uid, gid int
	root     bool // we are root: processes change to it, files are given to it
}

func lookupAccount(name string) (account, error) {
	if os.Geteuid() != 0 {
		return account{uid: os.Geteuid(), gid: os.Getegid()}, nil
	}
	if name == "" {
		return account{}, errors.New("PostgreSQL refuses to run as root: " +
			"set [database] account to an account without rights, such as postgres")
	}
	u, err := user.Lookup(name)
	if err != nil {
		return account{}, fmt.Errorf("the account %q for PostgreSQL does not exist: "+
			"run `adduser --system --group %s`, or change [database] account", name, name)
	}
	uid, errUID := strconv.Atoi(u.Uid)
	gid, errGID := strconv.Atoi(u.Gid)
	if errUID != nil || errGID != nil || uid == 0 {
		return account{}, fmt.Errorf("PostgreSQL cannot run as the account %q (uid %s): choose one without rights", name, u.Uid)
	}
	return account{name: name, uid: uid, gid: gid, root: true}, nil
}

// process is how a child runs: under the account, in a group of its own, and sent
// death when we die, however we die.
func (a account) process(death syscall.Signal) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: death}
	if a.root {
		attr.Credential = &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)}
	}
	return attr
}

// mkdirOurs makes a directory that the account may pass through and not change.
func (a account) mkdirOurs(path string) error {
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if !a.root {
		return nil
	}
	return os.Chmod(path, 0o711)
}

// mkdir makes a directory of the account, closed to all others.
func (a account) mkdir(path string) error {
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := os.Chmod(path, 0o700); err != nil || !a.root {
		return err
	}
	return os.Lchown(path, a.uid, a.gid)
}

// writeFile replaces a file durably: whole and new, or as it was.
func (a account) writeFile(path string, content []byte, mode fs.FileMode) error {
	file, err := renameio.NewPendingFile(path, renameio.WithTempDir(filepath.Dir(path)), renameio.WithStaticPermissions(mode))
	if err != nil {
		return err
	}
	defer file.Cleanup() // nothing is left to clean after the replacement
	if a.root {
		if err := file.Chown(a.uid, a.gid); err != nil {
			return err
		}
	}
	if _, err := file.Write(content); err != nil {
		return err
	}
	if err := file.CloseAtomicallyReplace(); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// removeFile removes a file durably; one that is not there is no error.
func removeFile(path string) error {
	if err := os.Remove(path); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	return syncDir(filepath.Dir(path))
}

// rename moves within one directory, durably.
func rename(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return syncDir(filepath.Dir(to))
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

// syncTree makes a directory with all that is in it durable.
func syncTree(dir string) error {
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		return errors.Join(err, syncDir(path)) // a file is synced alike
	})
}

// blame names the parent directory that the account may not pass, "" when the
// modes show none.
func (a account) blame(path string) string {
	for dir := path; dir != "/"; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			continue
		}
		if !a.mayPass(info) {
			return dir
		}
	}
	return ""
}

func (a account) mayPass(info fs.FileInfo) bool {
	owner := info.Sys().(*syscall.Stat_t)
	switch {
	case int(owner.Uid) == a.uid:
		return info.Mode()&0o100 != 0
	case int(owner.Gid) == a.gid:
		return info.Mode()&0o010 != 0
	}
	return info.Mode()&0o001 != 0
}
