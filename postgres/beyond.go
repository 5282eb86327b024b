package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"releve"
)

// Beyond counts the commits that this server's log holds after the position where
// the other server left the timeline: rows that only this data directory has.
// PostgreSQL is stopped. What a rewind would destroy is known before it (RULES R11).
func (c *Cluster) Beyond(ctx context.Context, timeline releve.Timeline, fork releve.LSN) (commits int, err error) {
	end, err := c.beginStopped(ctx)
	if err != nil {
		return 0, err
	}
	defer end()
	_, err = c.run(ctx, "", func(line string) {
		if strings.Contains(line, "desc: COMMIT") {
			commits++
		}
	}, "pg_waldump", "--path="+c.path("data", "pg_wal"), fmt.Sprintf("--timeline=%d", timeline),
		"--start="+fork.String(), "--rmgr=Transaction")
	var said *programError
	if errors.As(err, &said) && endOfLog(said.lines) {
		err = nil
	}
	if err != nil {
		return commits, fmt.Errorf("cannot read what this server's log holds after %s of timeline %d: %w", fork, timeline, err)
	}
	return commits, nil
}

// endOfLog: pg_waldump always fails in the end, where the log ends.
func endOfLog(lines []string) bool {
	said := strings.Join(lines, " ")
	for _, end := range []string{"invalid record length", "could not find a valid record", "unexpected pageaddr",
		"invalid magic number", "could not find file", "incorrect prev-link", "invalid resource manager"} {
		if strings.Contains(said, end) {
			return true
		}
	}
	return false
}
