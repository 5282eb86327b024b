package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Holder is a session of somebody's for which our own wait: a transaction that was left open,
// or one that takes long.
type Holder struct {
	PID     int
	Started string // of the session, as text: a pid alone comes back with another process
	Who     string // role and program, and the address when it came over the network
	Since   time.Time
}

// Verification freezes the tables for a moment, with a limit of its own; nobody else's
// session bears one of our names but by intent.
const holdersQuery = `
SELECT DISTINCT h.pid, h.backend_start::text,
       concat_ws(' ', h.usename, nullif(h.application_name, ''), host(h.client_addr)), coalesce(h.xact_start, h.backend_start)
FROM pg_stat_activity AS w
CROSS JOIN LATERAL unnest(pg_blocking_pids(w.pid)) AS b (pid)
JOIN pg_stat_activity AS h ON h.pid = b.pid
WHERE w.wait_event_type = 'Lock' AND w.application_name = ANY($1)
  AND h.backend_type = 'client backend' AND h.application_name <> ALL($1)`

// ownNames are the application names of our own sessions.
var ownNames = []string{RoleOwner, controlName, verifyName}

// prompt is an answer that nobody had to wait for.
const prompt = 50 * time.Millisecond

// Holders are those whom our sessions wait for now. While ours ask for nothing, or have asked
// this moment, as through most nights, nobody does, and PostgreSQL is not asked either.
func (c *Cluster) Holders(ctx context.Context) ([]Holder, error) {
	if !c.asking.lasting(prompt) {
		return nil, nil
	}
	pool, err := c.control()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	rows, err := pool.Query(ctx, holdersQuery, ownNames)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (h Holder, err error) {
		return h, row.Scan(&h.PID, &h.Started, &h.Who, &h.Since)
	})
}

// EndHolder ends a session that others wait for, if it is still the same.
func (c *Cluster) EndHolder(ctx context.Context, h Holder) error {
	err := c.do(ctx, askLimit,
		`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1 AND backend_start::text = $2`, h.PID, h.Started)
	if err != nil {
		return fmt.Errorf("cannot end session %d: %w", h.PID, err)
	}
	return nil
}
