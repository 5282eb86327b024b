package journal

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"releve"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// duty is a payload such as the agent keeps.
type duty struct {
	Term  int    `json:"term"`
	Owner string `json:"owner"`
}

func open(t *testing.T, dir string) *Journal {
	t.Helper()
	j, err := Open(dir, "site-1", releve.Main)
	must(t, err)
	return j
}

// holds fails unless the journal holds want.
func holds(t *testing.T, j *Journal, want duty) {
	t.Helper()
	payload, ok, err := j.Load()
	must(t, err)
	var got duty
	if ok {
		must(t, json.Unmarshal(payload, &got))
	}
	if !ok || got != want {
		t.Errorf("the journal holds %+v (%t), expected %+v", got, ok, want)
	}
}

func TestWhatWasSavedIsThereAfterARestart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	j := open(t, dir)
	if _, ok, err := j.Load(); ok || err != nil {
		t.Errorf("a new journal holds something: %t, %v", ok, err)
	}
	must(t, j.Save(duty{1, "main"}))
	must(t, j.Save(duty{2, "secondary"}))
	holds(t, j, duty{2, "secondary"})
	holds(t, open(t, dir), duty{2, "secondary"})
}

func TestTheVersionBeforeIsKeptForAHumanAndNeverUsed(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	must(t, j.Save(duty{1, "main"}))
	must(t, j.Save(duty{2, "main"}))
	kept, err := os.ReadFile(filepath.Join(dir, previous))
	must(t, err)
	if !strings.Contains(string(kept), `"term":1`) {
		t.Errorf("kept: %s", kept)
	}
	must(t, os.Remove(filepath.Join(dir, name)))
	if _, err := Open(dir, "site-1", releve.Main); !errors.Is(err, ErrDamaged) {
		t.Errorf("a journal that is gone: %v", err)
	}
}

// refused fails unless the journal is refused with cause and left as it is.
func refused(t *testing.T, dir, site string, seat releve.Seat, cause error) {
	t.Helper()
	path := filepath.Join(dir, name)
	before, err := os.ReadFile(path)
	must(t, err)
	if _, err = Open(dir, site, seat); !errors.Is(err, cause) || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v, expected %v", err, cause)
	}
	after, err := os.ReadFile(path)
	must(t, err)
	if !bytes.Equal(before, after) {
		t.Error("the refused journal was changed")
	}
}

func TestAJournalOfAnotherServerIsRefused(t *testing.T) {
	dir := t.TempDir()
	must(t, open(t, dir).Save(duty{1, "main"}))
	refused(t, dir, "site-2", releve.Main, ErrOtherSite)
	refused(t, dir, "site-1", releve.Secondary, ErrOtherSeat)
	holds(t, open(t, dir), duty{1, "main"})
}

func TestADamagedJournalIsRefusedWhereverItIsCutOrChanged(t *testing.T) {
	dir := t.TempDir()
	must(t, open(t, dir).Save(duty{1, "main"}))
	path := filepath.Join(dir, name)
	whole, err := os.ReadFile(path)
	must(t, err)
	for i := range whole {
		must(t, os.WriteFile(path, whole[:i], 0o600))
		refused(t, dir, "site-1", releve.Main, ErrDamaged)
		changed := bytes.Clone(whole)
		changed[i] ^= 0x04
		must(t, os.WriteFile(path, changed, 0o600))
		refused(t, dir, "site-1", releve.Main, ErrDamaged)
	}
}

func TestAnotherFormatIsRefused(t *testing.T) {
	dir := t.TempDir()
	content, err := encode(header{Format: "releve-journal-9", Site: "site-1", Seat: releve.Main}, json.RawMessage(`{}`))
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, name), content, 0o600))
	refused(t, dir, "site-1", releve.Main, ErrOtherVersion)
}

func TestASaveThatCannotBeginLeavesTheOneBefore(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	must(t, j.Save(duty{1, "main"}))
	must(t, os.Mkdir(filepath.Join(dir, fresh), 0o700)) // no file can be written there
	if err := j.Save(duty{2, "main"}); err == nil || errors.Is(err, ErrUnsure) {
		t.Errorf("got %v", err)
	}
	holds(t, j, duty{1, "main"})
	must(t, os.Remove(filepath.Join(dir, fresh)))
	must(t, j.Save(duty{3, "main"}))
	holds(t, open(t, dir), duty{3, "main"})
}

func TestASaveThatCannotEndMakesTheJournalUnsure(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	must(t, os.Mkdir(filepath.Join(dir, name), 0o700)) // nothing can be renamed to it
	for range 2 {
		if err := j.Save(duty{1, "main"}); err == nil {
			t.Error("saved over a directory")
		}
	}
}

// TestAWedgedDiskEndsTheSave writes to a pipe that nobody reads: the kernel holds the
// writer as a wedged disk does.
func TestAWedgedDiskEndsTheSave(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	must(t, j.Save(duty{1, "main"}))
	pipe := filepath.Join(dir, fresh)
	must(t, syscall.Mkfifo(pipe, 0o600))
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := j.SaveWithin(ctx, duty{2, "main"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if err := j.Save(duty{3, "main"}); !errors.Is(err, ErrUnsure) {
		t.Errorf("a save after a wedged one: %v", err)
	}
	if _, ok, err := j.Load(); ok || !errors.Is(err, ErrUnsure) {
		t.Errorf("a load after a wedged save: %t, %v", ok, err)
	}
	reader, err := os.Open(pipe) // the save that was given up ends, not well: a pipe takes no fsync
	must(t, err)
	defer reader.Close()
	holds(t, open(t, dir), duty{1, "main"})
	must(t, os.Remove(pipe))
	goesOn(t, j, dir, 2)
}

// goesOn fails unless j, once the save that was given up has ended, takes the next one with
// this sequence: a server whose disk stalled and answers again goes on without a restart.
func goesOn(t *testing.T, j *Journal, dir string, sequence uint64) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		err := j.Save(duty{3, "main"})
		if err == nil {
			break
		}
		if !errors.Is(err, ErrUnsure) || time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	holds(t, j, duty{3, "main"})
	again := open(t, dir)
	holds(t, again, duty{3, "main"})
	if s := <-again.turn; s.header.Sequence != sequence {
		t.Errorf("sequence %d, expected %d", s.header.Sequence, sequence)
	}
}

// The save that was given up can have ended well: what the disk holds then is its payload.
func TestASaveThatWasGivenUpCanHaveEndedWell(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	must(t, j.Save(duty{1, "main"}))
	s := <-j.turn
	begun := make(chan result, 1)
	j.turn <- state{header: s.header, payload: s.payload, unsure: ErrUnsure, begun: begun}
	line, err := json.Marshal(duty{2, "main"})
	must(t, err)
	begun <- j.save(s, line)
	holds(t, j, duty{2, "main"})
	goesOn(t, j, dir, 3)
}

func TestASaveWaitsForItsTurnNoLongerThanItsContext(t *testing.T) {
	j := open(t, t.TempDir())
	s := <-j.turn // another save is running
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := j.SaveWithin(ctx, duty{1, "main"}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	j.turn <- s
	must(t, j.Save(duty{1, "main"}))
}
