package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"releve"
	"releve/adapters/journal"
	"releve/adapters/postgres"
	"releve/adapters/store"
	"releve/config"
	"releve/doors/identity"
	"releve/doors/identity/rotation"
	"releve/rules/takeover"
	"releve/server/comparison"
	"releve/server/copy"
	"releve/server/outbox"
	"releve/server/salvage"
)

// findPostgres finds its programs and looks at whose the data is. It changes nothing.
func (a *App) findPostgres() (*postgres.Cluster, error) {
	c := a.config
	found, err := postgres.Find(c.Database.Binaries)
	if errors.Is(err, postgres.ErrOldMinor) {
		a.log.Warn("PostgreSQL should be updated", "err", err)
	} else if err != nil {
		found = postgres.Installation{}
	}
	if err := a.readCertificates(); err != nil {
		return nil, err
	}
	cluster, wrong := a.newCluster(found)
	if wrong != nil {
		return nil, fmt.Errorf("%w: %w", ErrMissing, wrong)
	}
	state, unknown := cluster.Whose()
	switch {
	case unknown != nil:
		a.log.Error("the database will not start", "err", unknown)
	case state.Presence == postgres.Foreign:
		return nil, fmt.Errorf("%w: %w", ErrForbidden, state.Foreign)
	case state.Presence == postgres.Absent && found.Bin == "":
		return nil, fmt.Errorf("%w: %w", ErrMissing, err)
	case found.Bin == "": // a site that lives answers its calls all the same
		a.log.Error("the database will not start", "err", err)
	}
	return cluster, nil
}

// openDatabase makes what runs PostgreSQL, and what is recorded in it.
func (a *App) openDatabase(cluster *postgres.Cluster) {
	recovers := func() postgres.Progress { return copy.Progress("copy-starts", a.front.Recovering) }
	a.cluster = postgres.NewRunner(cluster, recovers, a.front.Explain)
	a.ledger = outbox.NewLedger()
	stored := func(facts []releve.Fact) {
		a.front.Stored(facts)
		a.ledger.Add(facts)
	}
	a.records = store.NewRecords(cluster, a.config.Site.Seat, a.config.PBX.StandbyUser, stored, a.front.Explain, a.front.Notice, a.log)
	a.closers = append(a.closers, a.closePostgres)
}

// readCertificates knows what the files hold before anybody is made with it.
func (a *App) readCertificates() (err error) {
	site := a.config.Site
	a.keys, err = rotation.Begin(a.config.Peer.Files(), identity.Identity{Site: site.ID, Seat: site.Seat}, a.log)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMissing, err)
	}
	return nil
}

func (a *App) newCluster(found postgres.Installation) (*postgres.Cluster, error) {
	c := a.config
	return postgres.New(postgres.Options{
		Installation: found, Hint: c.Database.Binaries, Dir: filepath.Join(c.Site.Data, "postgres"),
		Listen: config.Address(c.Database.Listen), Upstream: config.Address(c.Database.Other),
		Seat: c.Site.Seat, SiteID: c.Site.ID, TLS: a.keys.ForPostgres(),
		Account: c.Database.Account, CopyRate: int64(c.Mirror.CopyRate), KeepWAL: int64(c.Mirror.KeptLog), Log: a.log,
	})
}

// CheckDatabase finds what would keep the database from starting, without changing anything.
// Its error is of ErrMissing or ErrForbidden.
func CheckDatabase(c config.Config) error {
	found, err := postgres.Find(c.Database.Binaries)
	if err != nil && !errors.Is(err, postgres.ErrOldMinor) {
		return fmt.Errorf("%w: %w", ErrMissing, err)
	}
	a := &App{config: c}
	if err := a.readCertificates(); err != nil {
		return err
	}
	cluster, err := a.newCluster(found)
	if err == nil {
		err = cluster.Examine()
	}
	if err == nil {
		err = cluster.ExamineKept()
	}
	switch {
	case err == nil, errors.Is(err, fs.ErrPermission): // who asks may have fewer rights than the server
		return nil
	case errors.Is(err, postgres.ErrForeign):
		return fmt.Errorf("%w: %w", ErrForbidden, err)
	}
	return fmt.Errorf("%w: %w", ErrMissing, err)
}

func (a *App) closePostgres() {
	a.records.Close()
	_ = a.cluster.Stop(context.Background()) // the fence ends what does not stop
	a.cluster.Fence()
}

// database is PostgreSQL as the agent needs it.
type database struct {
	postgres.Takeover
	*copy.Copier
}

// ownDatabase is this server's PostgreSQL as a comparison needs it.
type ownDatabase struct{ *postgres.Cluster }

func (c ownDatabase) Freeze(ctx context.Context, table string) (comparison.Frozen, error) {
	f, err := c.Cluster.Freeze(ctx, table)
	if err != nil {
		return comparison.Frozen{}, err
	}
	return comparison.Frozen{At: f.At, Own: f.Own, Release: f.Release}, nil
}

func (c ownDatabase) SnapshotAt(ctx context.Context, at releve.LSN) (comparison.Snapshot, error) {
	s, err := c.Cluster.SnapshotAt(ctx, at)
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (c ownDatabase) CheckPages(ctx context.Context, progress func(done, total int64)) ([]releve.BadPage, error) {
	return c.Cluster.CheckPages(ctx, progress)
}

// asides are the data directories that PostgreSQL's room has set aside.
type asides struct{ *postgres.Cluster }

func (a asides) OpenAside(ctx context.Context, directory string) (salvage.Opened, error) {
	aside, err := a.Cluster.OpenAside(ctx, directory)
	if err != nil {
		return nil, err
	}
	return aside, nil
}

// savedTerm is the journal as the agent needs it.
type savedTerm struct{ journal *journal.Journal }

func (s savedTerm) Load() (takeover.Durable, bool, error) {
	raw, known, err := s.journal.Load()
	if err != nil || !known {
		return takeover.Durable{}, false, err
	}
	var d takeover.Durable
	return d, true, json.Unmarshal(raw, &d)
}

func (s savedTerm) Save(ctx context.Context, d takeover.Durable) error {
	return s.journal.SaveWithin(ctx, d)
}
