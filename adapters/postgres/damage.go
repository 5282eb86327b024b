package postgres

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"releve"
)

// PostgreSQL counts the bad pages that a base backup met only from two in one file on
// (src/backend/backup/basebackup.c), and forgets the count at a crash. So what CheckPages
// found is remembered beside the data: until a later look finds none, or other data stands
// in its place.

const damageFile = "data.damaged"

// remember keeps what a look at every page found, and forgets what it no longer found.
func (c *Cluster) remember(bad []releve.BadPage) error {
	if len(bad) == 0 {
		return removeFile(c.path(damageFile))
	}
	if err := c.writeJSON(c.path(damageFile), bad); err != nil {
		return fmt.Errorf("the damaged pages %v could not be written down: %w", bad, err)
	}
	return nil
}

// damaged is how many pages are known to be bad. A memory that cannot be read is one of
// damage: it is written whole or not at all.
func (c *Cluster) damaged() int64 {
	raw, err := os.ReadFile(c.path(damageFile))
	if errors.Is(err, fs.ErrNotExist) {
		return 0
	}
	var bad []releve.BadPage
	if err != nil || json.Unmarshal(raw, &bad) != nil {
		return 1
	}
	return int64(len(bad))
}
