package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"releve"
)

// Two databases are compared at one position in three moves (SPEC M7). The owner is
// frozen: a SHARE lock lets the writers that are at the table end, and no other begin, so
// that what is visible of it is what the log says up to Frozen.At, and nothing on its way. The
// mirror takes a snapshot once it has replayed that far. The owner is released. From then
// on both read their snapshots for as long as they like.
//
// Why not at a paused mirror: a pause ends at some record and not at a chosen one, and
// the owner shows a commit later than the mirror does, when it was acknowledged. As
// long as the owner's snapshot is open, the owner removes no row version that the
// mirror's may need, so that recovery has no cause to cancel its queries.

const (
	verifyName = "releve_verify" // application name; a promotion ends these sessions

	// lockLimit bounds the wait for writers, and with it how long those wait that come after.
	lockLimit = 300 * time.Millisecond

	// yieldAfter is deadlock_timeout for the lock of a freeze: an autovacuum that is at the
	// table gives way after that, as to any lock.
	yieldAfter = 50 * time.Millisecond

	// frozenLimit is when PostgreSQL itself ends a freeze that nobody releases.
	frozenLimit = 500 * time.Millisecond

	replayLook = 2 * time.Millisecond
)

// ErrFrozenTooLong is returned by a release that comes late: writers went on before it,
// and what was read on the mirror meanwhile compares with nothing.
var ErrFrozenTooLong = releve.Known("the owner could not be held still until the mirror was there", "cause-frozen")

// Frozen is an owner with a table that nobody writes to.
type Frozen struct {
	At   releve.LSN // all that is visible is in the log up to here
	Own  *Snapshot  // outlives the release
	lock *pgx.Conn
}

// Freeze holds the writers of one table up: of several, it would deadlock with those who
// take them in another order. It fails, harmlessly, when they do not let it in at once, or
// when there is no mirror in sync. Release comes within half a second, or fails.
func (c *Cluster) Freeze(ctx context.Context, table string) (f *Frozen, err error) {
	f = &Frozen{}
	// Sessions cost time that no writer shall wait for: both are opened first.
	if f.lock, err = c.session(ctx); err == nil {
		f.Own, err = c.prepareSnapshot(ctx)
	}
	if err == nil {
		err = f.freeze(ctx, table)
	}
	if err == nil {
		f.At, err = c.mark(ctx)
	}
	if err != nil {
		f.abandon()
		return nil, err
	}
	return f, nil
}

func (f *Frozen) freeze(ctx context.Context, table string) error {
	_, err := f.lock.Exec(ctx, fmt.Sprintf(`
BEGIN; SET LOCAL lock_timeout = %d; SET LOCAL deadlock_timeout = %d; SET LOCAL idle_in_transaction_session_timeout = %d;
LOCK TABLE %s IN SHARE MODE`, lockLimit.Milliseconds(), yieldAfter.Milliseconds(), frozenLimit.Milliseconds(), table))
	if err != nil {
		return releve.Because(err, "the writers of "+table+" could not be held up for a moment", "cause-not-held", "table", table)
	}
	return f.Own.take(ctx)
}

// mark commits a record that holds nothing and returns where it ends. All that is visible
// of a frozen table comes before it, and the mirror has it when it is acknowledged (R1).
// The flushed position would not do: it may lie within a record whose rest is written
// only when somebody commits again, and a mirror never replays up to there.
func (c *Cluster) mark(ctx context.Context) (releve.LSN, error) {
	var at lsnText
	err := c.ask(ctx, frozenLimit, []any{&at}, "SELECT pg_logical_emit_message(true, $1, '')::text", verifyName)
	if err != nil {
		return 0, releve.Because(err, "the mirror does not acknowledge", "cause-not-acknowledged")
	}
	return releve.LSN(at), nil
}

// Held is where the log was when the writers were held up, and what was visible then.
func (f *Frozen) Held() (at releve.LSN, own *Snapshot) { return f.At, f.Own }

// Release lets the writers go on. An error says that they went on before.
func (f *Frozen) Release(ctx context.Context) error {
	defer closeSession(f.lock)
	if _, err := f.lock.Exec(ctx, "COMMIT"); err != nil {
		return fmt.Errorf("%w: %w", ErrFrozenTooLong, err)
	}
	return nil
}

func (f *Frozen) abandon() {
	if f.lock != nil {
		closeSession(f.lock)
	}
	if f.Own != nil {
		f.Own.Close()
	}
}

// session is one of its own, so that it can be left in any state and closed.
func (c *Cluster) session(ctx context.Context) (*pgx.Conn, error) {
	pool, err := c.control()
	if err != nil {
		return nil, err
	}
	config := pool.Config().ConnConfig.Copy()
	config.Database = database
	config.RuntimeParams["application_name"] = verifyName
	return pgx.ConnectConfig(ctx, config)
}

// closeSession ends a session, and with it its transaction and its locks.
func closeSession(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), askLimit)
	defer cancel()
	_ = conn.Close(ctx) // the socket is closed in any case, and PostgreSQL sees it
}

// SnapshotAt is what a mirror holds once it has replayed up to a position; 0 is now. It
// waits for that until ctx ends.
func (c *Cluster) SnapshotAt(ctx context.Context, at releve.LSN) (*Snapshot, error) {
	s, err := c.prepareSnapshot(ctx)
	if err != nil {
		return nil, err
	}
	if err := c.waitReplay(ctx, at); err != nil {
		s.Close()
		return nil, err
	}
	if err := s.take(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (c *Cluster) waitReplay(ctx context.Context, at releve.LSN) error {
	for at > 0 {
		p, err := c.Position(ctx)
		switch {
		case err != nil:
			return err
		case p.Replay >= at:
			return nil
		}
		if err := pause(ctx, replayLook); err != nil {
			return notThere(p.Replay, at, err)
		}
	}
	return nil
}

// notThere says how far a copy has come that was waited for.
func notThere(at, awaited releve.LSN, err error) error {
	return releve.Because(err, fmt.Sprintf("the copy is at %s and not yet at %s", at, awaited),
		"cause-not-there", "own", at.String(), "theirs", awaited.String())
}

// Lineage is the timeline that the data is on, with where its ancestors were left. Two
// databases of one lineage may still have been promoted apart, at one position; then
// only their promotion ids tell (RULES R10).
func (c *Cluster) Lineage(ctx context.Context) (string, error) {
	d, err := c.descent(ctx)
	if err != nil {
		return "", err
	}
	text := fmt.Sprintf("timeline %d", d.timeline)
	for i := len(d.forks) - 1; i >= 0; i-- {
		text += fmt.Sprintf(" ← %d at %s", d.forks[i].Timeline, d.forks[i].At)
	}
	return text, nil
}
