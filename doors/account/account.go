// Package account is the unix account that a program started by root goes on as: what it
// keeps is given to that account, and root is given up for good (credentials(7)).
//
// In this order, for a port of root's can be opened by root alone, and what lies in a
// directory of the account's must never be opened by root: whoever had become the account
// could have put a link there. [Account.Assume] gives the files and acts as the account,
// so that they are opened as it; [Rights.ForPort] is around the ports; [Rights.Drop] is
// the end of root.
package account

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path"
	"path/filepath"
	"releve"
	"slices"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// Account is an account without rights of its own. It is never root.
type Account struct {
	Name     string
	UID, GID int
}

// What keeps a program from going on without root. Each has a [*releve.Fault] that says
// what to do.
var (
	ErrNone    = errors.New("there is no account to go on as")
	ErrClosed  = errors.New("the account may not reach what it needs")
	ErrForeign = errors.New("the directory holds what is not the program's")
	ErrRights  = errors.New("this root has not the right to become another account")
)

// StaysRoot says, to whoever runs the program, why it goes on as root and what to do.
func StaysRoot(err error) releve.Sentence {
	if fault, ok := errors.AsType[*releve.Fault](err); ok {
		return fault.Why
	}
	return releve.Say("account-failed", "cause", releve.Reason(err))
}

// Find is the account that owns a directory; where root does, or nobody yet, the first of
// names that exists.
func Find(dir string, names ...string) (Account, error) {
	if a, ok := ownerOf(dir); ok {
		return a, nil
	}
	for _, name := range names {
		if u, err := user.Lookup(name); err == nil {
			if a, ok := of(u); ok {
				return a, nil
			}
		}
	}
	return Account{}, &releve.Fault{Cause: ErrNone, Why: releve.Say("account-none", "account", names[0])}
}

func ownerOf(dir string) (Account, bool) {
	info, err := os.Stat(dir)
	if err != nil {
		return Account{}, false
	}
	u, err := user.LookupId(strconv.Itoa(int(info.Sys().(*syscall.Stat_t).Uid)))
	if err != nil {
		return Account{}, false
	}
	return of(u)
}

func of(u *user.User) (Account, bool) {
	uid, errUID := strconv.Atoi(u.Uid)
	gid, errGID := strconv.Atoi(u.Gid)
	return Account{Name: u.Username, UID: uid, GID: gid}, errUID == nil && errGID == nil && uid != 0
}

// Blame names the directory on the way to a path that the account may not pass, "" when
// the modes show none. What does not exist is in nobody's way.
func (a Account) Blame(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err == nil && !a.may(info, 0o1) {
			return dir
		}
		if dir == filepath.Dir(dir) {
			return ""
		}
	}
}

// may: the right, a bit of "others", that the modes give the account.
func (a Account) may(info fs.FileInfo, right fs.FileMode) bool {
	owner := info.Sys().(*syscall.Stat_t)
	switch {
	case int(owner.Uid) == a.UID:
		right <<= 6
	case int(owner.Gid) == a.GID:
		right <<= 3
	}
	return info.Mode()&right != 0
}

func (a Account) mayRead(file string) bool {
	info, err := os.Stat(file)
	return err == nil && a.may(info, 0o4)
}

// Files are what a program reads while it runs, beside what it keeps.
type Files struct {
	Secret []string // keys, which become the account's
	Public []string // certificates, which everybody may read
}

func (f Files) all() []string { return slices.Concat(f.Secret, f.Public) }

// Reach makes sure that the account can pass to a directory and read files. What root alone
// may read there is given or opened; a directory further up that is closed stays so, and is
// named in the error.
func (a Account) Reach(dir string, files Files) error {
	if err := a.Examine(dir, files); err != nil {
		return err
	}
	for _, file := range files.all() {
		if err := a.openWay(filepath.Dir(file)); err != nil {
			return err
		}
		if _, err := os.Lstat(file); err != nil || a.mayRead(file) {
			continue // one that is not there is missed by who opens it
		}
		if err := a.let(file, slices.Contains(files.Public, file)); err != nil {
			return err
		}
	}
	return nil
}

// Examine finds what [Account.Reach] could not put right, and changes nothing.
func (a Account) Examine(dir string, files Files) error {
	closed := a.Blame(dir)
	for _, file := range files.all() {
		above := filepath.Dir(file)
		if closed == "" && a.wouldOpen(above) {
			closed = a.Blame(above)
		} else if closed == "" {
			closed = a.Blame(file)
		}
	}
	if closed != "" {
		return &releve.Fault{Cause: ErrClosed, Why: releve.Say("account-closed-path", "path", closed, "account", a.Name)}
	}
	for _, file := range files.all() {
		if held, err := os.Lstat(file); err == nil && !a.mayRead(file) && !(givable(held) || regular(held) && slices.Contains(files.Public, file)) {
			return &releve.Fault{Cause: ErrClosed, Why: releve.Say("account-closed-file", "path", file, "account", a.Name)}
		}
	}
	return nil
}

func regular(info fs.FileInfo) bool { return info.Mode().IsRegular() }

// wouldOpen: the directory of a key that is root's alone. It stays root's, for other keys
// lie there, and others may pass through, for each key is closed by itself.
func (a Account) wouldOpen(dir string) bool {
	info, err := os.Lstat(dir)
	return err == nil && info.IsDir() && !a.may(info, 0o1) && info.Sys().(*syscall.Stat_t).Uid == 0
}

func (a Account) openWay(dir string) error {
	if !a.wouldOpen(dir) {
		return nil
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	return os.Chmod(dir, info.Mode().Perm()|0o011)
}

// let gives a file, or opens it to everybody.
func (a Account) let(file string, public bool) error {
	root, err := os.OpenRoot(filepath.Dir(file))
	if err != nil {
		return err
	}
	defer root.Close()
	if !public {
		return a.give(root, filepath.Base(file))
	}
	held, err := root.OpenFile(filepath.Base(file), os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer held.Close()
	info, err := held.Stat()
	if err != nil {
		return err
	}
	return held.Chmod(info.Mode().Perm() | 0o044)
}

// Keep is what a program keeps in its directory, as patterns of [path.Match]: what is not
// among the entries is not its own.
type Keep struct {
	Entries []string
	Closed  []string // below them; what they hold is not given
}

// Give makes a directory, with what root has written below its entries, the account's. Of
// a directory that is root's and holds anything else nothing is given: it may be a
// directory of the system. Links are neither followed nor given, and what has a second
// name stays root's: the account could have made either to a file of root's.
func (a Account) Give(dir string, keep Keep) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return err
	}
	foreign := slices.IndexFunc(entries, func(e fs.DirEntry) bool { return !among(keep.Entries, e.Name()) && e.Name() != "lost+found" })
	if _, given := ownerOf(dir); foreign >= 0 && !given {
		return &releve.Fault{
			Cause: ErrForeign,
			Why:   releve.Say("account-foreign", "directory", dir, "entry", entries[foreign].Name(), "account", a.Name),
		}
	}
	for _, e := range entries {
		if among(keep.Entries, e.Name()) {
			if err := a.giveAll(root, e.Name(), keep.Closed); err != nil {
				return err
			}
		}
	}
	return a.give(root, ".")
}

func (a Account) giveAll(root *os.Root, top string, closed []string) error {
	return fs.WalkDir(root.FS(), top, func(name string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it went meanwhile
		}
		if err == nil {
			err = a.give(root, name)
		}
		if err == nil && entry.IsDir() && among(closed, name) {
			return fs.SkipDir
		}
		return err
	})
}

func among(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		found, err := path.Match(p, name)
		return err == nil && found
	})
}

// give looks at what it has in its hand: a name may stand for something else by then.
func (a Account) give(root *os.Root, name string) error {
	held, err := root.OpenFile(name, unix.O_PATH|unix.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer held.Close()
	info, err := held.Stat()
	if err != nil {
		return err
	}
	if !givable(info) {
		return nil
	}
	if err := unix.Fchownat(int(held.Fd()), "", a.UID, a.GID, unix.AT_EMPTY_PATH); err != nil {
		return fmt.Errorf("%s cannot be given to the account %s: %w", filepath.Join(root.Name(), name), a.Name, err)
	}
	return nil
}

// givable: root's, under this name alone, and no link.
func givable(info fs.FileInfo) bool {
	stat := info.Sys().(*syscall.Stat_t)
	return stat.Uid == 0 && info.Mode()&fs.ModeSymlink == 0 && (info.IsDir() || stat.Nlink == 1)
}
