package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"releve"
)

// History reads where the ancestors of a timeline forked, oldest first, from its
// history file (manual §26.3.5). Timeline 1 has none. Equal numbers are not equal
// timelines: two servers that promoted apart both have a timeline 2, and only
// their forks and promotion ids tell (RULES R10).
func (c *Cluster) History(t releve.Timeline) ([]releve.Fork, error) {
	if t == 1 {
		return nil, nil
	}
	name := historyFile(t)
	raw, err := os.ReadFile(c.path("data", "pg_wal", name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("timeline %d has no history here (%s): this server never was on it", t, name)
	}
	if err != nil {
		return nil, err
	}
	return parseHistory(string(raw))
}

// Ancestry is the history of the timeline that is written now.
func (c *Cluster) Ancestry(ctx context.Context) ([]releve.Fork, error) {
	p, err := c.Position(ctx)
	if err != nil {
		return nil, err
	}
	return c.History(p.Timeline)
}

func historyFile(t releve.Timeline) string { return fmt.Sprintf("%08X.history", uint32(t)) }

func parseHistory(text string) ([]releve.Fork, error) {
	var forks []releve.Fork
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		if len(fields) < 2 {
			return nil, fmt.Errorf("line %q of a timeline history has no fork", line)
		}
		t, err := strconv.ParseUint(fields[0], 10, 32)
		if err != nil {
			return nil, fmt.Errorf("line %q of a timeline history has no timeline", line)
		}
		at, err := releve.ParseLSN(fields[1])
		if err != nil {
			return nil, err
		}
		forks = append(forks, releve.Fork{Timeline: releve.Timeline(t), At: at})
	}
	return forks, nil
}
