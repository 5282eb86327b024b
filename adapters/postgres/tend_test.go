package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"releve"
)

// bystander is a living process of PostgreSQL's account that is no PostgreSQL.
func bystander(t *testing.T, c *Cluster) int {
	t.Helper()
	who, err := c.account()
	must(t, err)
	other := exec.Command("sleep", "600")
	other.SysProcAttr = who.process(9)
	started := make(chan error)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = onOneThread(func() error {
			err := other.Start()
			started <- err
			if err != nil {
				return err
			}
			return other.Wait()
		})
	}()
	must(t, <-started)
	t.Cleanup(func() { _ = other.Process.Kill(); <-ended })
	return other.Process.Pid
}

// What a crash or a power cut leaves behind keeps nobody from starting, whatever it holds.
func TestLocksThatWereLeftStopNobody(t *testing.T) {
	o := optionsFor(t, releve.Main, freeAddress(t), freeAddress(t))
	c := newCluster(t, o)
	createFromTemplate(t, c)
	must(t, os.WriteFile(c.path("conf.made"), nil, 0o600))
	_, err := c.prepare()
	must(t, err)
	other := strconv.Itoa(bystander(t, c))
	socket := c.opts.socket()
	for name, content := range map[string]string{
		"a living process of the account": other + "\n/somewhere\n1764000000\n",
		"its number alone":                other,
		"an empty file":                   "",
		"this very process":               strconv.Itoa(os.Getpid()) + "\n",
		"its parent":                      strconv.Itoa(os.Getppid()) + "\n",
		"nonsense":                        "\x00\x00\x00",
	} {
		t.Run(name, func(t *testing.T) {
			for _, lock := range []string{socket + ".lock", c.path("data", "postmaster.pid")} {
				must(t, os.WriteFile(lock, []byte(content), 0o600))
				must(t, os.Chown(lock, accountOf(t, c).uid, -1))
			}
			must(t, os.WriteFile(socket, nil, 0o600)) // what lies there need not be a socket
			must(t, c.Start(within(t), Primary))
			must(t, c.Stop(within(t), true))
		})
	}
}

func accountOf(t *testing.T, c *Cluster) account {
	t.Helper()
	who, err := c.account()
	must(t, err)
	return who
}

// Data set aside is started by the same way, in a directory of its own.
func TestALockThatWasLeftDoesNotKeepDataSetAsideFromBeingRead(t *testing.T) {
	c := alone(t)
	must(t, c.Stop(within(t), true))
	where, err := c.SetAside(within(t), "test")
	must(t, err)
	run := c.path("aside", "run")
	must(t, os.MkdirAll(run, 0o711))
	must(t, os.WriteFile(filepath.Join(run, ".s.PGSQL.5432.lock"), []byte(strconv.Itoa(bystander(t, c))+"\n"), 0o600))
	a, err := c.OpenAside(within(t), filepath.Base(where))
	must(t, err)
	a.Close()
}

func TestWhatOthersDidToTheDataDirectoryIsPutRight(t *testing.T) {
	c := newCluster(t, optionsFor(t, releve.Main, freeAddress(t), freeAddress(t)))
	createFromTemplate(t, c)
	for mode, want := range map[os.FileMode]os.FileMode{
		0o755: 0o700, 0o777: 0o700, 0o000: 0o700, 0o770: 0o700, 0o750: 0o750, 0o700: 0o700,
	} {
		must(t, os.Chmod(c.dataDir(), mode))
		must(t, c.Start(within(t), Primary))
		must(t, c.Stop(within(t), true))
		if info, err := os.Stat(c.dataDir()); err != nil || info.Mode().Perm() != want {
			t.Errorf("%04o became %v (%v), want %04o", mode, info.Mode(), err, want)
		}
	}
	_, err := c.prepare()
	must(t, err)
	must(t, os.Chmod(c.path("run"), 0o500))
	must(t, os.Chmod(c.path("conf"), 0o000))
	must(t, c.Start(within(t), Primary))
}

// accountEnv names a variable: the directory of the cluster that a program of PostgreSQL's own
// account looks at, starts and stops. Root, as whom tests may run, is closed out of nothing.
const accountEnv = "RELEVE_POSTGRES_TEST_ACCOUNT"

// beAccount is that program.
func beAccount(dir string) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	inst, err := Find(os.Getenv(testPrograms))
	if err == nil {
		var c *Cluster
		c, err = New(Options{Installation: inst, Dir: dir, Seat: releve.Main, SiteID: testSite})
		if err == nil {
			state, wrong := c.Whose()
			fmt.Print(state.Presence, " ")
			if err = wrong; err == nil {
				err = c.Start(ctx, Primary)
			}
			if err == nil {
				err = c.Stop(ctx, true)
			}
		}
	}
	fmt.Print(err)
}

// byAccount is what the program says of a cluster.
func byAccount(t *testing.T, c *Cluster) string {
	t.Helper()
	p := exec.CommandContext(within(t), "/proc/self/exe") // whose directory may be closed to the account
	p.Env, p.Dir = append(os.Environ(), accountEnv+"="+c.opts.Dir), "/"
	if who := accountOf(t, c); who.root {
		p.SysProcAttr = &syscall.SysProcAttr{Credential: who.process(0).Credential}
		if out, err := exec.Command("chown", "-R",
			fmt.Sprintf("%d:%d", who.uid, who.gid), c.opts.Dir).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	out, err := p.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

// A kill leaves files behind, which a closed directory does not let go.
func TestWhatIsClosedToItsOwnAccountIsOpened(t *testing.T) {
	c := newCluster(t, optionsFor(t, releve.Main, freeAddress(t), freeAddress(t)))
	createFromTemplate(t, c)
	if said := byAccount(t, c); said != "ours <nil>" {
		t.Fatalf("it says %q before anything was closed", said)
	}
	for _, closed := range []struct {
		path string
		mode os.FileMode
	}{
		{"data", 0o500}, {"data", 0o000}, {"data", 0o555}, {"data/pg_wal", 0o500},
		{"data/global/pg_control", 0o400}, {"data/base/1", 0o000},
		{"data/" + identityFile, 0o000}, {"run", 0o500}, {"run", 0o000},
		{"conf", 0o500}, {"conf", 0o000}, {".", 0o500}, {".", 0o000},
	} {
		for _, left := range []string{c.path("run", ".s.PGSQL.5432.lock"), c.path("data", "postmaster.pid")} {
			must(t, os.WriteFile(left, []byte("1\n"), 0o600))
		}
		path := c.path(closed.path)
		must(t, os.Chmod(path, closed.mode))
		if said := byAccount(t, c); said != "ours <nil>" {
			t.Errorf("%s with the mode %04o: it says %q", closed.path, closed.mode, said)
		}
		must(t, os.Chmod(path, 0o700))
	}
}

// What is not this site's is looked at, and left as it was.
func TestWhatIsClosedAndNotOursIsLeftClosed(t *testing.T) {
	c := newCluster(t, optionsFor(t, releve.Main, freeAddress(t), freeAddress(t)))
	createFromTemplate(t, c)
	must(t, os.WriteFile(c.path("data", identityFile), []byte(`{"format":1,"site":"elsewhere","data":"ABC"}`), 0o600))
	must(t, os.Chmod(c.path("data", identityFile), 0o000))
	must(t, os.Chmod(c.dataDir(), 0o000))
	if said := byAccount(t, c); !strings.HasPrefix(said, "foreign ") || !strings.Contains(said, "elsewhere") {
		t.Errorf("it says %q", said)
	}
	for _, path := range []string{c.dataDir(), c.path("data", identityFile)} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0 {
			t.Errorf("%s was changed: %v, %v", path, info, err)
		}
	}
}

// isFault checks that an error is of a kind and tells in both languages what to do.
func isFault(t *testing.T, err, kind error, naming string) {
	t.Helper()
	fault := (*releve.Fault)(nil)
	if !errors.Is(err, kind) || !errors.As(err, &fault) || !strings.Contains(err.Error(), naming) {
		t.Errorf("%v, want %v naming %q", err, kind, naming)
	}
}

func TestDataOfAnotherAccountIsSaidAndNotTouched(t *testing.T) {
	c := newCluster(t, optionsFor(t, releve.Main, freeAddress(t), freeAddress(t)))
	createFromTemplate(t, c)
	who := accountOf(t, c)
	for _, name := range []string{".", "global/pg_control", "pg_wal"} {
		path := c.path("data", name)
		must(t, asRoot("chown", "nobody", path).Run())
		for what, err := range map[string]error{"it starts": c.Start(within(t), Primary), "it is asked before": c.Examine()} {
			if os.Geteuid() != 0 && errors.Is(err, os.ErrPermission) {
				continue // the account itself may not even look
			}
			t.Log(what)
			isFault(t, err, ErrOtherOwner, "nobody")
		}
		must(t, asRoot("chown", strconv.Itoa(who.uid), path).Run())
		must(t, c.Examine())
	}
	must(t, c.Start(within(t), Primary))
}

func TestDataOfAnotherMajorVersionIsSaidAndNotStarted(t *testing.T) {
	c, log := overheard(t)
	must(t, c.Stop(within(t), true))
	for version, naming := range map[string]string{"14\n": "found:14", "99\n": "found:99", "16\n": "found:16"} {
		starts := log.times("starting PostgreSQL")
		must(t, os.WriteFile(c.path("data", "PG_VERSION"), []byte(version), 0o600))
		isFault(t, c.Start(within(t), Primary), ErrOtherMajor, naming)
		isFault(t, c.Examine(), ErrOtherMajor, naming)
		if log.times("starting PostgreSQL") != starts {
			t.Error("PostgreSQL was tried all the same")
		}
	}
	if state, err := c.Whose(); err != nil || state.Presence != Ours {
		t.Errorf("whose it is can be told without programs: %+v, %v", state, err)
	}
	must(t, os.WriteFile(c.path("data", "PG_VERSION"), []byte(strconv.Itoa(installed(t).Version.Major)+"\n"), 0o600))
	must(t, c.Start(within(t), Primary))
}

// Without its version PostgreSQL is not even tried, and who asks before is told.
func TestDataWithoutAVersionIsSaidAndNotStarted(t *testing.T) {
	c, log := overheard(t)
	must(t, c.Stop(within(t), true))
	file := c.path("data", "PG_VERSION")
	right, err := os.ReadFile(file)
	must(t, err)
	for content, kind := range map[string]error{
		"": ErrDamaged, "nonsense\n": ErrDamaged, "-15\n": ErrDamaged,
		strings.Repeat("9", 4000): ErrDamaged, "none": ErrFilesGone,
	} {
		must(t, os.RemoveAll(file))
		if kind != ErrFilesGone {
			must(t, os.WriteFile(file, []byte(content), 0o600))
			must(t, os.Chown(file, accountOf(t, c).uid, -1))
		}
		starts := log.times("starting PostgreSQL")
		isFault(t, c.Start(within(t), Primary), kind, "PG_VERSION")
		isFault(t, c.Examine(), kind, "PG_VERSION")
		if log.times("starting PostgreSQL") != starts {
			t.Error("PostgreSQL was tried all the same")
		}
	}
	must(t, os.WriteFile(file, right, 0o600))
	must(t, os.Chown(file, accountOf(t, c).uid, -1))
	must(t, c.Start(within(t), Primary))
}

// The programs may come back while the telephone is answered.
func TestProgramsThatAreMissingAreLookedForAgain(t *testing.T) {
	o := optionsFor(t, releve.Main, freeAddress(t), freeAddress(t))
	createFromTemplate(t, newCluster(t, o))
	o.Installation, o.Hint = Installation{}, filepath.Join(openDir(t), "bin")
	c := newCluster(t, o)
	if err := c.Start(within(t), Primary); err == nil {
		t.Fatal("it was started without programs")
	}
	must(t, os.Symlink(installed(t).Bin, o.Hint))
	must(t, c.Start(within(t), Primary))
}

func TestAPathThatTheAccountMayNotPassIsSaidBefore(t *testing.T) {
	if os.Geteuid() != 0 {
		return // then it is our own account, which has come here
	}
	o := optionsFor(t, releve.Main, freeAddress(t), freeAddress(t))
	above := filepath.Dir(o.Dir)
	must(t, os.Chmod(above, 0o700))
	isFault(t, newCluster(t, o).Examine(), ErrClosedPath, above)
}

func TestVariablesOfWhoStartsUsReachNoSession(t *testing.T) {
	for name, value := range map[string]string{
		"PGTZ": "Europe/Paris", "PGOPTIONS": "-c statement_timeout=1",
		"PGTARGETSESSIONATTRS": "read-only", "PGSERVICE": "nowhere",
		"PGSERVICEFILE": "/nonexistent", "PGHOST": "192.0.2.1",
		"PGCONNECT_TIMEOUT": "x", "PGSSLMODE": "verify-full", "PGSSLROOTCERT": "system",
		"PGPASSFILE": "/nonexistent", "PGAPPNAME": RoleMirror, "PGDATESTYLE": "German",
		"PGCLIENTENCODING": "LATIN1", "PGDATA": "/nonexistent",
		"PGUSER": "nobody", "PGREQUIREAUTH": "scram-sha-256", "PGCHANNELBINDING": "require", "PGSSLNEGOTIATION": "direct",
		"TZ": "America/New_York", "LC_ALL": "C", "LC_MESSAGES": "fr_FR.UTF-8", "LANGUAGE": "fr",
	} {
		t.Setenv(name, value)
	}
	main, secondary := pair(t)
	sql(t, openPool(t, main), "ALTER ROLE releve SET TimeZone = 'Asia/Tokyo'")
	sql(t, openPool(t, main), "ALTER DATABASE releve SET statement_timeout = 1")
	for _, c := range []*Cluster{main, secondary} {
		until(t, "what was altered is there", func() bool {
			return count(t, openPool(t, c), "SELECT count(*) FROM pg_db_role_setting") == 2
		})
		pool := openPool(t, c)
		for name, want := range map[string]string{
			"TimeZone": "UTC", "DateStyle": "ISO, MDY", "statement_timeout": "0",
			"client_encoding": "UTF8", "application_name": RoleOwner,
			"log_timezone": "UTC", "search_path": `"$user", public`,
		} {
			var got string
			must(t, pool.QueryRow(within(t), "SELECT current_setting($1)", name).Scan(&got))
			if got != want {
				t.Errorf("%s: %s is %q, want %q", c.opts.Seat, name, got, want)
			}
		}
	}
}
