package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// barrierPeriod is how often a barrier looks into pg_stat_activity. PostgreSQL
// announces nothing there, and a takeover waits for this.
const barrierPeriod = 5 * time.Millisecond

// SetLone switches between commits that wait for the mirror and commits that do not
// (R8). The caller says by true that this server holds the vote. It is a barrier: it
// returns when every transaction that began before has ended, and the backend of every
// broken session is gone. Transactions that wait for the mirror are released one
// by one when lone is true, and count as acknowledged. On an error the mode is as
// before, except that a vote once given still counts for commits already waiting.
func (s *Store) SetLone(ctx context.Context, lone bool) error {
	ctx, cancel := s.untilFence(ctx)
	defer cancel()
	if err := s.gate.close(ctx); err != nil {
		return s.explain(err)
	}
	defer s.gate.open()
	if lone {
		s.gate.change(func() { s.gate.vote = true })
	}
	if err := s.passBarrier(ctx, lone); err != nil {
		inFlight, lost, _ := s.gate.pending()
		return s.explain(fmt.Errorf("store: lone=%t not reached, %d transactions in flight, %d lost sessions: %w",
			lone, inFlight, len(lost), err))
	}
	s.gate.change(func() { s.gate.lone, s.gate.vote = lone, lone })
	return nil
}

// passBarrier has a connection of its own: those of the pool may all be waiting.
func (s *Store) passBarrier(ctx context.Context, release bool) (err error) {
	conn, err := pgx.ConnectConfig(ctx, s.pool.Config().ConnConfig)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	tick := time.NewTicker(barrierPeriod)
	defer tick.Stop()
	for {
		inFlight, lost, changed := s.gate.pending()
		waiting := 0
		if release {
			if waiting, err = releaseWaiting(ctx, conn); err != nil {
				return err
			}
		}
		remaining, err := s.forgetGone(ctx, conn, lost)
		if err != nil {
			return err
		}
		if inFlight+waiting+remaining == 0 {
			return nil
		}
		select {
		case <-changed:
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// releaseWaiting ends the wait of every COMMIT that waits for the mirror, and
// says how many there were. Sessions are not ended (R8).
func releaseWaiting(ctx context.Context, conn *pgx.Conn) (int, error) {
	tag, err := conn.Exec(ctx, `SELECT pg_cancel_backend(pid) FROM pg_stat_activity
		WHERE backend_type = 'client backend' AND wait_event = 'SyncRep'`)
	return int(tag.RowsAffected()), err
}

// forgetGone forgets the lost sessions whose backend has ended and says how many
// have not.
func (s *Store) forgetGone(ctx context.Context, conn *pgx.Conn, lost []backend) (int, error) {
	if len(lost) == 0 {
		return 0, nil
	}
	rows, err := conn.Query(ctx, `SELECT pid, backend_start::text FROM pg_stat_activity WHERE backend_start IS NOT NULL`)
	if err != nil {
		return 0, err
	}
	alive, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (b backend, err error) {
		return b, row.Scan(&b.pid, &b.started)
	})
	if err != nil {
		return 0, err
	}
	gone := slices.DeleteFunc(slices.Clone(lost), func(b backend) bool { return slices.Contains(alive, b) })
	if len(gone) > 0 {
		s.gate.forget(gone)
	}
	return len(lost) - len(gone), nil
}
