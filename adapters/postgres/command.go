package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"releve"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// environment of every program: nothing of ours leaks into it, and its messages
// are the English ones that we read.
var environment = []string{"LC_ALL=C.UTF-8", "TZ=UTC", "PATH=/usr/bin:/bin"}

// forgetVariables takes PostgreSQL's variables out of our own environment. The driver of our
// sessions reads them by itself, and whoever starts us may have set them for his own.
func forgetVariables() {
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "PG") {
			_ = os.Unsetenv(name) // a name without "=" can always be unset
		}
	}
}

// run is runTo for a program whose output is short.
func (c *Cluster) run(ctx context.Context, in string, line func(string), program string, args ...string) (string, error) {
	var out bytes.Buffer
	err := c.runTo(ctx, &out, in, line, program, args...)
	return out.String(), err
}

// runTo is runProgram for a program that has all it needs.
func (c *Cluster) runTo(ctx context.Context, out io.Writer, in string, line func(string), name string, args ...string) error {
	return c.runProgram(ctx, program{name: name, args: args, in: in, out: out, line: line})
}

// program is one of PostgreSQL's, with what goes in and what comes out.
type program struct {
	name    string
	args    []string
	in      string
	out     io.Writer
	line    func(string)  // each line of its standard error, as it comes; may be nil
	started func(pid int) // may be nil
}

// runProgram runs a program to its end under the account. Its last lines are in the error.
// When ctx ends, it and its children are killed.
func (c *Cluster) runProgram(ctx context.Context, p program) error {
	who, err := c.account()
	if err != nil {
		return err
	}
	programs, err := c.programs()
	if err != nil {
		return err
	}
	complaints := &lineWriter{each: p.line}
	cmd := exec.CommandContext(ctx, filepath.Join(programs.Bin, p.name), p.args...)
	cmd.Dir, cmd.Env, cmd.Stdin = c.opts.Dir, environment, strings.NewReader(p.in)
	cmd.Stdout, cmd.Stderr = p.out, complaints
	cmd.SysProcAttr = who.process(syscall.SIGKILL)
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second // a grandchild may hold our pipes
	err = onOneThread(func() error {
		if err := cmd.Start(); err != nil {
			return err
		}
		goesBefore(cmd.Process.Pid, sessionScore)
		if p.started != nil {
			p.started(cmd.Process.Pid)
		}
		return cmd.Wait()
	})
	complaints.flush()
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return releve.Because(context.Cause(ctx), p.name+" was ended", "cause-program-stopped", "program", p.name)
	case errors.Is(err, fs.ErrPermission):
		return c.notTraversable(who, err)
	}
	return &programError{program: p.name, err: err, lines: complaints.lines()}
}

// notTraversable explains why the account could not even start a program.
func (c *Cluster) notTraversable(who account, err error) error {
	for _, path := range []string{c.opts.Dir, c.installation().Bin} {
		if dir := who.blame(path); dir != "" {
			return releve.Explained(err,
				fmt.Sprintf("the account %q may not pass through %s: run `chmod o+x %s`, or choose another directory: %v",
					who.name, dir, dir, err),
				"cause-not-traversable", "account", who.name, "directory", dir)
		}
	}
	return err
}

// onOneThread runs f on a thread that lives as long as f: a child's parent-death
// signal is sent when the thread that forked it ends, not the process (prctl(2)).
func onOneThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		done <- f()
	}()
	return <-done
}

// programError is a program that ended badly, with what it said last.
type programError struct {
	program string
	err     error
	lines   []string
}

func (e *programError) Error() string {
	if len(e.lines) == 0 {
		return fmt.Sprintf("%s: %v", e.program, e.err)
	}
	return fmt.Sprintf("%s: %v: %s", e.program, e.err, e.text())
}

// Sentence is the end of a program as people read it, its own words in quotation marks.
func (e *programError) Sentence() releve.Sentence {
	return releve.Say("cause-program", "program", e.program, "why", releve.Reason(e.err), "cause", e.text())
}

func (e *programError) Unwrap() error { return e.err }

// text is the program's last lines as one.
func (e *programError) text() string { return strings.Join(e.lines, " / ") }

func (e *programError) said(text string) bool { return strings.Contains(e.text(), text) }

const (
	lastLines = 12       // enough for an error with its detail and hint
	longLine  = 16 << 10 // a line without end is cut here
)

// lineWriter hands on each line written to it and keeps the last ones.
type lineWriter struct {
	each func(string) // may be nil

	mu      sync.Mutex
	partial []byte
	last    []string
}

// Write never fails. Progress reports end their lines with a carriage return.
func (w *lineWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.partial = append(w.partial, p...)
	for {
		end := bytes.IndexAny(w.partial, "\r\n")
		if end < 0 {
			break
		}
		w.emit(string(w.partial[:end]))
		w.partial = w.partial[end+1:]
	}
	if len(w.partial) > longLine {
		w.emit(string(w.partial))
		w.partial = nil
	}
	return len(p), nil
}

func (w *lineWriter) emit(line string) {
	line = strings.TrimSpace(line)
	if line == "" {
		return
	}
	w.last = append(w.last, line)
	if len(w.last) > lastLines {
		w.last = w.last[1:]
	}
	if w.each != nil {
		w.each(line)
	}
}

func (w *lineWriter) flush() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.emit(string(w.partial))
	w.partial = nil
}

func (w *lineWriter) lines() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.last...)
}
