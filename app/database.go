package app

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"

	"releve"
	"releve/adapters/postgres"
	"releve/adapters/store"
	"releve/config"
	"releve/doors/identity"
	"releve/doors/identity/rotation"
	"releve/server/copy"
	"releve/server/outbox"
)

// findPostgres finds its programs and looks at whose the data is. It changes nothing.
func (a *App) findPostgres() (*postgres.Cluster, error) {
	o, err := a.postgresOptions()
	if err != nil {
		return nil, err
	}
	cluster, err := postgres.Open(o)
	return cluster, ofDatabase(err)
}

// CheckDatabase finds what would keep the database from starting, without changing anything.
// Its error is of ErrMissing or ErrBarred.
func CheckDatabase(c config.Config) error {
	o, uncertified := (&App{config: config.Prepared{Config: c}}).postgresOptions()
	if uncertified != nil {
		o.Listen = netip.AddrPort{} // it needs a certificate
	}
	if err := postgres.Check(o); err != nil {
		return ofDatabase(err)
	}
	return uncertified
}

func ofDatabase(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, postgres.ErrForeign):
		return fmt.Errorf("%w: %w", ErrBarred, err)
	}
	return fmt.Errorf("%w: %w", ErrMissing, err)
}

// openDatabase makes what runs PostgreSQL, and what is recorded in it.
func (a *App) openDatabase(cluster *postgres.Cluster) {
	recovers := func() postgres.Progress { return copy.Progress("copy-starts", a.front.Recovering) }
	a.cluster = postgres.NewRunner(cluster, recovers, a.front.Explain)
	a.ledger = outbox.NewLedger()
	stored := func(facts []releve.Fact) {
		a.front.Stored(facts)
		a.ledger.Add(releve.OfCalls(facts)) // what is no call's is nobody's record
	}
	a.records = store.NewRecords(cluster, a.config.Site.Seat, a.config.PBX.StandbyUser, stored, a.front.Explain, a.front.Notice, a.log)
	a.closers = append(a.closers, a.closePostgres)
}

// postgresOptions begins with what the files of the link hold, which is read before anybody is
// made with it.
func (a *App) postgresOptions() (o postgres.Options, err error) {
	c := a.config
	a.keys, err = rotation.Begin(c.Peer.Files(), identity.Identity{Site: c.Site.ID, Seat: c.Site.Seat}, a.log)
	if err != nil {
		err = fmt.Errorf("%w: %w", ErrMissing, err)
	}
	return postgres.Options{
		Hint: c.Database.Binaries, Dir: filepath.Join(c.Site.Data, "postgres"),
		Listen: config.Address(c.Database.Listen), Upstream: config.Address(c.Database.Other),
		Seat: c.Site.Seat, SiteID: c.Site.ID, TLS: a.keys.ForPostgres(),
		Account: c.Database.Account, CopyRate: int64(c.Mirror.CopyRate), KeepWAL: int64(c.Mirror.KeptLog), Log: a.log,
	}, err
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
