package store

import (
	"context"
	"embed"
	"errors"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrate brings the schema up to date on a session of its own, which a lone store
// sets to commit alone as a whole: goose makes its transactions itself. Its commits
// have no deadline (R7); the end of Open's ctx severs the session.
func (s *Store) migrate(ctx context.Context) (err error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	cc := s.pool.Config().ConnConfig.Copy()
	durability := "on"
	if s.opt.Lone {
		durability = "local"
		cc.RuntimeParams["synchronous_commit"] = durability
	}
	db := stdlib.OpenDB(*cc, stdlib.OptionBeforeConnect(func(_ context.Context, cc *pgx.ConnConfig) error {
		watch(cc, durability)
		return nil
	}), stdlib.OptionAfterConnect(s.adopt))
	defer func() { err = errors.Join(err, db.Close()) }()
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	_, err = provider.Up(context.WithoutCancel(ctx))
	return s.explain(err)
}

// adopt lets a fence sever a migration's session.
func (s *Store) adopt(_ context.Context, conn *pgx.Conn) error {
	session, err := sessionOf(conn)
	if err != nil {
		return err
	}
	session.committing.Store(true)
	return s.gate.begin(session)
}
