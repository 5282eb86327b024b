package store

import (
	"context"
	"errors"
	"fmt"

	"releve"
)

// Book is what is recorded of salvages: decided on by the store of the term, and read from
// the local PostgreSQL, whatever its duty.
type Book struct{ *Records }

// OnDuty says whether this server has the database of a term.
func (b Book) OnDuty() bool { return b.current() != nil }

// Follow makes a slot that could not be made before the first commit: late, it serves the
// next parting.
func (b Book) Follow(ctx context.Context) error {
	return errors.Join(b.database.EnsureSalvageSlot(ctx), b.database.AdvanceSalvageSlot(ctx))
}

// Keep is [Store.KeepSalvage].
func (b Book) Keep(ctx context.Context, found releve.Salvage) (releve.Salvage, error) {
	return b.decide(func(s *Store) (releve.Salvage, error) { return s.KeepSalvage(ctx, found) })
}

// Apply is [Store.ApplySalvage].
func (b Book) Apply(ctx context.Context, id int64, dryRun, replace bool) (releve.Salvage, error) {
	return b.decide(func(s *Store) (releve.Salvage, error) {
		return s.ApplySalvage(ctx, id, SalvageChoice{DryRun: dryRun, Replace: replace})
	})
}

// Discard is [Store.DiscardSalvage].
func (b Book) Discard(ctx context.Context, id int64) (releve.Salvage, error) {
	return b.decide(func(s *Store) (releve.Salvage, error) { return s.DiscardSalvage(ctx, id) })
}

// decide: a store that is fenced meanwhile is no longer on duty.
func (b Book) decide(do func(*Store) (releve.Salvage, error)) (releve.Salvage, error) {
	s := b.current()
	if s == nil {
		return releve.Salvage{}, releve.ErrNotOnDuty
	}
	after, err := do(s)
	if errors.Is(err, ErrFenced) {
		err = fmt.Errorf("%w: %w", releve.ErrNotOnDuty, err)
	}
	return after, err
}

// All are the salvages, without their rows.
func (b Book) All(ctx context.Context) ([]releve.Salvage, error) {
	return localRead(ctx, b.Records, ReadSalvages)
}

// One is a salvage with so many rows at most.
func (b Book) One(ctx context.Context, id int64, limit int) (releve.Salvage, error) {
	return localRead(ctx, b.Records, func(ctx context.Context, q Querier) (releve.Salvage, error) {
		return ReadSalvage(ctx, q, id, limit)
	})
}

func localRead[T any](ctx context.Context, r *Records, query func(context.Context, Querier) (T, error)) (found T, err error) {
	pool, err := r.database.Pool(ctx, 1)
	if err != nil {
		return found, err
	}
	defer pool.Close()
	return query(ctx, pool)
}
