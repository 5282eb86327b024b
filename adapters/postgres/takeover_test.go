package postgres

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"releve"
	"releve/proof/practice/freeze"
	"releve/rules/takeover"
)

// Nothing is started that is another's, or that nobody can tell whose it is.
func TestADiskInTheWordsOfTheTakeover(t *testing.T) {
	c := alone(t)
	runs := Takeover{NewRunner(c, nil, func(releve.Sentence) {})}
	disk, id, err := runs.Disk()
	if err != nil || disk != takeover.DiskOurs || id == "" {
		t.Errorf("our own is %q %q, %v", disk, id, err)
	}
	must(t, c.Stop(within(t), true))
	if why := runs.Why(); why == "" {
		t.Error("nobody can say why it exited")
	}
	if _, _, err := runs.Look(within(t)); err == nil {
		t.Error("it is up after its end")
	}
	must(t, os.RemoveAll(c.dataDir()))
	if disk, _, err := runs.Disk(); err != nil || disk != takeover.DiskEmpty {
		t.Errorf("without data it is %q, %v", disk, err)
	}
	must(t, os.MkdirAll(c.dataDir(), 0o700))
	must(t, os.WriteFile(filepath.Join(c.dataDir(), "PG_VERSION"), []byte("15\n"), 0o600))
	if disk, _, err := runs.Disk(); err != nil || disk != takeover.DiskForeign {
		t.Errorf("a stranger's is %q, %v", disk, err)
	}
}

// A busy disk is not yet a lost database.
func TestALateProofOfHealthIsSlow(t *testing.T) {
	c := alone(t)
	runs := Takeover{NewRunner(c, nil, func(releve.Sentence) {})}
	if err := runs.Health(within(t)); err != nil {
		t.Error(err)
	}
	postmaster := c.postmaster().cmd.Process
	freeze.Stop(t, postmaster.Pid)
	if err := runs.Health(within(t)); !errors.Is(err, releve.ErrSlow) || !errors.Is(err, ErrNoAnswer) {
		t.Errorf("a postmaster that is held is told as %v", err)
	}
	must(t, postmaster.Signal(syscall.SIGCONT))
}
