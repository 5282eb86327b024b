package acceptance

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// idleSpan is how long both servers are watched for one measurement.
const idleSpan = 4 * time.Second

// BenchmarkIdle measures what each server costs while nobody calls, without its
// PostgreSQL: the share of a core, and the memory in use.
func BenchmarkIdle(b *testing.B) {
	s := benchSite(b)
	watched := []*idler{newIdler(s.main), newIdler(s.secondary)}
	for b.Loop() {
		for _, w := range watched {
			w.begin(b)
		}
		<-time.After(idleSpan) // the span that is measured
		for _, w := range watched {
			w.end(b)
		}
	}
	for _, w := range watched {
		w.processor.report(b)
		w.memory.report(b)
	}
}

// idler is a server that has nothing to do.
type idler struct {
	server            *server
	processor, memory figure
	began             time.Time
	used              time.Duration // of a processor, when the span began
}

func newIdler(s *server) *idler {
	return &idler{server: s,
		processor: figure{name: string(s.seat) + "-core", unit: "%"},
		memory:    figure{name: string(s.seat) + "-memory", unit: "MiB"}}
}

func (i *idler) begin(b *testing.B) {
	i.began, i.used = time.Now(), must(processorTime(i.server.pid()))(b)
}

func (i *idler) end(b *testing.B) {
	used := must(processorTime(i.server.pid()))(b) - i.used
	i.processor.values = append(i.processor.values, 100*float64(used)/float64(time.Since(i.began)))
	i.memory.values = append(i.memory.values, must(residentMemory(i.server.pid()))(b))
}

func (s *server) pid() int { return s.process.cmd.Process.Pid }

// must passes a value on, or ends the benchmark.
func must[T any](value T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// processorTime is what all threads of a process have run, to the nanosecond
// (proc(5) has no finer one for the whole process than hundredths of a second).
func processorTime(pid int) (time.Duration, error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if len(files) == 0 {
		return 0, errors.Join(err, fmt.Errorf("process %d has no /proc/PID/task/*/schedstat: has it ended, or does the kernel lack CONFIG_SCHED_INFO?", pid))
	}
	var sum time.Duration
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			return 0, err
		}
		running, _, _ := bytes.Cut(raw, []byte(" "))
		ns, err := strconv.ParseInt(string(running), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", file, err)
		}
		sum += time.Duration(ns)
	}
	return sum, nil
}

// residentMemory is what a process holds of the machine's memory, in MiB.
func residentMemory(pid int) (float64, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, err
	}
	fields := bytes.Fields(raw)
	if len(fields) < 2 {
		return 0, fmt.Errorf("process %d: statm has no resident size: %q", pid, raw)
	}
	pages, err := strconv.ParseInt(string(fields[1]), 10, 64)
	return float64(pages*int64(os.Getpagesize())) / (1 << 20), err
}
