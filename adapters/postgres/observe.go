package postgres

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"releve"
)

const (
	controlName     = "releve_control" // application name of our own questions
	controlSessions = 4
	askLimit        = time.Second     // of one look
	changeLimit     = 5 * time.Second // of one change that writes to the disk
)

var errNotRunning = releve.Known("PostgreSQL is not running: start it first", "cause-not-running")

// Pool opens at most so many sessions as the owner of the database. They come and go
// with PostgreSQL; the pool is the caller's to close. No statement has a time limit
// of the pool's: what bounds a COMMIT is the caller's to know (RULES R7).
func (c *Cluster) Pool(_ context.Context, sessions int) (*pgxpool.Pool, error) {
	return c.newPool(RoleOwner, database, sessions, RoleOwner)
}

func (c *Cluster) newPool(role, db string, sessions int, name string) (*pgxpool.Pool, error) {
	if sessions < 1 {
		return nil, fmt.Errorf("a pool of %d sessions is none", sessions)
	}
	info := fmt.Sprintf("host=%s port=%d user=%s dbname=%s sslmode=disable",
		quoteConninfo(c.path("run")), c.opts.port(), role, db)
	config, err := pgxpool.ParseConfig(info)
	if err != nil {
		return nil, err
	}
	config.MaxConns = int32(sessions)
	session := config.ConnConfig
	session.RuntimeParams = maps.Clone(sessionSettings)
	session.RuntimeParams["application_name"] = name
	session.Tracer = &c.asking
	closes := session.OnPgError
	session.OnPgError = func(conn *pgconn.PgConn, err *pgconn.PgError) bool {
		if p := c.postmaster(); p != nil {
			p.ailments.met(err)
		}
		return closes(conn, err)
	}
	return pgxpool.NewWithConfig(context.Background(), config)
}

// sessionSettings are said at the beginning of each session of ours, so that nothing an
// administrator gave a role or a database by ALTER … SET bends what we read, or limits a
// COMMIT (RULES R7). A session that waits for another's lock gives up and tries again, so
// that who closes the gate waits for nobody's forgotten transaction.
var sessionSettings = map[string]string{
	"client_encoding":                     "UTF8",
	"TimeZone":                            "UTC",
	"DateStyle":                           "ISO, MDY",
	"IntervalStyle":                       "postgres",
	"bytea_output":                        "hex",
	"search_path":                         `"$user", public`,
	"default_transaction_isolation":       "read committed",
	"default_transaction_read_only":       "off",
	"statement_timeout":                   "0",
	"idle_in_transaction_session_timeout": "0",
	"lock_timeout":                        "2s",
}

// control is the pool for our own questions to the PostgreSQL that runs.
func (c *Cluster) control() (*pgxpool.Pool, error) {
	p := c.postmaster()
	if p == nil || !p.running() {
		return nil, errNotRunning
	}
	return p.pool, nil
}

// ask runs one query for one row within limit.
func (c *Cluster) ask(ctx context.Context, limit time.Duration, into []any, query string, args ...any) error {
	pool, err := c.control()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return pool.QueryRow(ctx, query, args...).Scan(into...)
}

// do runs one statement within limit.
func (c *Cluster) do(ctx context.Context, limit time.Duration, statement string, args ...any) error {
	pool, err := c.control()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	_, err = pool.Exec(ctx, statement, args...)
	return err
}

// Position is how far the local PostgreSQL is.
type Position struct {
	InRecovery bool       // it follows; false: it is writable
	Write      releve.LSN // written, perhaps not yet on the disk
	Flush      releve.LSN // on the disk: received on a mirror, written on a primary
	Replay     releve.LSN // visible to readers; Flush on a primary
	Timeline   releve.Timeline
	Streaming  bool // a mirror that receives from the other server now
}

// A mirror that was just started may have flushed more than it shows: the receiver
// forgets, and replay has not come there yet. It never shows more than it has.
const positionQuery = `
SELECT in_recovery,
       CASE WHEN in_recovery
            THEN greatest(w.written_lsn, pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())
            ELSE pg_current_wal_lsn() END,
       CASE WHEN in_recovery
            THEN greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())
            ELSE pg_current_wal_flush_lsn() END,
       CASE WHEN in_recovery THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_flush_lsn() END,
       CASE WHEN in_recovery
            THEN coalesce(w.received_tli, nullif(r.min_recovery_end_timeline, 0), k.timeline_id)::text
            ELSE left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) END,
       coalesce(w.status = 'streaming', false)
FROM (SELECT pg_is_in_recovery() AS in_recovery) AS s
CROSS JOIN pg_control_recovery() AS r CROSS JOIN pg_control_checkpoint() AS k
LEFT JOIN pg_stat_wal_receiver AS w ON true`

// Position asks the running PostgreSQL, within a second.
func (c *Cluster) Position(ctx context.Context) (Position, error) {
	pool, err := c.control()
	if err != nil {
		return Position{}, noPosition(err)
	}
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	return scanPosition(pool.QueryRow(ctx, positionQuery))
}

func noPosition(err error) error { return fmt.Errorf("PostgreSQL does not say its position: %w", err) }

func scanPosition(row pgx.Row) (Position, error) {
	var p Position
	var write, flush, replay lsnText
	var timeline string
	if err := row.Scan(&p.InRecovery, &write, &flush, &replay, &timeline, &p.Streaming); err != nil {
		return Position{}, noPosition(err)
	}
	p.Write, p.Flush, p.Replay = releve.LSN(write), releve.LSN(flush), releve.LSN(replay)
	base := 16 // the name of a WAL file
	if p.InRecovery {
		base = 10
	}
	t, err := strconv.ParseUint(timeline, base, 32)
	p.Timeline = releve.Timeline(t)
	return p, err
}

// lsnText scans a pg_lsn, or NULL as 0.
type lsnText releve.LSN

// Scan implements sql.Scanner.
func (l *lsnText) Scan(src any) error {
	text, ok := src.(string)
	if src == nil || !ok {
		*l = 0
		return nil
	}
	v, err := releve.ParseLSN(text)
	*l = lsnText(v)
	return err
}

// MirrorSession is who receives under the mirror's name on the owner.
type MirrorSession struct {
	Present   bool
	Foreign   string // why what bears the name cannot be our mirror, "" when it can
	State     string // of pg_stat_replication: streaming, catchup …
	SyncState string // sync when commits wait for it
	Flush     releve.LSN
	PID       int // of the local process that sends
	User      string
	SlotHeld  bool // it holds the slot that keeps its WAL
	SlotGone  bool // somebody has dropped the slot: EnsureSlot makes it again
	Lost      bool // the slot no longer keeps what the mirror needs next: only a copy helps (SPEC M4)
}

// InSync says whether commits are acknowledged by this mirror.
func (m MirrorSession) InSync() bool {
	return m.Present && m.Foreign == "" && m.SlotHeld && m.State == "streaming" && m.SyncState == "sync"
}

// PostgreSQL compares names without regard to case, so do we.
// A slot may still be caught up with while it is unreserved, and never once it is lost
// (manual §54.19).
const mirrorQuery = `
SELECT r.pid IS NOT NULL, coalesce(r.pid, 0), coalesce(r.usename, ''),
       coalesce(r.state, ''), coalesce(r.sync_state, ''), r.flush_lsn,
       coalesce(s.active_pid = r.pid, false), s.slot_name IS NULL, coalesce(s.wal_status = 'lost', false)
FROM (VALUES ($1::text)) AS m (name)
LEFT JOIN pg_replication_slots AS s ON s.slot_name = m.name
LEFT JOIN pg_stat_replication AS r ON lower(r.application_name) = m.name`

// Mirror says who bears the mirror's name. More than one bearer, or one with another
// role, is reported as foreign: its acknowledgements would prove nothing (RULES R1).
func (c *Cluster) Mirror(ctx context.Context) (MirrorSession, error) {
	m, _, err := c.mirror(ctx)
	return m, err
}

// mirror gives the owner's position as well, read first: what the mirror has flushed later is
// then at least as far as all that was written before. Both are asked for in one go, several
// times a second.
func (c *Cluster) mirror(ctx context.Context) (m MirrorSession, own Position, err error) {
	pool, err := c.control()
	if err != nil {
		return m, own, err
	}
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	var both pgx.Batch
	both.Queue(positionQuery)
	both.Queue(mirrorQuery, RoleMirror)
	answers := pool.SendBatch(ctx, &both)
	defer func() { _ = answers.Close() }() // what it could say was said by what it answered
	if own, err = scanPosition(answers.QueryRow()); err != nil {
		return m, own, err
	}
	rows, err := answers.Query()
	if err != nil {
		return m, own, err
	}
	bearers, err := pgx.CollectRows(rows, scanMirror)
	if err != nil {
		return m, own, err
	}
	m = bearers[0]
	// A slot that was made again is not lost, and yet does not go back far enough.
	m.Lost = m.Lost || m.State != "streaming" && c.postmaster().ailments.sentAway()
	switch {
	case len(bearers) > 1:
		m.Foreign = fmt.Sprintf("%d receivers bear the name %s", len(bearers), RoleMirror)
	case m.Present && m.User != RoleMirror:
		m.Foreign = fmt.Sprintf("the receiver named %s has the role %s", RoleMirror, m.User)
	}
	return m, own, nil
}

func scanMirror(row pgx.CollectableRow) (MirrorSession, error) {
	var m MirrorSession
	var flush lsnText
	err := row.Scan(&m.Present, &m.PID, &m.User, &m.State, &m.SyncState, &flush, &m.SlotHeld, &m.SlotGone, &m.Lost)
	m.Flush = releve.LSN(flush)
	return m, err
}

// EnsureSlot makes the owner keep, from now on and within the bounds of the disk, what a
// mirror that is away will need. A slot that has lost it stays as the witness of that, until RenewSlot.
func (c *Cluster) EnsureSlot(ctx context.Context) error {
	var exists bool
	err := c.ask(ctx, askLimit, []any{&exists}, `SELECT count(*) > 0 FROM pg_replication_slots WHERE slot_name = $1`, RoleMirror)
	if err != nil {
		return fmt.Errorf("cannot look at the mirror's slot: %w", err)
	}
	if exists {
		return nil
	}
	err = c.do(ctx, changeLimit, `SELECT pg_create_physical_replication_slot($1, true)`, RoleMirror)
	if made, ok := errors.AsType[*pgconn.PgError](err); ok && made.Code == "42710" {
		return nil // duplicate_object: it was made by another in this very moment
	}
	if err != nil {
		return fmt.Errorf("cannot create the mirror's slot: %w", err)
	}
	return nil
}

// RenewSlot is EnsureSlot for a mirror that is about to be copied anew: what it needs is
// kept from now on, before the copy begins.
func (c *Cluster) RenewSlot(ctx context.Context) error {
	err := c.do(ctx, changeLimit, `
SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots
WHERE slot_name = $1 AND wal_status = 'lost' AND NOT active`, RoleMirror)
	if err != nil {
		return fmt.Errorf("cannot drop the slot that lost the mirror's WAL: %w", err)
	}
	c.postmaster().ailments.forgive()
	return c.EnsureSlot(ctx)
}

// DropSlots drops what a mirror kept of the time when it was the owner: it would fill
// the disk. Logical slots stay, salvage may need them (RULES R11).
func (c *Cluster) DropSlots(ctx context.Context) error {
	err := c.do(ctx, changeLimit, `
SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_type = 'physical' AND NOT active`)
	if err != nil {
		return fmt.Errorf("cannot drop stale slots: %w", err)
	}
	return nil
}

// Checkpoint writes everything to the disk and the new timeline into the control
// file; PostgreSQL 15 needs it on the new owner before a rewind (RULES R11). It lasts
// as long as the disk takes, up to ctx.
func (c *Cluster) Checkpoint(ctx context.Context) error {
	pool, err := c.control()
	if err != nil {
		return err
	}
	if _, err := pool.Exec(ctx, "CHECKPOINT"); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	return nil
}

// BecomeMirror gives a mirror that follows as CatchUp the synchronous name and the slot,
// and waits until it receives under them. The caller has verified it (RULES R1).
func (c *Cluster) BecomeMirror(ctx context.Context) error {
	end, err := c.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	position, err := c.Position(ctx)
	if err != nil {
		return err
	}
	if !position.InRecovery {
		return releve.Known("this PostgreSQL is a primary, not a mirror", "cause-primary")
	}
	if err := c.configure(Mirror); err != nil {
		return err
	}
	if err := c.do(ctx, askLimit, "SELECT pg_reload_conf()"); err != nil {
		return fmt.Errorf("cannot take the mirror's name: %w", err)
	}
	return c.waitNamed(ctx)
}

// AwaitStream waits, after a start, until a copy receives from the other server, and fails
// with releve.ErrLogGone when that no longer has what the copy needs next. A receiver shows
// streaming before the sender has opened its log: something must have come.
func (c *Cluster) AwaitStream(ctx context.Context) error {
	for {
		var received bool
		err := c.ask(ctx, askLimit, []any{&received},
			`SELECT count(*) > 0 FROM pg_stat_wal_receiver WHERE status = 'streaming' AND latest_end_lsn IS NOT NULL`)
		if err != nil || received {
			return err
		}
		if err := c.postmaster().ailments.starved(); err != nil {
			return err
		}
		if err := pause(ctx, lookEvery); err != nil {
			return c.postmaster().because(err, "the copy does not receive yet", "cause-not-receiving")
		}
	}
}

func (c *Cluster) waitNamed(ctx context.Context) error {
	for {
		if err := c.postmaster().ailments.starved(); err != nil {
			return err
		}
		var named bool
		err := c.ask(ctx, askLimit, []any{&named},
			`SELECT count(*) > 0 FROM pg_stat_wal_receiver WHERE slot_name = $1 AND status = 'streaming'`, RoleMirror)
		if err != nil {
			return err
		}
		if named {
			return nil
		}
		if err := pause(ctx, lookEvery); err != nil {
			return c.postmaster().because(err, "the copy does not receive under its name yet", "cause-not-receiving")
		}
	}
}
