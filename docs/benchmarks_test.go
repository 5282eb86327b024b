package docs_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// measured is what `go test -bench` prints of a run in which nothing misses its must.
const measured = `goos: linux
BenchmarkPacing200-2 5 1 ns/op 100.0 on-time-median-% 99.95 on-time-worst-% 0.3 p99-median-ms 0.6 p99-worst-ms 13 cpu-median-µs 17 cpu-worst-µs 99.7 ticker-on-time-median-%
BenchmarkMirroredCommit-2 50 1 ns/op 3485 commits-median-/s 1882 commits-worst-/s 50 commits-n 3478 postgresql-median-/s 1.02 commits-ratio
BenchmarkMirroredDrain-2 50 1 ns/op 21501 facts-median-/s 14386 facts-worst-/s 3227 postgresql-median-/s 6.58 facts-ratio
BenchmarkRefusal-2 7 1 ns/op 3 refusal-median-ms 5.5 refusal-p99-ms 280 refusal-n
BenchmarkRefusalWhileEveryChannelIsBusy-2 7 1 ns/op 3.6 refusal-median-ms 6.7 refusal-p99-ms
BenchmarkMainKilled-2 7 1 ns/op 0.8 answer-median-ms 1.1 answer-worst-ms 3 stored-median-ms 5 stored-worst-ms 3120 return-median-ms 3330 return-worst-ms 0 return-refused-median-calls 0 return-refused-worst-calls
BenchmarkMainKilledWhileCallsOverflowAtOnce-2 7 1 ns/op 224 answer-median-ms 226 answer-worst-ms 302 stored-median-ms 317 stored-worst-ms 318 bare-pair-median-ms
BenchmarkMainFrozen-2 7 1 ns/op 304 answer-median-ms 305 answer-worst-ms 406 stored-median-ms 427 stored-worst-ms
BenchmarkMainKilledAtNight-2 7 1 ns/op 444 relieved-median-ms 480 relieved-worst-ms
BenchmarkMirrorAbdicates-2 7 1 ns/op 39 commits-again-median-ms 44 commits-again-worst-ms
BenchmarkSecondaryKilledWithWitness-2 7 1 ns/op 928 commits-again-median-ms 1100 commits-again-worst-ms
BenchmarkMainKilledWhileAlone-2 7 1 ns/op 1.8 answer-median-ms 2.7 answer-worst-ms
BenchmarkBackupSwitchover-2 7 1 ns/op 1500 well-median-ms 2000 well-worst-ms 300 dead-median-ms 500 dead-worst-ms
BenchmarkIdle-2 7 1 ns/op 0.4 main-core-median-% 0.49 main-core-worst-% 0.4 secondary-core-median-% 0.45 secondary-core-worst-% 39 main-memory-median-MiB 40 main-memory-worst-MiB 29 secondary-memory-median-MiB 30 secondary-memory-worst-MiB
BenchmarkStart-2 3 1 ns/op 4070 start-median-ms 4330 start-worst-ms
`

// table has scripts/bench.sh lay out what was printed.
func table(t *testing.T, printed string) (table, complaints string, code int) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "printed")
	if err := os.WriteFile(file, []byte(printed), 0o600); err != nil {
		t.Fatal(err)
	}
	draw := exec.CommandContext(t.Context(), "scripts/bench.sh", file)
	draw.Dir = ".."
	var out, wrong strings.Builder
	draw.Stdout, draw.Stderr = &out, &wrong
	if err := draw.Run(); draw.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), wrong.String(), draw.ProcessState.ExitCode()
}

func TestAFigureThatMissesItsMustIsMarkedAndEndsWithAnError(t *testing.T) {
	for _, c := range []struct{ name, was, is, marked, says string }{
		{"nothing misses", "", "", "", ""},
		{"a worst at its bound", "480 relieved-worst-ms", "3500 relieved-worst-ms", "", ""},
		{"a median below that of its own", "224 answer-median-ms", "699 answer-median-ms", "", ""},
		{"a worst between that of the median and its own", "427 stored-worst-ms", "2500 stored-worst-ms", "", ""},
		{"a median over that of its own", "224 answer-median-ms", "701 answer-median-ms", "**701 ms ✗** | 226 ms", "calls overflow at once: overflow → 200 OK: 701 ms misses its must: 0.7 s, worst 2 s"},
		{"a worst over that of its own", "427 stored-worst-ms", "3001 stored-worst-ms", "406 ms | **3.00 s ✗**", "active frozen, the PBX waits 1 s for it: overflow → 200 OK, → first row stored: 3.00 s misses"},
		{"a p99 over the one bound", "5.5 refusal-p99-ms", "51 refusal-p99-ms", "3.00 ms | **p99 51.0 ms ✗**", "p99 51.0 ms misses its must: 50 ms"},
		{"a share at what it must be under", "0.4 main-core-median-%", "1 main-core-median-%", "**1.00 % ✗** | 0.49 %", "idle main, share of a core: 1.00 % misses its must: < 0.5 %, worst < 1 %"},
		{"a worst share alone", "0.45 secondary-core-worst-%", "1.2 secondary-core-worst-%", "0.40 % | **1.20 % ✗**", "idle secondary"},
		{"a share under what it must reach", "99.95 on-time-worst-%", "99.8 on-time-worst-%", "100.00 % | **99.80 % ✗**", "≥ 99.9 %"},
		{"a call where none may be", "0 return-refused-worst-calls", "1 return-refused-worst-calls", "0 calls | **1 calls ✗**", "callers refused"},
		{"a ratio below its own", "1.02 commits-ratio", "0.94 commits-ratio", "3485 /s | 1882 /s | 50 | ≥ 0.95 × PostgreSQL | ≥ 1 × | PostgreSQL's synchronous commit: 3478 /s | **0.94 ✗**", "0.94 misses"},
		{"something that has no must", "4330 start-worst-ms", "433000 start-worst-ms", "", ""},
		{"nothing measured", "4070 start-median-ms", "", "", "nothing was measured for: whole site from nothing to protected"},
		{"no worst measured", "44 commits-again-worst-ms", "", "", "nothing was measured for: mirror's PostgreSQL killed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.was != "" && strings.Count(measured, c.was) != 1 {
				t.Fatalf("%q is not printed once", c.was)
			}
			drawn, complaints, code := table(t, strings.Replace(measured, c.was, c.is, 1))
			marks := 0
			if c.marked != "" {
				marks = 1
			}
			if strings.Count(drawn, "✗") != marks || !strings.Contains(drawn, "| "+c.marked) {
				t.Errorf("%q is not what is marked:\n%s", c.marked, drawn)
			}
			if wrong := c.says != ""; (code == 1) != wrong || (complaints != "") != wrong || !strings.Contains(complaints, c.says) {
				t.Errorf("exit code %d, and it says %q, not %q", code, complaints, c.says)
			}
		})
	}
}

// The page is written all the same: whoever looks finds the figure that missed, and its mark.
func TestAWholeRunWritesItsPageBeforeItEndsWithAnError(t *testing.T) {
	script, err := filepath.Abs("../scripts/bench.sh")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		core, drawn string
		code        int
	}{
		{"0.4", "| 0.40 % | 0.49 % |", 0},
		{"1.3", "| **1.30 % ✗** | 0.49 % |", 1},
	} {
		dir := t.TempDir()
		printed := strings.Replace(measured, "0.4 main-core-median-%", c.core+" main-core-median-%", 1)
		for name, text := range map[string]string{
			"go":                 "#!/bin/sh\n[ \"$2\" != ./adapters/phone/media ] || cat printed\n",
			"printed":            printed,
			"docs/benchmarks.md": "before\n<!-- measured -->\nold\n<!-- end -->\nbehind\n",
		} {
			if err := errors.Join(os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700), os.WriteFile(filepath.Join(dir, name), []byte(text), 0o700)); err != nil {
				t.Fatal(err)
			}
		}
		run := exec.CommandContext(t.Context(), script)
		run.Dir, run.Env = dir, append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
		said, _ := run.CombinedOutput()
		if run.ProcessState.ExitCode() != c.code {
			t.Errorf("exit code %d:\n%s", run.ProcessState.ExitCode(), said)
		}
		page := read(t, filepath.Join(dir, "docs/benchmarks.md"))
		if !strings.HasPrefix(page, "before\n<!-- measured -->\n") || !strings.HasSuffix(page, "\n<!-- end -->\nbehind\n") ||
			!strings.Contains(page, c.drawn) || strings.Contains(page, "old") {
			t.Errorf("the page has not the figures:\n%s", page)
		}
	}
}
