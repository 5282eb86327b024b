package copy

import (
	"context"
	"encoding/json"
	"errors"

	"releve"
	"releve/server/order"
)

// prepareCopy is the order to make ready for being copied from: a slot that keeps what
// the copy will need (M4), a checkpoint, so that the control file names the timeline (R11),
// and the history of that timeline.
const prepareCopy = "prepare-copy"

// copyRests is the word that a copy receives no more, and how far it has come (SPEC B6).
const copyRests = "copy-at-rest"

// Rested is that word.
type Rested struct {
	At releve.LSN `json:"at"`
}

// Source is the PostgreSQL that is copied from.
type Source interface {
	CopyRests(context.Context, releve.LSN) error
	RoomToBeCopied() error
	RenewSlot(context.Context) error
	Checkpoint(context.Context) error
	Ancestry(context.Context) ([]releve.Fork, error)
}

// Prepare asks the owner to be ready, and returns where its ancestors forked.
func Prepare(ctx context.Context, link order.Link) (forks []releve.Fork, err error) {
	err = link.Command(ctx, prepareCopy, nil, func(line json.RawMessage) error { return readPrepared(line, &forks) })
	return forks, err
}

// readPrepared reads the history, or the sentence that says why there is none.
func readPrepared(line json.RawMessage, forks *[]releve.Fork) error {
	var refused releve.Sentence
	if json.Unmarshal(line, &refused) == nil && refused.Code != "" {
		return &releve.Fault{Cause: releve.ErrNoRoom, Why: refused}
	}
	return json.Unmarshal(line, forks)
}

// Desk prepares this server for the other's copy.
func Desk(own Source) order.Desk {
	return order.Desk{
		prepareCopy: func(ctx context.Context, _ json.RawMessage, emit order.Emit) error { return prepared(ctx, own, emit) },
		copyRests: func(ctx context.Context, args json.RawMessage, _ order.Emit) error {
			var rested Rested
			if err := json.Unmarshal(args, &rested); err != nil {
				return err
			}
			return own.CopyRests(ctx, rested.At)
		},
	}
}

func prepared(ctx context.Context, own Source, emit order.Emit) error {
	if fault, ok := errors.AsType[*releve.Fault](own.RoomToBeCopied()); ok {
		return order.Line(emit, fault.Why)
	}
	if err := own.RenewSlot(ctx); err != nil {
		return err
	}
	if err := own.Checkpoint(ctx); err != nil {
		return err
	}
	forks, err := own.Ancestry(ctx)
	if err != nil {
		return err
	}
	return order.Line(emit, forks)
}
