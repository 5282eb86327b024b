package postgres

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// scoreOf is how soon the kernel ends a process when memory runs out.
func scoreOf(t *testing.T, pid int) int {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid))
	must(t, err)
	n, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	must(t, err)
	return n
}

func TestWhenMemoryRunsOutASessionGoesBeforeThePostmasterAndWeGoLast(t *testing.T) {
	c := alone(t)
	own, postmaster := scoreOf(t, os.Getpid()), c.postmaster().cmd.Process.Pid
	if got := scoreOf(t, postmaster); got != own+100 {
		t.Errorf("the postmaster has %d, and we have %d", got, own)
	}
	others := 0
	pids, err := c.members()
	must(t, err)
	for _, pid := range pids {
		if pid == postmaster {
			continue
		}
		others++
		if got := scoreOf(t, pid); got != own+200 {
			t.Errorf("%q has %d, and we have %d", commandLine(pid), got, own)
		}
	}
	if others < 4 {
		t.Errorf("only %d processes of PostgreSQL were looked at", others)
	}
	must(t, c.runProgram(within(t), program{name: "pg_config", started: func(pid int) {
		if got := scoreOf(t, pid); got != own+200 {
			t.Errorf("a program of PostgreSQL's has %d, and we have %d", got, own)
		}
	}}))
}

// What logind takes from an account at its last logout (logind.conf, RemoveIPC) is taken from
// a PostgreSQL that runs: it serves, begins sessions, starts again and is followed.
func TestWhatALogoutSweepsAwayIsMissedByNobody(t *testing.T) {
	main, secondary := pair(t)
	for _, c := range []*Cluster{main, secondary} {
		sweep(t, c)
	}
	pool, err := main.Pool(within(t), 2)
	must(t, err)
	defer pool.Close()
	_, err = pool.Exec(within(t), `CREATE TABLE swept AS SELECT n, repeat('x', 500) AS text FROM generate_series(1, 50000) n`)
	must(t, err)
	_, err = pool.Exec(within(t), `CREATE INDEX ON swept (n)`)
	must(t, err)
	var n int
	must(t, pool.QueryRow(within(t), `SELECT count(DISTINCT text || n) FROM swept`).Scan(&n))
	if n != 50000 {
		t.Errorf("%d rows of 50000", n)
	}
	for _, c := range []*Cluster{main, secondary} {
		for range 3 {
			if err := c.Health(within(t)); err != nil {
				t.Errorf("%s: %v", c.opts.Seat, err)
			}
		}
	}
	pool.Close()
	must(t, main.Stop(within(t), true))
	must(t, main.Start(within(t), Primary))
	sweep(t, main)
	main.Fence()
	<-main.Exited()
	must(t, main.Start(within(t), Primary))
}

// sweep removes the shared memory that the processes of a cluster have by a name or a number.
func sweep(t *testing.T, c *Cluster) {
	t.Helper()
	pids, err := c.members()
	must(t, err)
	swept := map[string]bool{}
	for _, pid := range pids {
		maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
		if err != nil {
			continue // it ended meanwhile
		}
		for line := range strings.Lines(string(maps)) {
			fields := strings.Fields(line)
			if len(fields) < 6 || swept[fields[5]+fields[4]] {
				continue
			}
			name, number := fields[5], fields[4]
			switch {
			case strings.HasPrefix(name, "/dev/shm/"):
				t.Errorf("%s is in the way of a logout", name)
				must(t, os.Remove(name))
			case strings.HasPrefix(name, "/SYSV"):
				must(t, exec.CommandContext(context.Background(), "ipcrm", "-m", number).Run())
			default:
				continue
			}
			swept[name+number] = true
		}
	}
	if len(swept) == 0 {
		t.Error("nothing was there to sweep away: PostgreSQL has a segment by number at least")
	}
	t.Log("swept away:", swept)
}
