package postgres

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
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
	for mode, want := range map[os.FileMode]os.FileMode{0o755: 0o700, 0o777: 0o700, 0o000: 0o700, 0o770: 0o700, 0o750: 0o750, 0o700: 0o700} {
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
		"PGTZ": "Europe/Paris", "PGOPTIONS": "-c statement_timeout=1", "PGTARGETSESSIONATTRS": "read-only", "PGSERVICE": "nowhere",
		"PGSERVICEFILE": "/nonexistent", "PGHOST": "192.0.2.1", "PGCONNECT_TIMEOUT": "x", "PGSSLMODE": "verify-full", "PGSSLROOTCERT": "system",
		"PGPASSFILE": "/nonexistent", "PGAPPNAME": RoleMirror, "PGDATESTYLE": "German", "PGCLIENTENCODING": "LATIN1", "PGDATA": "/nonexistent",
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
			"TimeZone": "UTC", "DateStyle": "ISO, MDY", "statement_timeout": "0", "client_encoding": "UTF8", "application_name": RoleOwner,
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
