package app

import (
	"context"

	"releve"
	"releve/adapters/postgres"
	"releve/adapters/store"
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

func (a *App) makeSalvager(disk salvage.Disk) {
	other := salvage.Other{Link: a.peer}
	a.salvager = salvage.New(salvage.Options{
		Own: disk, Other: other, Book: store.Book{Records: a.records}, Forward: other.Carry,
		Tell: func(severity string, what releve.Sentence) { a.agent.Explain(severity, what) }, Log: a.log,
	})
}

// Salvages reads what this server's PostgreSQL has, also as a mirror.
func (f faces) Salvages(ctx context.Context) ([]releve.Salvage, error) {
	return store.Book{Records: f.records}.All(ctx)
}

// Salvage reads one.
func (f faces) Salvage(ctx context.Context, id int64, limit int) (releve.Salvage, error) {
	return store.Book{Records: f.records}.One(ctx, id, limit)
}

// ExtractSalvage looks for lone rows now.
func (f faces) ExtractSalvage(ctx context.Context) ([]releve.Salvage, error) {
	return f.salvager.Do(ctx, salvage.Order{Verb: salvage.VerbExtract})
}

// ApplySalvage applies one.
func (f faces) ApplySalvage(ctx context.Context, id int64, dryRun, replace bool) (releve.Salvage, error) {
	return one(f.salvager.Do(ctx, salvage.Order{Verb: salvage.VerbApply, ID: id, DryRun: dryRun, Replace: replace}))
}

// DiscardSalvage records that one is not wanted.
func (f faces) DiscardSalvage(ctx context.Context, id int64) (releve.Salvage, error) {
	return one(f.salvager.Do(ctx, salvage.Order{Verb: salvage.VerbDiscard, ID: id}))
}

func one(all []releve.Salvage, err error) (releve.Salvage, error) {
	if err != nil || len(all) == 0 {
		return releve.Salvage{}, err
	}
	return all[0], nil
}
