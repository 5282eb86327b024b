package store_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"

	"releve/store"
	"releve/store/internal/pgtest"
)

func TestADatabaseThatFailsIsToldFromAStatementThatDoes(t *testing.T) {
	c := pgtest.Run(t)
	p := newSite(t, c)
	s := p.open()
	must(t, s.Write(within(t), insert(within(t), "10")))
	if err := s.Write(within(t), insert(within(t), "10")); err == nil || store.DatabaseFailed(err) {
		t.Errorf("a row that is there already: %v", err)
	}
	if err := errors.New("the connection broke"); store.DatabaseFailed(err) || store.DatabaseFailed(nil) {
		t.Error("without a SQLSTATE nothing is known")
	}

	ended := s.Write(within(t), func(tx pgx.Tx) error {
		_, err := p.own.Exec(within(t), "SELECT pg_terminate_backend($1)", tx.Conn().PgConn().PID())
		must(t, err)
		return insert(context.Background(), "11")(tx)
	})
	if !store.DatabaseFailed(ended) {
		t.Errorf("a session that PostgreSQL ended: %v", ended)
	}

	var file string
	must(t, p.own.QueryRow(within(t), "SELECT pg_relation_filepath('extension')").Scan(&file))
	_, err := p.own.Exec(within(t), "CHECKPOINT")
	must(t, err)
	must(t, os.Remove(filepath.Join(c.Data(), file)))
	gone := p.open().Write(within(t), insert(within(t), "12")) // a session that has it open goes on
	if !store.DatabaseFailed(gone) {
		t.Errorf("a table whose file is gone: %v", gone)
	}
}
