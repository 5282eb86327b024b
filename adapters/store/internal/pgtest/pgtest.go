// Package pgtest runs real PostgreSQL clusters for tests: each in a directory of
// its own, reached by a socket only, gone when the test is.
package pgtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// Mirror is the name that synchronous_standby_names holds in every cluster.
	Mirror = "releve_mirror"

	binaries = "/usr/lib/postgresql/15/bin"
	account  = "postgres" // runs PostgreSQL when the tests run as root
	limit    = 60 * time.Second
)

// Cluster is one PostgreSQL with its files.
type Cluster struct {
	root   string // of everything, and of the socket
	data   string
	log    string
	run    *exec.Cmd
	exited chan struct{}
}

// New makes a cluster that waits for a mirror with every commit, and starts it.
// Settings are arguments of postgres, such as "-c", "fsync=on".
func New(settings ...string) (*Cluster, error) {
	c, err := prepare()
	if err != nil {
		return nil, err
	}
	err = c.command("initdb", "-D", c.data, "-U", account, "--auth=trust", "--no-sync", "--no-locale", "--encoding=UTF8")
	if err == nil {
		err = c.Start(settings...)
	}
	if err != nil {
		return nil, errors.Join(err, c.Remove())
	}
	return c, nil
}

// Run makes a cluster that ends with the test.
func Run(t testing.TB, settings ...string) *Cluster {
	t.Helper()
	c, err := New(settings...)
	return keep(t, c, err)
}

// RunMirror clones a running cluster and starts the clone as its synchronous
// mirror. The clone ends with the test.
func (c *Cluster) RunMirror(t testing.TB, settings ...string) *Cluster {
	t.Helper()
	m, err := prepare()
	if err != nil {
		t.Fatal(err)
	}
	err = m.command("pg_basebackup", "-h", c.root, "-U", account, "-D", m.data, "-c", "fast", "--no-sync")
	if err == nil {
		err = os.WriteFile(filepath.Join(m.data, "standby.signal"), nil, 0o600)
	}
	if err == nil {
		err = m.Start(append(settings,
			"-c", fmt.Sprintf("primary_conninfo=host=%s user=%s application_name=%s", c.root, account, Mirror))...)
	}
	return keep(t, m, err)
}

func keep(t testing.TB, c *Cluster, err error) *Cluster {
	t.Helper()
	if c != nil {
		t.Cleanup(func() {
			if err := c.Remove(); err != nil {
				t.Error(err)
			}
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func prepare() (*Cluster, error) {
	root, err := os.MkdirTemp("", "pg")
	if err != nil {
		return nil, err
	}
	c := &Cluster{root: root, data: filepath.Join(root, "data"), log: filepath.Join(root, "log")}
	if credential, err := credential(); err != nil {
		return nil, errors.Join(err, c.Remove())
	} else if credential != nil {
		err = os.Chown(root, int(credential.Uid), int(credential.Gid))
		if err != nil {
			return nil, errors.Join(err, c.Remove())
		}
	}
	return c, nil
}

// credential is the account that PostgreSQL needs when we are root, else nil.
func credential() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup(account)
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL does not run as root and needs the account %s: install postgresql-15: %w",
			account, err)
	}
	uid, errUID := strconv.ParseUint(u.Uid, 10, 32)
	gid, errGID := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, errors.Join(errUID, errGID)
}

// tool prepares one of PostgreSQL's programs.
func (c *Cluster) tool(name string, args ...string) (*exec.Cmd, error) {
	path := filepath.Join(binaries, name)
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("these tests need PostgreSQL 15: install postgresql-15: %w", err)
	}
	credential, err := credential()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(path, args...)
	cmd.Dir = c.root
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: credential}
	return cmd, nil
}

func (c *Cluster) command(name string, args ...string) error {
	cmd, err := c.tool(name, args...)
	if err != nil {
		return err
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, bytes.TrimSpace(out))
	}
	return nil
}

// Start starts the cluster and waits until it answers.
func (c *Cluster) Start(extra ...string) error {
	args := append([]string{"-D", c.data, "-k", c.root, "-h", "",
		"-c", "synchronous_standby_names=" + Mirror, "-c", "restart_after_crash=off", "-c", "hot_standby_feedback=on",
		"-c", "fsync=off", "-c", "shared_buffers=16MB", "-c", "max_connections=40", "-c", "log_line_prefix="}, extra...)
	cmd, err := c.tool("postgres", args...)
	if err != nil {
		return err
	}
	log, err := os.OpenFile(c.log, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := c.launch(cmd); err != nil {
		return err
	}
	return c.untilReady()
}

// launch starts the postmaster so that it stops even when the test process is killed.
func (c *Cluster) launch(cmd *exec.Cmd) error {
	cmd.SysProcAttr.Pdeathsig = syscall.SIGQUIT
	c.run, c.exited = cmd, make(chan struct{})
	started := make(chan error)
	go func() {
		// The signal is sent when the thread that started the child ends.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(c.exited)
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ends is the test's doing
		}
	}()
	return <-started
}

func (c *Cluster) untilReady() error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := pgx.Connect(ctx, c.URL(account))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-tick.C:
		case <-c.exited:
			return fmt.Errorf("PostgreSQL ended while starting: %w\n%s", err, c.Log())
		case <-ctx.Done():
			return fmt.Errorf("PostgreSQL does not answer: %w\n%s", err, c.Log())
		}
	}
}

// Log is what the cluster has logged so far.
func (c *Cluster) Log() string {
	content, err := os.ReadFile(c.log)
	return string(content) + errString(err)
}

func errString(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// URL reaches a database of the cluster.
func (c *Cluster) URL(database string) string {
	return fmt.Sprintf("host=%s user=%s dbname=%s sslmode=disable", c.root, account, database)
}

// Data is the directory of the cluster's files.
func (c *Cluster) Data() string { return c.data }

// Exited is closed when the postmaster has ended.
func (c *Cluster) Exited() <-chan struct{} { return c.exited }

// Stop ends the cluster as a fence does: at once.
func (c *Cluster) Stop() error { return c.end(syscall.SIGQUIT) }

// StopFast ends it in order, which ends the wait of every commit (RULES R9).
func (c *Cluster) StopFast() error { return c.end(syscall.SIGINT) }

func (c *Cluster) end(how syscall.Signal) error {
	if c.run == nil || c.run.Process == nil {
		return nil
	}
	if err := c.run.Process.Signal(how); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-c.exited:
		return nil
	case <-time.After(limit):
		return errors.Join(errors.New("PostgreSQL did not stop"), c.run.Process.Kill())
	}
}

// Remove stops the cluster and deletes its files.
func (c *Cluster) Remove() error { return errors.Join(c.Stop(), os.RemoveAll(c.root)) }
