package demo

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// nursery starts processes from one thread that lives as long as they may: Linux
// sends a parent-death signal when the *thread* that forked ends, and Go's threads
// come and go (prctl(2), PR_SET_PDEATHSIG).
type nursery struct {
	starts chan func()
}

func newNursery() *nursery {
	n := &nursery{starts: make(chan func())}
	go func() {
		runtime.LockOSThread()
		for start := range n.starts {
			start()
		}
	}()
	return n
}

func (n *nursery) close() { close(n.starts) }

func (n *nursery) start(cmd *exec.Cmd) error {
	failed := make(chan error)
	n.starts <- func() { failed <- cmd.Start() }
	return <-failed
}

// server is one `releve serve`, with PostgreSQL below it.
type server struct {
	name string
	dir  string // where it works: what it leaves behind is found by it
	log  string
	cmd  *exec.Cmd
	done chan struct{}
}

// serve starts a server. It gets a process group of its own, so that Ctrl-C
// reaches the show first, and it ends with the show however that ends.
func (n *nursery) serve(releve, name, config, dir string) (*server, error) {
	s := &server{name: name, dir: dir, log: filepath.Join(dir, "log"), done: make(chan struct{})}
	log, err := os.OpenFile(s.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close() // the child has its own
	s.cmd = exec.Command(releve, "serve", "-c", config)
	s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr = dir, log, log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := n.start(s.cmd); err != nil {
		return nil, fmt.Errorf("%s cannot be started: %w", name, err)
	}
	go func() { _ = s.cmd.Wait(); close(s.done) }() // how it ended is in its log
	return s, nil
}

func (s *server) pid() int { return s.cmd.Process.Pid }

// ended is an error with the last words of a server that ended by itself.
func (s *server) ended() error {
	select {
	case <-s.done:
		return fmt.Errorf("%s has ended by itself (%s). Its last words, from %s:\n%s",
			s.name, s.cmd.ProcessState, s.log, tail(s.log, 12))
	default:
		return nil
	}
}

func tail(file string, n int) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// killAll is the crash: every process of the server at once, without a word.
func (s *server) killAll() int {
	killed := s.kill()
	<-s.done
	return killed
}

func (s *server) kill() int {
	root := 0
	select {
	case <-s.done:
	default:
		root = s.pid()
	}
	pids := family(root, s.dir)
	for _, pid := range pids {
		// One that has ended meanwhile needs no killing.
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	return len(pids)
}

// stopTime is what PostgreSQL may take to end cleanly.
const stopTime = 10 * time.Second

// stop ends a server as an operator would, then what is left of it.
func (s *server) stop() error {
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // already ended: the better
	select {
	case <-s.done:
	case <-time.After(stopTime):
	}
	for deadline := time.Now().Add(stopTime); s.kill() > 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("processes of %s do not end: %v", s.name, family(0, s.dir))
		}
	}
	<-s.done
	return nil
}

// family is a process with all that descends from it, and whatever works below a
// directory: a PostgreSQL backend whose parent was killed still works in its data.
func family(root int, dir string) []int {
	parents, below := processes(dir)
	in := map[int]bool{}
	for pid := range parents {
		if below[pid] || pid == root || descends(parents, pid, root) {
			in[pid] = true
		}
	}
	delete(in, os.Getpid())
	pids := make([]int, 0, len(in))
	for pid := range in {
		pids = append(pids, pid)
	}
	return pids
}

func descends(parents map[int]int, pid, root int) bool {
	for ; pid > 1; pid = parents[pid] {
		if parents[pid] == root {
			return root != 0
		}
	}
	return false
}

// processes reads from /proc every living process's parent, and which of them
// work below a directory.
func processes(dir string) (parents map[int]int, below map[int]bool) {
	parents, below = map[int]int{}, map[int]bool{}
	entries, _ := filepath.Glob("/proc/[0-9]*")
	for _, entry := range entries {
		stat, err := os.ReadFile(filepath.Join(entry, "stat"))
		_, rest, ok := bytes.Cut(stat, []byte(") ")) // the name before it may hold anything
		fields := strings.Fields(string(rest))
		if err != nil || !ok || len(fields) < 2 || fields[0] == "Z" {
			continue // it has ended
		}
		pid, _ := strconv.Atoi(filepath.Base(entry))
		parents[pid], _ = strconv.Atoi(fields[1])
		cwd, _ := os.Readlink(filepath.Join(entry, "cwd"))
		below[pid] = cwd == dir || strings.HasPrefix(cwd, dir+"/")
	}
	return parents, below
}

// run runs a command of the operator to its end and gives each line as it comes.
func run(ctx context.Context, each func(string), name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = time.Second
	reader, writer, err := os.Pipe()
	if err != nil {
		return err
	}
	defer reader.Close()
	cmd.Stdout, cmd.Stderr = writer, writer
	err = cmd.Start()
	if errClose := writer.Close(); err != nil || errClose != nil {
		return errors.Join(err, errClose)
	}
	var last string
	for lines := bufio.NewScanner(reader); lines.Scan(); {
		last = lines.Text()
		each(last)
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", filepath.Base(name), strings.Join(args, " "), err, last)
	}
	return nil
}
