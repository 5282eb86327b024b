package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"releve"
	"releve/rules/takeover"
)

// Takeover is a runner in the words of package takeover.
type Takeover struct{ *Runner }

// Disk says whose the data on this disk is. Where it is not known, or another's, nothing is
// started, and the telephone answers all the same.
func (t Takeover) Disk() (takeover.DiskKind, releve.DataID, error) {
	s, err := t.Whose()
	if errors.Is(err, fs.ErrPermission) {
		t.log.Error("PostgreSQL is not started", "err", err)
		return takeover.DiskForeign, "", nil
	}
	if err != nil {
		return "", "", err
	}
	switch {
	case s.Presence == Foreign:
		t.log.Error("PostgreSQL is not started", "err", s.Foreign)
		return takeover.DiskForeign, "", nil
	case s.Presence == Absent:
		return takeover.DiskEmpty, "", nil
	case s.Unusable != "":
		return takeover.DiskUnusable, "", nil
	}
	return takeover.DiskOurs, s.DataID, nil
}

// Create makes the site's database, under a new name.
func (t Takeover) Create(ctx context.Context) (releve.DataID, error) {
	id := releve.NewDataID()
	return id, t.Runner.Create(ctx, id)
}

// Why it exited.
func (t Takeover) Why() string { return releve.Reason(t.ExitError()) }

// Look is [Runner.Look].
func (t Takeover) Look(ctx context.Context) (takeover.Database, *takeover.Mirror, error) {
	p, m, err := t.Runner.Look(ctx)
	db := takeover.Database{
		Up: err == nil, InRecovery: p.InRecovery, Streaming: p.Streaming, Flush: p.Flush, Replay: p.Replay, Timeline: p.Timeline,
	}
	if m == nil {
		return db, nil, err
	}
	return db, &takeover.Mirror{Streaming: m.InSync(), Foreign: m.Foreign != "", Lost: m.Lost, Flush: m.Flush, Own: p.Flush}, nil
}

// Health is [Cluster.Health], which is bounded by itself. A disk or a database that did not
// answer in time may only be busy.
func (t Takeover) Health(ctx context.Context) error {
	err := t.Runner.Health(ctx)
	if errors.Is(err, ErrDiskWedged) || errors.Is(err, ErrNoAnswer) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%w: %w", releve.ErrSlow, err)
	}
	return err
}

// Promote is [Runner.Promote].
func (t Takeover) Promote(ctx context.Context, id releve.PromotionID, vote takeover.Candidate) (takeover.Promotion, error) {
	p, err := t.Runner.Promote(ctx, Asked{ID: id, Timeline: vote.Timeline})
	if errors.Is(err, ErrTail) {
		err = fmt.Errorf("%w: %w", releve.ErrUnsafe, err)
	}
	return takeover.Promotion{Timeline: p.Timeline, Fork: p.Fork}, err
}
