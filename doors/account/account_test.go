package account

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"releve"
	"strings"
	"syscall"
	"testing"
)

// nobody is an account that each system has, and other one that has no part in anything.
const (
	nobody = "nobody"
	other  = 54321
)

// TestMain runs the tests as root, and is the program that gives root up.
func TestMain(m *testing.M) {
	if dir := os.Getenv(steppingDown); dir != "" {
		os.Exit(stepDown(dir))
	}
	if os.Geteuid() == 0 {
		os.Exit(m.Run())
	}
	again := exec.Command("sudo", append([]string{"-n", "-E"}, os.Args...)...)
	again.Stdout, again.Stderr = os.Stdout, os.Stderr
	if err := again.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "these tests need root, or sudo without a password:", err)
		os.Exit(1)
	}
}

func find(t *testing.T) Account {
	t.Helper()
	a, err := Find("/", nobody)
	must(t, err)
	return a
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// open is a directory that every account may pass to.
func open(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "account-")
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	must(t, os.Chmod(dir, 0o755))
	return dir
}

// lay writes files of root's below a directory; a name that ends with a slash is a directory.
func lay(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		path := filepath.Join(dir, name)
		if strings.HasSuffix(name, "/") {
			must(t, os.MkdirAll(path, 0o700))
			continue
		}
		must(t, os.MkdirAll(filepath.Dir(path), 0o700))
		must(t, os.WriteFile(path, []byte(name), 0o600))
	}
}

func owner(t *testing.T, path string) int {
	t.Helper()
	info, err := os.Lstat(path)
	must(t, err)
	return int(info.Sys().(*syscall.Stat_t).Uid)
}

// isFault checks that an error is of a kind and names what to do it with.
func isFault(t *testing.T, err, kind error, naming string) {
	t.Helper()
	fault := (*releve.Fault)(nil)
	if !errors.Is(err, kind) || !errors.As(err, &fault) || !strings.Contains(err.Error(), naming) {
		t.Errorf("%v, want %v naming %q", err, kind, naming)
	}
}

func TestTheAccountIsTheDirectorysOwnElseTheFirstThatExists(t *testing.T) {
	who, dir := find(t), open(t)
	if who.UID == 0 || who.Name != nobody {
		t.Fatalf("%+v", who)
	}
	for _, names := range [][]string{{"of-no-such-name", nobody}, {"root", nobody}} {
		if a, err := Find(dir, names...); err != nil || a != who {
			t.Errorf("%v: %+v, %v", names, a, err)
		}
	}
	_, err := Find(dir, "of-no-such-name", "root")
	isFault(t, err, ErrNone, "of-no-such-name")
	must(t, os.Chown(dir, who.UID, who.GID))
	if a, err := Find(dir, "daemon"); err != nil || a != who {
		t.Errorf("the owner of the directory is %s, and %+v was found (%v)", nobody, a, err)
	}
	must(t, os.Chown(dir, other, other)) // of whom nothing is known
	if a, err := Find(dir, nobody); err != nil || a != who {
		t.Errorf("%+v, %v", a, err)
	}
}

// What root wrote becomes the account's, and nothing that the account could have put there
// in place of it does.
func TestWhatRootHasWrittenIsGivenAndNothingElse(t *testing.T) {
	who, dir, secret := find(t), open(t), filepath.Join(open(t), "shadow")
	lay(t, filepath.Dir(secret), "shadow", "etc/passwd")
	lay(t, dir, "journal/journal", "spool/facts", "data/base/1", "data.aside/2", "notes", "lost+found/", "spool/of-another")
	must(t, os.Symlink(secret, filepath.Join(dir, "journal", "link")))
	must(t, os.Symlink(filepath.Join(filepath.Dir(secret), "etc"), filepath.Join(dir, "spool", "directory")))
	must(t, os.Symlink("../notes", filepath.Join(dir, "journal", "near")))
	must(t, os.Link(secret, filepath.Join(dir, "journal", "second-name")))
	must(t, os.Chown(filepath.Join(dir, "spool/of-another"), other, other))
	must(t, os.Chown(dir, who.UID, who.GID))
	keep := Keep{Entries: []string{"journal", "spool", "data", "data.*"}, Closed: []string{"data", "data.*"}}
	must(t, who.Give(dir, keep))
	for name, want := range map[string]int{
		".": who.UID, "journal": who.UID, "journal/journal": who.UID, "spool/facts": who.UID,
		"data": who.UID, "data/base/1": 0, "data.aside/2": 0, "notes": 0, "lost+found": 0, "spool/of-another": other,
		"journal/link": 0, "journal/near": 0, "spool/directory": 0, "journal/second-name": 0,
	} {
		if got := owner(t, filepath.Join(dir, name)); got != want {
			t.Errorf("%s belongs to %d, want %d", name, got, want)
		}
	}
	for _, file := range []string{"shadow", "etc", "etc/passwd"} {
		if got := owner(t, filepath.Join(filepath.Dir(secret), file)); got != 0 {
			t.Errorf("%s, which is elsewhere, was given to %d", file, got)
		}
	}
}

func TestADirectoryOfTheSystemIsNotGiven(t *testing.T) {
	who, dir := find(t), open(t)
	lay(t, dir, "journal/journal", "passwd")
	keep := Keep{Entries: []string{"journal"}}
	isFault(t, who.Give(dir, keep), ErrForeign, "passwd")
	for _, name := range []string{".", "journal", "journal/journal", "passwd"} {
		if got := owner(t, filepath.Join(dir, name)); got != 0 {
			t.Errorf("%s was given to %d", name, got)
		}
	}
	must(t, os.Remove(filepath.Join(dir, "passwd")))
	must(t, os.Mkdir(filepath.Join(dir, "lost+found"), 0o700)) // of a disk of its own
	must(t, who.Give(dir, keep))
	if got := owner(t, dir); got != who.UID {
		t.Errorf("a directory of the program's own belongs to %d", got)
	}
	fresh := filepath.Join(dir, "new", "data")
	must(t, who.Give(fresh, keep))
	if got := owner(t, fresh); got != who.UID {
		t.Errorf("a new directory belongs to %d", got)
	}
}

func TestKeysBecomeReadableAndTheirDirectoryStaysRoots(t *testing.T) {
	who, dir := find(t), open(t)
	lay(t, dir, "tls/main.key", "tls/ca.key", "tls/ca.pem", "tls/main.pem", "data/")
	tls := filepath.Join(dir, "tls")
	must(t, os.Chown(filepath.Join(tls, "ca.pem"), other, other)) // another program's of the same machine
	files := Files{
		Secret: []string{filepath.Join(tls, "main.key")},
		Public: []string{filepath.Join(tls, "ca.pem"), filepath.Join(tls, "main.pem"), filepath.Join(tls, "absent.pem")},
	}
	must(t, who.Reach(filepath.Join(dir, "data"), files))
	for name, want := range map[string]struct {
		owner int
		mode  os.FileMode
	}{
		"tls": {0, 0o711}, "tls/main.key": {who.UID, 0o600}, "tls/ca.key": {0, 0o600}, "tls/ca.pem": {other, 0o644}, "tls/main.pem": {0, 0o644},
	} {
		info, err := os.Stat(filepath.Join(dir, name))
		must(t, err)
		if got := owner(t, filepath.Join(dir, name)); got != want.owner || info.Mode().Perm() != want.mode {
			t.Errorf("%s belongs to %d with %v, want %v", name, got, info.Mode(), want)
		}
	}
	asWho := exec.Command("cat", filepath.Join(tls, "main.key"), filepath.Join(tls, "ca.pem"), filepath.Join(tls, "main.pem"))
	asWho.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(who.UID), Gid: uint32(who.GID)}}
	if out, err := asWho.CombinedOutput(); err != nil {
		t.Errorf("the account cannot read them: %v %s", err, out)
	}
}

func TestWhatTheAccountMayNotReachIsNamed(t *testing.T) {
	who := find(t)
	t.Run("a directory above", func(t *testing.T) {
		dir := open(t)
		lay(t, dir, "home/site/tls/main.key", "home/site/data/")
		must(t, os.Chmod(filepath.Join(dir, "home", "site"), 0o755))
		isFault(t, who.Reach(filepath.Join(dir, "home/site/data"), Files{}), ErrClosed, filepath.Join(dir, "home"))
		isFault(t, who.Reach(dir, Files{Secret: []string{filepath.Join(dir, "home/site/tls/main.key")}}), ErrClosed, filepath.Join(dir, "home"))
		if info, err := os.Stat(filepath.Join(dir, "home")); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("somebody's home was opened: %v, %v", info.Mode(), err)
		}
	})
	t.Run("the end of a link", func(t *testing.T) {
		dir := open(t)
		lay(t, dir, "home/data/")
		must(t, os.Symlink(filepath.Join(dir, "home", "data"), filepath.Join(dir, "data")))
		isFault(t, who.Reach(filepath.Join(dir, "data"), Files{}), ErrClosed, filepath.Join(dir, "home"))
	})
	t.Run("a key of another account", func(t *testing.T) {
		dir := open(t)
		lay(t, dir, "main.key")
		must(t, os.Chown(filepath.Join(dir, "main.key"), other, other))
		isFault(t, who.Reach(dir, Files{Secret: []string{filepath.Join(dir, "main.key")}}), ErrClosed, "main.key")
	})
	t.Run("a certificate behind a link", func(t *testing.T) {
		dir := open(t)
		lay(t, dir, "shadow")
		must(t, os.Symlink("shadow", filepath.Join(dir, "ca.pem")))
		isFault(t, who.Reach(dir, Files{Public: []string{filepath.Join(dir, "ca.pem")}}), ErrClosed, "ca.pem")
		if info, err := os.Stat(filepath.Join(dir, "shadow")); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("what a link leads to was opened: %v, %v", info.Mode(), err)
		}
	})
	t.Run("a key behind a link", func(t *testing.T) {
		dir := open(t)
		lay(t, dir, "shadow")
		must(t, os.Symlink("shadow", filepath.Join(dir, "main.key")))
		isFault(t, who.Reach(dir, Files{Secret: []string{filepath.Join(dir, "main.key")}}), ErrClosed, "main.key")
		if got := owner(t, filepath.Join(dir, "shadow")); got != 0 {
			t.Errorf("what a link leads to was given to %d", got)
		}
	})
}

// listening is a port of root's that nothing else takes.
func listening() (net.Listener, error) { return net.Listen("tcp", "127.66.0.1:81") }
