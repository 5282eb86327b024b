package copy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"releve"
	"releve/server/order"
)

// Renew makes a newer copy of the other's data beside the one that is there (SPEC B1). That one keeps
// its place until the new one is whole and verified, takes it in one step, and has it back where the
// new one does not start.
func (c *Copier) Renew(ctx context.Context, say Say) (releve.DataID, error) {
	c.PostgreSQL.Fence()
	if _, err := Prepare(ctx, c.Link); err != nil {
		return "", fmt.Errorf("the other server cannot be copied from yet: %w", err)
	}
	id := releve.NewDataID()
	say(releve.Say("copy-clones"), nil)
	if err := c.PostgreSQL.CloneBeside(ctx, c.Other, id, Progress("copy-clones", say)); err != nil {
		return "", err
	}
	if err := c.PostgreSQL.Exchange(); err != nil {
		return "", err
	}
	say(releve.Say("copy-starts"), nil)
	if err := c.PostgreSQL.StartCopied(ctx, Progress("copy-starts", say)); err != nil {
		c.PostgreSQL.Fence()
		return "", errors.Join(err, c.PostgreSQL.Exchange())
	}
	wait, enough := context.WithTimeout(ctx, streamLimit)
	defer enough()
	if err := c.PostgreSQL.AwaitStream(wait); err != nil {
		c.Log.Info("the newer copy is as of its clone's end: it does not receive", "err", err)
	}
	c.Copied()
	return id, errors.Join(c.PostgreSQL.DropBeside(), c.PostgreSQL.DropSlots(ctx), c.PostgreSQL.DropSalvageSlot(ctx))
}

// restLimit bounds what comes before a copy rests: a checkpoint, and its way here.
const restLimit = 30 * time.Second

// Rest has the copy receive no more. What it needs to start by itself may be on its way still: the other
// server makes a checkpoint first, which the copy has before it stops, and starts from.
func (c *Copier) Rest(ctx context.Context) (time.Time, error) {
	limit, enough := context.WithTimeout(ctx, restLimit)
	defer enough()
	_, err := Prepare(limit, c.Link)
	if err == nil {
		err = c.PostgreSQL.CatchUpWithOwner(limit, c.Other)
	}
	if err != nil {
		c.Log.Warn("the copy rests with what it has", "err", err)
	}
	has, err := c.PostgreSQL.Replayed(limit)
	if err == nil {
		err = c.Link.Command(limit, copyRests, order.Args(Rested{At: has}), func(json.RawMessage) error { return nil })
	}
	if err != nil {
		c.Log.Info("the other server keeps more log than this copy lacks", "err", err)
	}
	return c.PostgreSQL.Rest(ctx)
}
