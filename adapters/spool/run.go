package spool

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/google/renameio/v2"

	"releve"
)

// The file "run" beside the spool names the runs of this server that nobody has recorded as
// over, the present one last. Who holds the spool's lock is the only process of the server, so
// that all others in it are over.
type runs struct {
	path string
	own  releve.RunID

	mu   sync.Mutex
	open []releve.RunID // without our own
}

// beginRun takes a name for this run and makes it durable beside those before. A file that
// cannot be written or read keeps nobody from serving: calls are answered all the same, and
// those that a crash cuts may stay without their end.
func beginRun(dir string, newDisk bool) (*runs, error) {
	r := &runs{path: filepath.Join(dir, "run"), own: releve.NewRunID()}
	raw, err := os.ReadFile(r.path)
	if err == nil {
		err = json.Unmarshal(raw, &r.open)
	}
	if newDisk || err != nil {
		// Runs of before are not known by name: of another version, or of a disk that was lost.
		r.open = append(r.open, "")
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return r, errors.Join(err, r.write(append(slices.Clone(r.open), r.own)))
}

func (r *runs) write(all []releve.RunID) error {
	raw, err := json.Marshal(all)
	if err == nil {
		err = renameio.WriteFile(r.path, append(raw, '\n'), 0o600)
	}
	if err == nil {
		err = syncDir(filepath.Dir(r.path))
	}
	if err != nil {
		return fmt.Errorf("%s: %w", r.path, err)
	}
	return nil
}

// Run is the name of this run, that its calls are recorded with.
func (s *Spool) Run() releve.RunID { return s.runs.own }

// Earlier are the runs of this server that are over and not recorded so; "" is any whose name
// is not known.
func (s *Spool) Earlier() []releve.RunID {
	s.runs.mu.Lock()
	defer s.runs.mu.Unlock()
	return slices.Clone(s.runs.open)
}

// Recorded is called once the earlier runs are recorded as over: they are not told again.
func (s *Spool) Recorded() error {
	s.runs.mu.Lock()
	defer s.runs.mu.Unlock()
	s.runs.open = []releve.RunID{}
	return s.runs.write([]releve.RunID{s.runs.own})
}

// Finished is called when every call of this run has its end in the spool: nobody has to
// record later that it is over.
func (s *Spool) Finished() error {
	s.runs.mu.Lock()
	defer s.runs.mu.Unlock()
	return s.runs.write(s.runs.open)
}
