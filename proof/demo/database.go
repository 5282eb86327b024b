package demo

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5"

	"releve"
)

// databaseRows are the identifiers of the records in a server's database, each with how often
// it is there. They are asked of PostgreSQL itself, by a session of our own: the product
// does not count its own rows.
func databaseRows(ctx context.Context, data string) (map[releve.FactID]int, error) {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	sockets, err := filepath.Glob(filepath.Join(data, "postgres", "run", ".s.PGSQL.*[0-9]"))
	if err != nil || len(sockets) != 1 {
		return nil, errors.Join(err, fmt.Errorf("%d sockets of PostgreSQL below %s", len(sockets), data))
	}
	_, port, _ := strings.Cut(filepath.Base(sockets[0]), "PGSQL.")
	db, err := pgx.Connect(ctx, fmt.Sprintf("host=%s port=%s user=releve dbname=releve application_name=demo",
		filepath.Dir(sockets[0]), port))
	if err != nil {
		return nil, err
	}
	defer db.Close(context.WithoutCancel(ctx))
	rows, err := db.Query(ctx,
		"SELECT fact_id FROM call UNION ALL SELECT fact_id FROM call_step UNION ALL SELECT fact_id FROM call_end")
	if err != nil {
		return nil, err
	}
	there := map[releve.FactID]int{}
	var id releve.FactID
	_, err = pgx.ForEachRow(rows, []any{&id}, func() error { there[id]++; return nil })
	return there, err
}

// found counts the rows of the ledger that stand in a database, once each.
func found(rows []entry, there map[releve.FactID]int) (n int) {
	for _, row := range rows {
		if there[row.id] == 1 {
			n++
		}
	}
	return n
}
