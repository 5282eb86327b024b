package diary

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"releve"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, dir string, opt Options) *Diary {
	t.Helper()
	opt.Seat = releve.Main
	d, err := Open(dir, opt)
	must(t, err)
	t.Cleanup(func() { _ = d.Close() }) // most tests close it themselves
	return d
}

func entry(at time.Time, code string) releve.Entry {
	return releve.Entry{At: at, Seat: releve.Main, Kind: "decision", What: releve.Say(code), Call: "call-" + releve.CallID(code)}
}

// recent are the last n entries, newest last.
func recent(d *Diary, n int) ([]releve.Entry, error) { return d.Read(time.Time{}, time.Time{}, n) }

func codes(entries []releve.Entry, err error) (codes []string) {
	if err != nil {
		return []string{err.Error()}
	}
	for _, e := range entries {
		codes = append(codes, e.What.Code)
	}
	return codes
}

func expect(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("read %q, expected %q", got, want)
	}
}

func TestWhatWasWrittenIsReadByTime(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "diary")
	d := open(t, dir, Options{})
	d.Write(entry(noon.AddDate(0, 0, -1), "yesterday"))
	d.Write(entry(noon, "noon"))
	d.Write(entry(noon.Add(time.Minute), "later"))
	must(t, d.Flush(within(t)))
	expect(t, codes(recent(d, 10)), "yesterday", "noon", "later")
	expect(t, codes(recent(d, 2)), "noon", "later")
	expect(t, codes(d.Read(noon, noon, 10)), "noon")
	expect(t, codes(d.Read(noon.Add(-36*time.Hour), noon, 10)), "yesterday", "noon")
	must(t, d.Close())
	d = open(t, dir, Options{})
	d.Write(entry(noon.Add(2*time.Minute), "after a restart"))
	must(t, d.Close())
	all, err := recent(d, 10)
	must(t, err)
	expect(t, codes(all, nil), "yesterday", "noon", "later", "after a restart")
	if all[1].Call != "call-noon" || !all[1].At.Equal(noon) {
		t.Errorf("read %+v", all[1])
	}
	if err := d.Flush(within(t)); !errors.Is(err, ErrClosed) {
		t.Errorf("flush after close: %v", err)
	}
}

// spoil writes the first file of noon's day anew.
func spoil(t *testing.T, dir string, change func(content string) string) {
	t.Helper()
	path := filepath.Join(dir, "2026-11-24.0000.jsonl")
	content, err := os.ReadFile(path)
	must(t, err)
	must(t, os.WriteFile(path, []byte(change(string(content))), 0o600))
}

func TestALineCutShortByACrashIsCutOffAndSaid(t *testing.T) {
	dir := t.TempDir()
	d := open(t, dir, Options{})
	d.Write(entry(noon, "before"))
	must(t, d.Close())
	var whole string
	spoil(t, dir, func(content string) string {
		whole = content
		return content + content[:len(content)/2]
	})
	d = open(t, dir, Options{})
	expect(t, codes(recent(d, 10)), "before") // whoever only reads changes nothing
	d.Write(entry(noon, "after"))
	must(t, d.Close())
	all, err := recent(d, 10)
	must(t, err)
	expect(t, codes(all, nil), "before", "after", Cut)
	if said := all[2].What.Args; said["bytes"] != strconv.Itoa(len(whole)/2) || said["file"] != "2026-11-24.0000.jsonl" || all[2].Seat != releve.Main {
		t.Errorf("%s said %v, cut were %d bytes", all[2].Seat, said, len(whole)/2)
	}
	spoil(t, dir, func(content string) string {
		if !strings.HasPrefix(content, whole) {
			t.Errorf("what stood before the cut was changed: %s", content)
		}
		return content
	})
}

// A diary of one line, and that one torn.
func TestALineThatIsAllOfTheDiaryIsCutOffAndSaid(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "2026-11-24.0000.jsonl"), []byte(`{"at":"2026-`), 0o600))
	d := open(t, dir, Options{})
	d.Write(entry(noon, "after"))
	must(t, d.Close())
	expect(t, codes(recent(d, 10)), "after", Cut)
}

func TestLinesThatDoNotReadAreSaidAndLeftAsTheyAre(t *testing.T) {
	dir := t.TempDir()
	d := open(t, dir, Options{})
	for i := range 6 {
		d.Write(entry(noon.Add(time.Duration(i)*time.Minute), strconv.Itoa(i)))
	}
	d.Write(entry(noon.AddDate(0, 0, 1), "the day after"))
	must(t, d.Close())
	spoil(t, dir, func(content string) string {
		lines := strings.SplitAfter(content, "\n")
		lines[0] = "#" + lines[0]
		lines[3], lines[4] = lines[3][1:], "\n"
		lines[5] = strings.TrimSpace(lines[5])[:20] // no newer file of that day comes behind it
		return strings.Join(lines, "")
	})
	before, err := os.ReadFile(filepath.Join(dir, "2026-11-24.0000.jsonl"))
	must(t, err)
	d = open(t, dir, Options{})
	d.Write(entry(noon.AddDate(0, 0, 1), "a restart"))
	must(t, d.Close())
	all, err := recent(d, 20)
	must(t, err)
	expect(t, codes(all, nil), Unreadable, "1", "2", Unreadable, "the day after", "a restart")
	if all[0].What.Args["count"] != "1" || all[3].What.Args["count"] != "3" || !all[3].At.Equal(all[2].At) {
		t.Errorf("said %v and %v at %v", all[0].What, all[3].What, all[3].At)
	}
	expect(t, codes(d.Read(noon.Add(time.Minute), noon.Add(time.Minute), 10)), Unreadable, "1")
	after, err := os.ReadFile(filepath.Join(dir, "2026-11-24.0000.jsonl"))
	must(t, err)
	if string(before) != string(after) {
		t.Error("the damaged file was changed")
	}
}

func TestTheOldestFilesGoAtTheBound(t *testing.T) {
	dir := t.TempDir()
	const bound = 32 << 10
	d := open(t, dir, Options{Bytes: bound})
	for i := range 1000 {
		d.Write(entry(noon.Add(time.Duration(i)*time.Hour), strconv.Itoa(i)))
		if i%100 == 0 {
			must(t, d.Flush(within(t)))
		}
	}
	must(t, d.Close())
	files, err := list(dir)
	must(t, err)
	var total int64
	for _, f := range files {
		total += f.size
	}
	if total > bound || total < bound/2 {
		t.Errorf("%d bytes are kept, the bound is %d", total, bound)
	}
	kept := codes(recent(d, 2000))
	if len(kept) < 10 || kept[len(kept)-1] != "999" || kept[0] == "0" {
		t.Errorf("%d entries are kept, from %s to %s", len(kept), kept[0], kept[len(kept)-1])
	}
}

func TestOneDayMayHaveSeveralFiles(t *testing.T) {
	dir := t.TempDir()
	d := open(t, dir, Options{Bytes: 16 << 10})
	var want []string
	for i := range 20 {
		want = append(want, strconv.Itoa(i))
		d.Write(entry(noon, want[i]))
	}
	must(t, d.Close())
	files, err := list(dir)
	must(t, err)
	if len(files) < 2 {
		t.Errorf("%d files", len(files))
	}
	expect(t, codes(recent(d, 100)), want...)
}

// TestWhatTheDiskDoesNotTakeIsCountedAndSaid takes the directory away and gives
// it back.
func TestWhatTheDiskDoesNotTakeIsCountedAndSaid(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "diary")
	d := open(t, dir, Options{})
	must(t, os.Remove(dir))
	for range 3 {
		d.Write(entry(noon, "lost"))
	}
	must(t, d.Flush(within(t)))
	must(t, os.Mkdir(dir, 0o700))
	d.Write(entry(noon, "kept"))
	must(t, d.Flush(within(t)))
	all, err := recent(d, 10)
	must(t, err)
	expect(t, codes(all, nil), "kept", Dropped)
	if n := all[1].What.Args["count"]; n != "3" || all[1].Seat != releve.Main {
		t.Errorf("said that %s were dropped, expected 3", n)
	}
}

// fullDisk is set in the process that [bounded] begins.
const fullDisk = "RELEVE_TEST_FULL_DISK"

// bounded plays the calling test in a process of its own, and says whether this is it: what
// bounds the size of a file there bounds the files of the test's own record as well.
func bounded(t *testing.T) bool {
	t.Helper()
	if os.Getenv(fullDisk) != "" {
		return true
	}
	own := exec.CommandContext(within(t), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	own.Env = append(os.Environ(), fullDisk+"=1")
	out, err := own.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("%v\n%s", err, out)
	}
	return false
}

// bound has the system refuse what lies behind so many bytes of a file, as a full disk does,
// until it is given back.
func bound(t *testing.T, bytes uint64) (free func()) {
	t.Helper()
	signal.Ignore(syscall.SIGXFSZ)
	var was syscall.Rlimit
	must(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &was))
	must(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: bytes, Max: was.Max}))
	return func() { must(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &was)) }
}

// TestAFullDiskTakesAStepWholeOrNotAtAll lets the disk take the first lines of steps and not
// their last.
func TestAFullDiskTakesAStepWholeOrNotAtAll(t *testing.T) {
	if !bounded(t) {
		return
	}
	dir := t.TempDir()
	d := open(t, dir, Options{})
	d.Write(entry(noon, "before"))
	must(t, d.Flush(within(t)))
	file, err := os.Stat(filepath.Join(dir, "2026-11-24.0000.jsonl"))
	must(t, err)
	free := bound(t, uint64(file.Size()*5/2))
	t.Cleanup(free)
	for range 3 {
		d.Write(entry(noon, "first"), entry(noon, "second"))
		must(t, d.Flush(within(t)))
	}
	free()
	d.Write(entry(noon, "after"))
	must(t, d.Close())
	all, err := recent(d, 10)
	must(t, err)
	expect(t, codes(all, nil), "before", "after", Dropped)
	if n := all[2].What.Args["count"]; n != "6" {
		t.Errorf("said that %s were dropped, expected 6", n)
	}
}

// TestAFullQueueDropsAndSaysSo writes while the writer does not take anything yet, as on
// a disk that does not answer.
func TestAFullQueueDropsAndSaysSo(t *testing.T) {
	d, err := prepare(t.TempDir(), Options{Seat: releve.Main, Queue: 2})
	must(t, err)
	for i := range 10 {
		d.Write(entry(noon, strconv.Itoa(i))) // would hang here if it waited
	}
	go d.keep()
	must(t, d.Close())
	all, err := recent(d, 10)
	must(t, err)
	expect(t, codes(all, nil), "0", Dropped, "1")
	if n := all[1].What.Args["count"]; n != "8" {
		t.Errorf("said that %s were dropped, expected 8", n)
	}
	d.Write(entry(noon, "after close"))
	if n := d.dropped.Load(); n != 1 {
		t.Errorf("%d dropped after close, expected 1", n)
	}
}

func TestFilesThatAreNotOursAreLeftAlone(t *testing.T) {
	dir := t.TempDir()
	for _, foreign := range []string{"notes.txt", "2026-11-24.txt", "2026-11-24.x.jsonl", "someday.0000.jsonl"} {
		must(t, os.WriteFile(filepath.Join(dir, foreign), []byte(strings.Repeat("x", 4096)), 0o600))
	}
	d := open(t, dir, Options{Bytes: 4096})
	d.Write(entry(noon, "ours"))
	must(t, d.Close())
	expect(t, codes(recent(d, 10)), "ours")
	if files, err := os.ReadDir(dir); err != nil || len(files) != 5 {
		t.Errorf("%d files: %v", len(files), err)
	}
}
