package postgres

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"releve"
	"releve/proof/practice/freeze"
)

func TestACreatedClusterIsOursAndServes(t *testing.T) {
	ctx := within(t)
	c := newCluster(t, optionsFor(t, releve.Main, freeAddress(t), freeAddress(t)))
	state, err := c.State()
	must(t, err)
	if state.Presence != Absent {
		t.Fatalf("before: %+v", state)
	}
	id := releve.NewDataID()
	must(t, c.Create(ctx, id))
	must(t, c.Start(ctx, Primary))
	must(t, c.Health(ctx))
	if err := c.Start(ctx, Primary); err == nil || !strings.Contains(err.Error(), "stop it first") {
		t.Errorf("a second start: %v", err)
	}
	pool := openPool(t, c)
	local(t, pool, "CREATE TABLE facts (n int)") // the owner may create in its database
	if on := currentSetting(t, c, "data_checksums"); on != "on" {
		t.Errorf("data_checksums = %s", on)
	}
	if names := currentSetting(t, c, "synchronous_standby_names"); names != RoleMirror {
		t.Errorf("synchronous_standby_names = %s", names)
	}
	must(t, c.Stop(ctx, true))
	state, err = c.State()
	must(t, err)
	if state.Presence != Ours || state.DataID != id {
		t.Errorf("after: %+v", state)
	}
	for name, want := range map[string]string{
		"Database cluster state": "shut down", "Data page checksum version": "1",
		"Latest checkpoint's TimeLineID": "1",
	} {
		if got := controlled(t, c, name); got != want {
			t.Errorf("%s: %q, expected %q", name, got, want)
		}
	}
	if err := c.Create(ctx, releve.NewDataID()); err == nil {
		t.Error("a second creation was not refused")
	}
}

// controlled is a line of a stopped cluster's control file.
func controlled(t *testing.T, c *Cluster, name string) string {
	t.Helper()
	out, err := c.run(within(t), "", nil, "pg_controldata", "-D", c.dataDir())
	must(t, err)
	_, value, found := strings.Cut(out, name+":")
	if !found {
		t.Fatalf("pg_controldata does not say %q:\n%s", name, out)
	}
	value, _, _ = strings.Cut(value, "\n")
	return strings.TrimSpace(value)
}

func currentSetting(t *testing.T, c *Cluster, name string) (value string) {
	t.Helper()
	must(t, c.ask(within(t), limit, []any{&value}, "SELECT current_setting($1)", name))
	return value
}

func TestACommitWithoutMirrorWaits(t *testing.T) {
	c := alone(t)
	pool := openPool(t, c)
	local(t, pool, "CREATE TABLE facts (n int)")
	ctx, cancel := context.WithCancel(within(t))
	done := make(chan error, 1)
	go func() {
		_, err := pool.Exec(ctx, "INSERT INTO facts VALUES (1)")
		done <- err
	}()
	until(t, "the commit waits for the mirror", func() bool {
		return count(t, pool, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'") == 1
	})
	c.Fence()
	cancel()
	if err := <-done; err == nil {
		t.Error("a commit without mirror was acknowledged")
	}
}

func TestAKilledPostmasterIsSeenAtOnceAndCanBeRestartedAtOnce(t *testing.T) {
	c := alone(t)
	pool := openPool(t, c)
	busy := make(chan error, 1)
	go func() { // a session that does not look up when the postmaster dies
		_, err := pool.Exec(within(t), "SELECT sum(i) FROM generate_series(1, 1000000000) AS i")
		busy <- err
	}()
	until(t, "the session works", func() bool {
		return count(t, pool, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT sum%' AND state = 'active'") == 1
	})
	killed := time.Now()
	must(t, c.postmaster().cmd.Process.Kill())
	<-c.Exited()
	t.Logf("seen after %s", time.Since(killed))
	if err := c.ExitError(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("the end is told as: %v", err)
	}
	must(t, c.Start(within(t), Primary))
	t.Logf("restarted after %s", time.Since(killed))
	if err := <-busy; err == nil {
		t.Error("a session of the dead PostgreSQL went on")
	}
}

func TestAFencedClusterCommitsNothingMore(t *testing.T) {
	for _, stopped := range []bool{false, true} {
		t.Run(fmt.Sprintf("stopped=%t", stopped), func(t *testing.T) {
			c := alone(t)
			pool := openPool(t, c)
			conn, err := pool.Acquire(within(t))
			must(t, err)
			defer conn.Release()
			pids, err := c.members()
			must(t, err)
			if len(pids) < 4 {
				t.Fatalf("members sees only %v", pids)
			}
			if stopped {
				for _, pid := range pids {
					freeze.Stop(t, pid)
				}
			}
			began := time.Now()
			c.Fence()
			t.Logf("fenced in %s", time.Since(began))
			<-c.Exited()
			until(t, "no process is left", func() bool {
				pids, err := c.members()
				must(t, err)
				return len(pids) == 0
			})
			if _, err := conn.Exec(within(t), "SET LOCAL synchronous_commit = local"); err == nil {
				t.Error("an open session still answers")
			}
			c.Fence() // again, harmless
			must(t, c.Start(within(t), Primary))
		})
	}
}

func TestAFenceOvertakesAStart(t *testing.T) {
	c := newCluster(t, optionsFor(t, releve.Main, freeAddress(t), freeAddress(t)))
	createFromTemplate(t, c)
	before := c.fenceCount()
	c.Fence()
	if _, err := c.spawn(before); err != ErrFenced {
		t.Errorf("a start that a fence overtook: %v", err)
	}
	if pids, err := c.members(); err != nil || len(pids) > 0 {
		t.Errorf("it left %v (%v)", pids, err)
	}
}

const parentEnv = "RELEVE_POSTGRES_TEST_PARENT"

// beParent is the program that dies: it starts the cluster in dir, says so, and waits.
func beParent(dir string) {
	inst, err := Find(os.Getenv(testPrograms))
	if err == nil {
		var c *Cluster
		c, err = New(Options{Installation: inst, Dir: dir, Seat: releve.Main, SiteID: testSite, Account: "postgres"})
		if err == nil {
			err = c.Start(context.Background(), Primary)
		}
	}
	fmt.Println("started", err)
	_, _ = io.Copy(io.Discard, os.Stdin)
}

func TestPostgreSQLDiesWithItsParent(t *testing.T) {
	ctx := within(t)
	o := optionsFor(t, releve.Main, freeAddress(t), freeAddress(t))
	c := newCluster(t, o)
	createFromTemplate(t, c)
	self, err := os.Executable()
	must(t, err)
	parent := exec.Command(self)
	parent.Env = append(os.Environ(), parentEnv+"="+o.Dir)
	in, err := parent.StdinPipe()
	must(t, err)
	defer in.Close()
	out, err := parent.StdoutPipe()
	must(t, err)
	must(t, parent.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "started <nil>\n" {
		t.Fatalf("the parent said %q (%v)", line, err)
	}
	if pids, err := c.members(); err != nil || len(pids) < 4 {
		t.Fatalf("before: %v (%v)", pids, err)
	}
	if err := c.Start(ctx, Primary); err == nil || !strings.Contains(err.Error(), "another PostgreSQL") {
		t.Errorf("a second start on the same data: %v", err)
	}
	must(t, parent.Process.Kill())
	_ = parent.Wait()
	killed := time.Now()
	until(t, "PostgreSQL died with its parent", func() bool {
		pids, err := c.members()
		must(t, err)
		return len(pids) == 0
	})
	t.Logf("gone %s after its parent", time.Since(killed))
	must(t, c.Start(ctx, Primary)) // the file it left behind stops nobody
}

func TestTheDataOfAnotherSiteIsRefusedUntouched(t *testing.T) {
	ctx := within(t)
	o := optionsFor(t, releve.Main, freeAddress(t), freeAddress(t))
	createFromTemplate(t, newCluster(t, o))
	must(t, os.WriteFile(filepath.Join(o.Dir, "data", "postmaster.pid"), []byte("4194304\n"), 0o600)) // left by a crash
	before := listing(t, filepath.Join(o.Dir, "data"))
	o.SiteID = "another-site"
	c := newCluster(t, o)
	state, err := c.State()
	must(t, err)
	if state.Presence != Foreign || state.Foreign.Why.Code != "data-other-site" {
		t.Errorf("%+v", state)
	}
	_, aside := c.SetAside(ctx, "test")
	_, rewound := c.Rewind(ctx, o.Listen, releve.NewDataID(), nil)
	for what, err := range map[string]error{
		"Start": c.Start(ctx, Primary), "Create": c.Create(ctx, releve.NewDataID()), "SetAside": aside,
		"Rewind": rewound, "Clone": c.Clone(ctx, o.Upstream, releve.NewDataID(), nil),
	} {
		if !errors.Is(err, ErrForeign) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if after := listing(t, filepath.Join(o.Dir, "data")); after != before {
		t.Errorf("it was touched:\n%s\n%s", before, after)
	}
}

func TestADirectoryThatIsNotOursIsRefused(t *testing.T) {
	o := optionsFor(t, releve.Main, freeAddress(t), freeAddress(t))
	must(t, os.MkdirAll(filepath.Join(o.Dir, "data"), 0o755))
	must(t, os.WriteFile(filepath.Join(o.Dir, "data", "thesis.txt"), []byte("years of work"), 0o644))
	c := newCluster(t, o)
	if err := c.Create(within(t), releve.NewDataID()); !errors.Is(err, ErrForeign) {
		t.Errorf("Create: %v", err)
	}
	if err := c.Start(within(t), Primary); !errors.Is(err, ErrForeign) {
		t.Errorf("Start: %v", err)
	}
}

// listing is every file with its size and time.
func listing(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	must(t, filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%s %d %s\n", path, info.Size(), info.ModTime())
		return nil
	}))
	return b.String()
}

func TestAnAddressInUseIsSaid(t *testing.T) {
	ctx := within(t)
	o := optionsFor(t, releve.Main, freeAddress(t), freeAddress(t))
	c := newCluster(t, o)
	createFromTemplate(t, c)
	l, err := net.Listen("tcp", o.Listen.String())
	must(t, err)
	err = c.Start(ctx, Primary)
	l.Close()
	if err == nil || !strings.Contains(err.Error(), "another program listens there") {
		t.Errorf("address in use: %v", err)
	}
	must(t, c.Start(ctx, Primary))
}

func TestOptionsThatCannotWorkAreRefused(t *testing.T) {
	good := optionsFor(t, releve.Main, freeAddress(t), freeAddress(t))
	for name, c := range map[string]struct {
		spoil func(*Options)
		want  string
	}{
		"long path":      {func(o *Options) { o.Dir = "/" + strings.Repeat("d", 100) }, "shorter name"},
		"relative path":  {func(o *Options) { o.Dir = "data" }, "not an absolute path"},
		"no site":        {func(o *Options) { o.SiteID = "" }, "releve init"},
		"no seat":        {func(o *Options) { o.Seat = "third" }, "neither main nor secondary"},
		"no certificate": {func(o *Options) { o.TLS = Certificates{} }, "certificate"},
	} {
		o := good
		c.spoil(&o)
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAnAccountThatDoesNotExistIsSaid(t *testing.T) {
	if os.Geteuid() != 0 {
		if who, err := lookupAccount("nobody-of-that-name"); err != nil || who.root {
			t.Errorf("without root no account is needed: %+v %v", who, err)
		}
		return
	}
	if _, err := lookupAccount("nobody-of-that-name"); err == nil || !strings.Contains(err.Error(), "adduser") {
		t.Errorf("unknown account: %v", err)
	}
	if _, err := lookupAccount("root"); err == nil {
		t.Error("root was accepted")
	}
	o := optionsFor(t, releve.Main, freeAddress(t), freeAddress(t))
	closed := filepath.Dir(o.Dir)
	must(t, os.Chmod(closed, 0o700))
	err := newCluster(t, o).Create(within(t), releve.NewDataID())
	if err == nil || !strings.Contains(err.Error(), "chmod o+x "+closed) {
		t.Errorf("a closed parent directory: %v", err)
	}
}
