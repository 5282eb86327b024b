package app

import (
	"context"
	"errors"
	"fmt"

	"releve"
	"releve/adapters/postgres"
	"releve/adapters/store"
	"releve/screen/console"
	"releve/server/salvage"
)

// asides are the data directories that PostgreSQL's room has set aside.
type asides struct{ *postgres.Cluster }

func (a asides) OpenAside(ctx context.Context, directory string) (salvage.Opened, error) {
	aside, err := a.Cluster.OpenAside(ctx, directory)
	if err != nil {
		return nil, err
	}
	return aside, nil
}

// book is the store of the term as salvage needs it.
type book struct{ *records }

func (b book) OnDuty() bool { return b.current() != nil }

// Follow makes a slot that could not be made before the first commit: late, it serves the
// next parting.
func (b book) Follow(ctx context.Context) error {
	return errors.Join(b.cluster.EnsureSalvageSlot(ctx), b.cluster.AdvanceSalvageSlot(ctx))
}

func (b book) Keep(ctx context.Context, found releve.Salvage) (releve.Salvage, error) {
	return decide(b, func(s *store.Store) (releve.Salvage, error) { return s.KeepSalvage(ctx, found) })
}

func (b book) Apply(ctx context.Context, id int64, dryRun, replace bool) (releve.Salvage, error) {
	return decide(b, func(s *store.Store) (releve.Salvage, error) {
		return s.ApplySalvage(ctx, id, store.SalvageChoice{DryRun: dryRun, Replace: replace})
	})
}

func (b book) Discard(ctx context.Context, id int64) (releve.Salvage, error) {
	return decide(b, func(s *store.Store) (releve.Salvage, error) { return s.DiscardSalvage(ctx, id) })
}

// decide tells salvage's causes from the store's.
func decide(b book, do func(*store.Store) (releve.Salvage, error)) (releve.Salvage, error) {
	s := b.current()
	if s == nil {
		return releve.Salvage{}, salvage.ErrNotOnDuty
	}
	after, err := do(s)
	return after, renamed(err, map[error]error{
		store.ErrNoSalvage: salvage.ErrUnknown, store.ErrApplied: salvage.ErrDecided, store.ErrFenced: salvage.ErrNotOnDuty,
	})
}

// renamed gives an error the name by which another room knows it.
func renamed(err error, names map[error]error) error {
	for from, to := range names {
		if errors.Is(err, from) {
			return fmt.Errorf("%w: %w", to, err)
		}
	}
	return err
}

func (a *App) makeSalvager(disk salvage.Disk) {
	other := salvage.Other{Link: a.peer}
	a.salvager = salvage.New(salvage.Options{
		Own: disk, Other: other, Book: book{a.records}, Forward: other.Carry,
		Tell: func(severity string, what releve.Sentence) { a.agent.Explain(severity, what) }, Log: a.log,
	})
}

// Salvages reads what this server's PostgreSQL has, also as a mirror.
func (f faces) Salvages(ctx context.Context) ([]releve.Salvage, error) {
	return localRead(ctx, f.records, func(ctx context.Context, q store.Querier) ([]releve.Salvage, error) {
		return store.ReadSalvages(ctx, q)
	})
}

// Salvage reads one.
func (f faces) Salvage(ctx context.Context, id int64, limit int) (releve.Salvage, error) {
	found, err := localRead(ctx, f.records, func(ctx context.Context, q store.Querier) (releve.Salvage, error) {
		return store.ReadSalvage(ctx, q, id, limit)
	})
	return found, renamed(err, map[error]error{store.ErrNoSalvage: console.ErrNoSalvage})
}

// localRead asks the local PostgreSQL, whatever its duty.
func localRead[T any](ctx context.Context, r *records, query func(context.Context, store.Querier) (T, error)) (found T, err error) {
	pool, err := r.cluster.Pool(ctx, 1)
	if err != nil {
		return found, err
	}
	defer pool.Close()
	return query(ctx, pool)
}

// ExtractSalvage looks for lone rows now.
func (f faces) ExtractSalvage(ctx context.Context) ([]releve.Salvage, error) {
	return f.order(ctx, salvage.Order{Verb: salvage.VerbExtract})
}

// ApplySalvage applies one.
func (f faces) ApplySalvage(ctx context.Context, id int64, dryRun, replace bool) (releve.Salvage, error) {
	return one(f.order(ctx, salvage.Order{Verb: salvage.VerbApply, ID: id, DryRun: dryRun, Replace: replace}))
}

// DiscardSalvage records that one is not wanted.
func (f faces) DiscardSalvage(ctx context.Context, id int64) (releve.Salvage, error) {
	return one(f.order(ctx, salvage.Order{Verb: salvage.VerbDiscard, ID: id}))
}

func (f faces) order(ctx context.Context, o salvage.Order) ([]releve.Salvage, error) {
	after, err := f.salvager.Do(ctx, o)
	return after, renamed(err, map[error]error{
		salvage.ErrUnknown: console.ErrNoSalvage, salvage.ErrDecided: console.ErrDecided, salvage.ErrNotOnDuty: console.ErrNotOnDuty,
	})
}

func one(all []releve.Salvage, err error) (releve.Salvage, error) {
	if err != nil || len(all) == 0 {
		return releve.Salvage{}, err
	}
	return all[0], nil
}
