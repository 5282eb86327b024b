package store_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"

	"releve/adapters/store"
	"releve/adapters/store/internal/pgtest"
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

	sleeping := inBackground(func() error {
		return s.Write(within(t), func(tx pgx.Tx) error {
			_, err := tx.Exec(within(t), "SELECT pg_sleep(600)")
			return err
		})
	})
	eventually(t, "the session that sleeps is ended", func() bool {
		return p.count("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'") == 1
	})
	ended := answer(t, sleeping)
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
