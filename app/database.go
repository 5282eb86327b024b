package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"

	"releve"
	"releve/adapters/postgres"
	"releve/rules/takeover"
	"releve/server/agent"
	"releve/server/copy"
)

// database is PostgreSQL as the agent needs it.
type database struct {
	*postgres.Runner
	*copy.Copier
	log *slog.Logger
}

func (d *database) Disk() (takeover.DiskKind, releve.DataID, error) {
	s, err := d.Whose()
	if errors.Is(err, fs.ErrPermission) { // nobody knows whose it is, and the telephone answers all the same
		d.log.Error("PostgreSQL is not started", "err", err)
		return takeover.DiskForeign, "", nil
	}
	if err != nil {
		return "", "", err
	}
	switch {
	case s.Presence == postgres.Foreign:
		d.log.Error("PostgreSQL is not started", "err", s.Foreign)
		return takeover.DiskForeign, "", nil
	case s.Presence == postgres.Absent:
		return takeover.DiskEmpty, "", nil
	case s.Unusable != "":
		return takeover.DiskUnusable, "", nil
	}
	return takeover.DiskOurs, s.DataID, nil
}

func (d *database) Create(ctx context.Context) (releve.DataID, error) {
	id := releve.NewDataID()
	return id, d.Runner.Create(ctx, id)
}

func (d *database) Why() string { return releve.Reason(d.ExitError()) }

func (d *database) Look(ctx context.Context) (takeover.Database, error) {
	p, err := d.Position(ctx)
	return takeover.Database{
		Up: err == nil, InRecovery: p.InRecovery, Streaming: p.Streaming, Flush: p.Flush, Replay: p.Replay, Timeline: p.Timeline,
	}, err
}

// Health is bounded by itself. A disk or a database that did not answer in time may only
// be busy.
func (d *database) Health(ctx context.Context) error {
	err := d.Runner.Health(ctx)
	if errors.Is(err, postgres.ErrDiskWedged) || errors.Is(err, postgres.ErrNoAnswer) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%w: %w", agent.ErrSlow, err)
	}
	return err
}

func (d *database) Mirror(ctx context.Context) (takeover.Mirror, error) {
	m, own, err := d.Runner.Mirror(ctx)
	if err != nil {
		return takeover.Mirror{}, err
	}
	return takeover.Mirror{Streaming: m.InSync(), Foreign: m.Foreign != "", Lost: m.Lost, Flush: m.Flush, Own: own.Flush}, nil
}

func (d *database) Promote(ctx context.Context) (takeover.Promotion, error) {
	p, err := d.Runner.Promote(ctx)
	if errors.Is(err, postgres.ErrTail) {
		err = fmt.Errorf("%w: %w", agent.ErrUnsafe, err)
	}
	return takeover.Promotion{Timeline: p.Timeline, Fork: p.Fork}, err
}
