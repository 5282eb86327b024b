package comparison

import (
	"context"

	"releve"
)

// typed is a database whose methods return types of its own: one that is held still, and what was seen of it.
type typed[F held[S], S Snapshot] interface {
	Freeze(ctx context.Context, table string) (F, error)
	SnapshotAt(context.Context, releve.LSN) (S, error)
	Lineage(context.Context) (string, error)
	CheckPages(ctx context.Context, progress func(done, total int64)) ([]releve.BadPage, error)
}

// held says where it is held still, and what it holds there.
type held[S Snapshot] interface {
	Held() (at releve.LSN, own S)
	Release(context.Context) error
}

// Of is such a database as the comparison needs it.
func Of[F held[S], S Snapshot](own typed[F, S]) Database { return database[F, S]{own} }

type database[F held[S], S Snapshot] struct{ typed[F, S] }

func (d database[F, S]) Freeze(ctx context.Context, table string) (Frozen, error) {
	f, err := d.typed.Freeze(ctx, table)
	if err != nil {
		return Frozen{}, err
	}
	at, own := f.Held()
	return Frozen{At: at, Own: own, Release: f.Release}, nil
}

func (d database[F, S]) SnapshotAt(ctx context.Context, at releve.LSN) (Snapshot, error) {
	s, err := d.typed.SnapshotAt(ctx, at)
	if err != nil {
		return nil, err // and not a snapshot of type S that is none
	}
	return s, nil
}
