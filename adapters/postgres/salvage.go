package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"releve"
)

// The salvage slot stands on the owner where the mirror's flushed position was a moment
// ago. When the mirror takes over and the owner is set aside, its log can be decoded from
// there: the transactions that the mirror never had (SPEC M6, RULES R11).

// salvageSlot names the slot, and the publication of all tables that it is decoded with.
const salvageSlot = "releve_salvage"

// publication is made at birth: a log is decoded with the catalogue of its own time, so
// one that came later would not be found.
const publication = "CREATE PUBLICATION " + salvageSlot + " FOR ALL TABLES\n"

const (
	// slotLimit bounds the making of the slot, for which a takeover waits.
	slotLimit = 2 * time.Second

	// advanceLimit bounds one advance, in which PostgreSQL reads all the log up to the new
	// position: after days without a mirror, a part of it at a time.
	advanceLimit = time.Minute
	advanceMost  = 1 << 30

	// slotMargin is how far the slot stays behind the mirror. What the mirror flushed may end
	// within a commit record, and decoding skips one that begins before the slot.
	slotMargin = 64 << 10
)

// EnsureSalvageSlot makes the owner keep what salvage would need, from now on and within
// the bounds of the disk. It is called behind the gate, before the first commit of a term; no commit is
// made, so it waits for no mirror. A slot that lost its log is made anew.
func (c *Cluster) EnsureSalvageSlot(ctx context.Context) error {
	var exists, lost bool
	err := c.ask(ctx, askLimit, []any{&exists, &lost}, `
SELECT count(*) > 0, coalesce(bool_or(wal_status = 'lost' AND NOT active), false)
FROM pg_replication_slots WHERE slot_name = $1`, salvageSlot)
	if err != nil {
		return fmt.Errorf("cannot look at the salvage slot: %w", err)
	}
	if lost {
		if err := c.DropSalvageSlot(ctx); err != nil {
			return err
		}
	}
	if exists && !lost {
		return nil
	}
	err = c.inDatabase(ctx, slotLimit, func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, `SELECT pg_create_logical_replication_slot($1, 'pgoutput')`, salvageSlot)
		return err
	})
	if err != nil {
		return fmt.Errorf("cannot create the salvage slot: %w", err)
	}
	return nil
}

// AdvanceSalvageSlot moves the slot to where the mirror is, forward only. Without a
// mirror in sync it stays: from there on the owner may be alone.
func (c *Cluster) AdvanceSalvageSlot(ctx context.Context) error {
	m, err := c.Mirror(ctx)
	if err != nil || !m.InSync() {
		return err
	}
	return c.advanceSalvageSlot(ctx, m.Flush)
}

// CopyRests moves the slot to where a copy that rests has come, forward only: what the copy lacks is
// what salvage would look for.
func (c *Cluster) CopyRests(ctx context.Context, at releve.LSN) error {
	p, err := c.Position(ctx)
	if err != nil || p.InRecovery {
		return err
	}
	return c.advanceSalvageSlot(ctx, min(at, p.Flush))
}

func (c *Cluster) advanceSalvageSlot(ctx context.Context, has releve.LSN) error {
	to := has - min(has, slotMargin)
	if releve.LSN(c.advanced.Load()) == to {
		return nil
	}
	err := c.inDatabase(ctx, advanceLimit, func(ctx context.Context, conn *pgx.Conn) error {
		moved, err := conn.Exec(ctx, `
SELECT pg_replication_slot_advance(slot_name, least($2::text::pg_lsn, confirmed_flush_lsn + $3::bigint::numeric))
FROM pg_replication_slots
WHERE slot_name = $1 AND confirmed_flush_lsn < $2::text::pg_lsn AND NOT active AND wal_status <> 'lost'`,
			salvageSlot, to.String(), int64(advanceMost))
		if err == nil && moved.RowsAffected() == 0 {
			c.advanced.Store(uint64(to)) // until the mirror goes on, as through most nights, there is nothing to move
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("cannot advance the salvage slot: %w", err)
	}
	return nil
}

// DropSalvageSlot ends what a slot keeps, on a server whose data holds nothing that
// the other lacks: a rewind with nothing to undo leaves the slot, and its log would fill
// the mirror's disk.
func (c *Cluster) DropSalvageSlot(ctx context.Context) error {
	err := c.do(ctx, changeLimit, `
SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1 AND NOT active`, salvageSlot)
	if err != nil {
		return fmt.Errorf("cannot drop the salvage slot: %w", err)
	}
	return nil
}

// inDatabase asks in the site's database, which a logical slot belongs to: our other
// questions are asked next to it. The session ends with the question.
func (c *Cluster) inDatabase(ctx context.Context, limit time.Duration, do func(context.Context, *pgx.Conn) error) error {
	pool, err := c.control()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	config := pool.Config().ConnConfig.Copy()
	config.Database = database
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // it has answered, or hangs
	return do(ctx, conn)
}
