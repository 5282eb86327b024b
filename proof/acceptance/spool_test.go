package acceptance

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"releve"
)

// factOnDisk is how a fact begins in the spool: JSON between the records' frames.
var factOnDisk = regexp.MustCompile(`\{"id":"([A-Z2-7]{26})","kind":"(?:call|step|end)"[^\n]*?\}\}`)

// spooledFacts are the facts in a dead server's spool, read from its disk.
func (s *server) spooledFacts(t testing.TB) []releve.FactID {
	t.Helper()
	var found []releve.FactID
	err := filepath.WalkDir(filepath.Join(s.data, "spool"), func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		raw, err := os.ReadFile(file)
		for _, fact := range factOnDisk.FindAllSubmatch(raw, -1) {
			found = append(found, releve.FactID(fact[1]))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// errJoinMissing says which of the facts are not there exactly once.
func errJoinMissing(err error, wanted []releve.FactID, found map[releve.FactID]int) error {
	missing := []error{err}
	for _, id := range wanted {
		if found[id] != 1 {
			missing = append(missing, fmt.Errorf("fact %s is there %d times", id, found[id]))
		}
	}
	return errors.Join(missing...)
}
