package salvage

import (
	"context"

	"releve"
)

// What an operator asks of salvage, on either server.

// Salvages reads what this server's PostgreSQL has, also as a mirror.
func (s *Salvager) Salvages(ctx context.Context) ([]releve.Salvage, error) { return s.Book.All(ctx) }

// Salvage reads one.
func (s *Salvager) Salvage(ctx context.Context, id int64, limit int) (releve.Salvage, error) {
	return s.Book.One(ctx, id, limit)
}

// ExtractSalvage looks for lone rows now.
func (s *Salvager) ExtractSalvage(ctx context.Context) ([]releve.Salvage, error) {
	return s.Do(ctx, Order{Verb: VerbExtract})
}

// ApplySalvage applies one.
func (s *Salvager) ApplySalvage(ctx context.Context, id int64, dryRun, replace bool) (releve.Salvage, error) {
	return s.doOne(ctx, Order{Verb: VerbApply, ID: id, DryRun: dryRun, Replace: replace})
}

// DiscardSalvage records that one is not wanted.
func (s *Salvager) DiscardSalvage(ctx context.Context, id int64) (releve.Salvage, error) {
	return s.doOne(ctx, Order{Verb: VerbDiscard, ID: id})
}

func (s *Salvager) doOne(ctx context.Context, o Order) (releve.Salvage, error) {
	all, err := s.Do(ctx, o)
	if err != nil || len(all) == 0 {
		return releve.Salvage{}, err
	}
	return all[0], nil
}
