package app

import (
	"context"
	"path/filepath"

	"releve"
	"releve/adapters/postgres"
	"releve/rules/takeover"
	"releve/screen/view"
	"releve/server/agent"
	"releve/server/verify"
)

// ownDatabase is this server's PostgreSQL as a verification needs it.
type ownDatabase struct{ *postgres.Cluster }

func (c ownDatabase) Freeze(ctx context.Context, table string) (verify.Frozen, error) {
	f, err := c.Cluster.Freeze(ctx, table)
	if err != nil {
		return verify.Frozen{}, err
	}
	return verify.Frozen{At: f.At, Own: f.Own, Release: f.Release}, nil
}

func (c ownDatabase) SnapshotAt(ctx context.Context, at releve.LSN) (verify.Snapshot, error) {
	s, err := c.Cluster.SnapshotAt(ctx, at)
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (c ownDatabase) CheckPages(ctx context.Context, progress func(done, total int64)) ([]releve.BadPage, error) {
	return c.Cluster.CheckPages(ctx, progress)
}

func (a *App) makeProver() {
	c := a.config
	a.sorting = verify.NewSorting(a.cluster, a.peer, a.pair, a.explain, a.log)
	other := verify.Other{Link: a.peer}
	a.prover = verify.New(verify.Options{
		Own: ownDatabase{a.cluster}, Other: other, Seat: c.Site.Seat, Pair: a.pair,
		Hour: c.Mirror.Verify.SinceMidnight(), File: filepath.Join(c.Site.Data, "verified.json"),
		Forward: other.Prove, Tell: a.agent.Explain, Show: a.agent.Proving, Log: a.log,
		Verified: func(r verify.Record) {
			a.agent.Verified(agent.Verified{Data: r.Data, At: r.At, Differences: r.Differences})
			a.sorting.Again()
		},
	})
}

// pair is how both servers stand to each other.
func (a *App) pair() verify.Pair {
	m := a.agent.Machine()
	return verify.Pair{Owner: m.Owns() && m.Phase == takeover.Serving, InSync: m.Protected(), Copy: m.Other.DataID}
}

// VerifyMirror proves the mirror now.
func (f faces) VerifyMirror(ctx context.Context, emit func(view.Procedure)) error {
	return f.prover.Prove(ctx, emit)
}
