package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"releve"
	"releve/proof/practice/freeze"
)

// ill looks at the health until it is bad, and checks that it is of the kind, known
// within two seconds, and that the sentence names what is to be read in it.
func ill(t *testing.T, c *Cluster, want error, naming string) {
	t.Helper()
	began := time.Now()
	var err error
	until(t, "the look finds it", func() bool {
		err = c.Health(context.Background())
		return err != nil
	})
	took := time.Since(began)
	if !errors.Is(err, want) || took > 2*time.Second {
		t.Errorf("after %s: %v, want %v", took, err, want)
	}
	fault := (*releve.Fault)(nil)
	if !errors.As(err, &fault) || !strings.Contains(fmt.Sprint(fault.Why.Args), naming) {
		t.Errorf("%v does not name %q", err, naming)
	}
}

func well(t *testing.T, c *Cluster) {
	t.Helper()
	until(t, "it is found well", func() bool { return c.Health(within(t)) == nil })
}

func TestMissingFilesAreFound(t *testing.T) {
	c := alone(t)
	pool := openPool(t, c)
	local(t, pool, "CREATE TABLE facts (n int PRIMARY KEY)")
	local(t, pool, "INSERT INTO facts VALUES (1)")
	var table, index, log string
	must(t, pool.QueryRow(within(t),
		"SELECT pg_relation_filepath('facts'), pg_relation_filepath('facts_pkey')").Scan(&table, &index))
	must(t, c.ask(within(t), limit, []any{&log}, "SELECT 'pg_wal/' || pg_walfile_name(pg_current_wal_lsn())"))
	well(t, c)
	for _, name := range append([]string{table, index, log}, vital...) {
		t.Run(name, func(t *testing.T) {
			away, there := c.path("away"), c.path("data", name)
			must(t, os.Rename(there, away))
			ill(t, c, ErrFilesGone, there)
			must(t, os.Rename(away, there))
			well(t, c)
		})
	}
	local(t, pool, "DROP TABLE facts") // as a matter of course
	well(t, c)
}

func TestADamagedPageIsKnownAsSoonAsItIsRead(t *testing.T) {
	c := alone(t)
	pool := openPool(t, c)
	local(t, pool, "CREATE TABLE facts AS SELECT generate_series(1, 5000) AS n")
	var file string
	must(t, pool.QueryRow(within(t), "SELECT pg_relation_filepath('facts')").Scan(&file))
	must(t, c.Stop(within(t), true))
	spoilPage(t, c.path("data", file), 3*pageSize+4000)
	must(t, c.Start(within(t), Primary))
	well(t, c)
	if _, err := openPool(t, c).Exec(within(t), "SELECT sum(n) FROM facts"); err == nil {
		t.Fatal("a damaged page was read")
	}
	ill(t, c, ErrDamaged, "page") // from the log or from the count, whichever is first
}

// PostgreSQL itself counts one bad page of a file nowhere.
func TestADamagedPageThatWasCountedBeforeIsStillKnown(t *testing.T) {
	c := alone(t)
	pool := openPool(t, c)
	local(t, pool, "CREATE TABLE facts AS SELECT generate_series(1, 5000) AS n")
	var file string
	must(t, pool.QueryRow(within(t), "SELECT pg_relation_filepath('facts')").Scan(&file))
	must(t, c.Checkpoint(within(t)))
	spoilPage(t, c.path("data", file), 3*pageSize+4000)
	bad, err := c.CheckPages(within(t), nil)
	if err != nil || len(bad) != 1 {
		t.Fatalf("%v (%v)", bad, err)
	}
	must(t, c.Stop(within(t), true))
	must(t, c.Start(within(t), Primary))
	ill(t, c, ErrDamaged, "pages:1")
	spoilPage(t, c.path("data", file), 3*pageSize+4000) // as it was
	bad, err = c.CheckPages(within(t), nil)
	if err != nil || len(bad) != 0 {
		t.Fatalf("mended: %v (%v)", bad, err)
	}
	if found := c.damaged(); found != 0 {
		t.Errorf("%d pages are remembered that are whole again", found)
	}
}

// mount mounts a file system for PostgreSQL, and says what is missing where it cannot.
func mount(t *testing.T, args ...string) (dir string) {
	t.Helper()
	dir = openDir(t)
	if out, err := asRoot("mount", append(args, dir)...).CombinedOutput(); err != nil {
		t.Fatalf("this test mounts a file system of its own, "+
			"for which it needs root, or sudo without a password, with CAP_SYS_ADMIN: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := asRoot("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("umount %s: %v: %s", dir, err, out)
		}
	})
	for _, own := range [][]string{{"chown", strconv.Itoa(os.Geteuid()), dir}, {"chmod", "0711", dir}} {
		if out, err := asRoot(own[0], own[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v: %s", own, err, out)
		}
	}
	return dir
}

// asRoot is a command for which this test's account may have too few rights.
func asRoot(name string, args ...string) *exec.Cmd {
	if os.Geteuid() != 0 {
		name, args = "sudo", append([]string{"-n", name}, args...)
	}
	return exec.Command(name, args...)
}

// aloneIn is alone with its data in a directory.
func aloneIn(t *testing.T, dir string) *Cluster {
	t.Helper()
	o := optionsFor(t, releve.Main, freeAddress(t), freeAddress(t))
	o.Dir = filepath.Join(dir, "pg")
	c := newCluster(t, o)
	createFromTemplate(t, c)
	must(t, c.Start(within(t), Primary))
	return c
}

// loopDisk is an ext4 of so many bytes in a file.
func loopDisk(t *testing.T, size int64) (dir string) {
	t.Helper()
	image := filepath.Join(openDir(t), "disk.img")
	must(t, os.WriteFile(image, nil, 0o600))
	must(t, os.Truncate(image, size))
	if out, err := exec.Command("mkfs.ext4", "-q", "-F", image).CombinedOutput(); err != nil {
		t.Fatalf("mkfs.ext4: %v: %s", err, out)
	}
	return mount(t, "-o", "loop", image)
}

// fill leaves no more room on a disk than so many bytes.
func fill(t *testing.T, dir string, leave int64) (filler string) {
	t.Helper()
	var s syscall.Statfs_t
	must(t, syscall.Statfs(dir, &s))
	filler = filepath.Join(dir, "filler")
	file, err := os.Create(filler)
	must(t, err)
	defer file.Close()
	_, err = io.CopyN(file, zeros{}, int64(s.Bavail)*s.Bsize-leave)
	must(t, errors.Join(err, file.Sync()))
	return filler
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestAFullDiskIsFoundBeforePostgreSQLDiesOfIt(t *testing.T) {
	for kind, dir := range map[string]string{
		"tmpfs": mount(t, "-t", "tmpfs", "-o", "size=192m", "tmpfs"),
		"ext4":  loopDisk(t, 256<<20), // it holds blocks back for root, who the probe is
	} {
		t.Run(kind, func(t *testing.T) {
			c := aloneIn(t, dir)
			well(t, c)
			filler := fill(t, dir, leastFree/2)
			ill(t, c, ErrDiskFull, "free:")
			if c.ExitError() != nil {
				t.Error("it was too late: PostgreSQL has ended")
			}
			must(t, os.Remove(filler))
			well(t, c)
		})
	}
}

func TestAWedgedDiskIsFound(t *testing.T) {
	dir := loopDisk(t, 256<<20)
	c := aloneIn(t, dir)
	well(t, c)
	freeze := func(flag string) {
		if out, err := asRoot("fsfreeze", flag, dir).CombinedOutput(); err != nil {
			t.Fatalf("this test freezes a file system, "+
				"for which it needs root, or sudo without a password, with CAP_SYS_ADMIN: fsfreeze %s: %v: %s", flag, err, out)
		}
	}
	freeze("-f")
	frozen := true
	defer func() {
		if frozen {
			freeze("-u")
		}
	}()
	ill(t, c, ErrDiskWedged, c.opts.Dir)
	began := time.Now()
	if err := c.Health(within(t)); !errors.Is(err, ErrDiskWedged) || time.Since(began) > healthLimit {
		t.Errorf("the second look, behind the first: %v after %s", err, time.Since(began))
	}
	freeze("-u")
	frozen = false
	well(t, c)
}

func TestAPostmasterThatIsHeldIsFoundThoughItsSessionsAnswer(t *testing.T) {
	c := alone(t)
	well(t, c)
	conn, err := openPool(t, c).Acquire(within(t))
	must(t, err)
	defer conn.Release()
	postmaster := c.postmaster().cmd.Process
	freeze.Stop(t, postmaster.Pid)
	if _, err := conn.Exec(within(t), "SELECT 1"); err != nil {
		t.Fatalf("a session that is open does not answer: %v", err)
	}
	ill(t, c, ErrNoAnswer, "cause-process-stopped")
	must(t, postmaster.Signal(syscall.SIGCONT))
	well(t, c)
}

func TestAPostmasterThatTakesNoSessionIsFoundByKnocking(t *testing.T) {
	c, log := overheard(t)
	well(t, c)
	if err := c.knock(within(t)); err != nil {
		t.Fatalf("nobody answers the door: %v", err)
	}
	if log.has("startup packet") {
		t.Error("a knock is complained of")
	}
	freeze.Stop(t, c.postmaster().cmd.Process.Pid)
	ctx, cancel := context.WithTimeout(within(t), 200*time.Millisecond)
	defer cancel()
	if err := c.knock(ctx); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("nobody can have answered: %v", err)
	}
}

// A postmaster that may fork no more answers each connection by itself, with an error: that is
// an answer, and none that helps anybody.
func TestAPostmasterThatCanForkNoSessionIsNotWell(t *testing.T) {
	c := alone(t)
	well(t, c)
	most := mayFork(t, c, "1")
	c.postmaster().knocked = time.Time{}
	for range 6 {
		err := c.Health(within(t))
		if fault := (*releve.Fault)(nil); !errors.Is(err, ErrNoAnswer) || !errors.As(err, &fault) ||
			!strings.Contains(fault.Why.Args["cause"], "cause-no-session") {
			t.Fatalf("it forks no more, and is found: %v", err)
		}
	}
	until(t, "its own words are told", func() bool {
		return strings.Contains(fmt.Sprint(c.Health(within(t))), "could not fork new process")
	})
	mayFork(t, c, most)
	well(t, c)
}

// mayFork limits the processes that the postmaster's account may have while it forks, and
// says what the most is that can be given back. Only its own account may do it everywhere.
func mayFork(t *testing.T, c *Cluster, limit string) (most string) {
	t.Helper()
	prlimit := func(args ...string) string {
		who, err := c.account()
		must(t, err)
		cmd := exec.Command("prlimit", append([]string{"--pid", strconv.Itoa(c.postmaster().cmd.Process.Pid)}, args...)...)
		cmd.SysProcAttr = who.process(syscall.SIGKILL)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v: %s", cmd.Args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	prlimit("--nproc=" + limit + ":")
	return prlimit("--nproc", "--output=HARD", "--noheadings")
}

// Silent strangers at the port hold a process each, and not for long.
func TestStrangersAtThePortLeaveRoomForOurselves(t *testing.T) {
	c := alone(t)
	silent := make([]net.Conn, 0, 200)
	defer func() {
		for _, conn := range silent {
			conn.Close()
		}
	}()
	for range cap(silent) {
		conn, err := net.Dial("tcp", c.opts.Listen.String())
		must(t, err)
		silent = append(silent, conn)
	}
	until(t, "a session of ours begins", func() bool {
		conn, err := c.session(within(t))
		if err == nil {
			must(t, conn.Close(within(t)))
		}
		return err == nil
	})
	for _, conn := range silent { // of themselves they would stay for ever
		must(t, conn.SetReadDeadline(time.Now().Add(3*strangersStay)))
		if _, err := conn.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("a stranger that says nothing stays for more than %s", 3*strangersStay)
		}
	}
	well(t, c)
}

func TestPostgreSQLThatHangsOrHasEndedDoesNotAnswer(t *testing.T) {
	c := alone(t)
	well(t, c)
	pids, err := c.members()
	must(t, err)
	for _, pid := range pids {
		if pid != c.postmaster().cmd.Process.Pid { // its sessions hang, each in itself
			freeze.Stop(t, pid)
		}
	}
	ill(t, c, ErrNoAnswer, healthLimit.String())
	for _, pid := range pids {
		must(t, syscall.Kill(pid, syscall.SIGCONT))
	}
	well(t, c)
	must(t, c.postmaster().cmd.Process.Kill())
	<-c.Exited()
	ill(t, c, ErrNoAnswer, "killed")
}

func TestALookGivenUpAccusesNobody(t *testing.T) {
	c := alone(t)
	ctx, cancel := context.WithCancel(within(t))
	cancel()
	for range 20 {
		if err := c.Health(ctx); errors.Is(err, ErrDiskWedged) {
			t.Fatalf("it was not the disk: %v", err)
		}
	}
}

// cpuTicks is what this process, the cluster's processes and those that it has ended have
// used, in hundredths of a second (proc(5), utime to cstime).
func cpuTicks(t *testing.T, c *Cluster) (ticks int) {
	t.Helper()
	pids, err := c.members()
	must(t, err)
	for _, pid := range append(pids, os.Getpid()) {
		raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		must(t, err)
		fields := strings.Fields(string(raw[strings.LastIndexByte(string(raw), ')')+1:]))
		for _, field := range fields[11:15] {
			n, err := strconv.Atoi(field)
			must(t, err)
			ticks += n
		}
	}
	return ticks
}

func TestALookCostsNextToNothing(t *testing.T) {
	c := alone(t)
	well(t, c)
	const looks = 300
	before := cpuTicks(t, c)
	for range looks {
		must(t, c.Health(within(t)))
	}
	each := time.Duration(cpuTicks(t, c)-before) * 10 * time.Millisecond / looks
	t.Logf("a look costs %s of a core", each)
	if each > 5*time.Millisecond { // one each second: half of what the whole server may use
		t.Errorf("a look costs %s of a core", each)
	}
}
