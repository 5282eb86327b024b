package acceptance

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"releve"
)

// recordTables hold the records of calls.
var recordTables = []string{"call", "call_step", "call_end"}

// openDatabase opens a session of our own on a server's PostgreSQL.
func (s *server) openDatabase(ctx context.Context) (*pgx.Conn, error) {
	where, err := s.databaseSocket()
	if err != nil {
		return nil, err
	}
	return pgx.Connect(ctx, where)
}

// databaseSocket is how a session of our own reaches a server's PostgreSQL, as a
// connection string.
func (s *server) databaseSocket() (string, error) {
	sockets, err := filepath.Glob(filepath.Join(s.data, "postgres", "run", ".s.PGSQL.*[0-9]"))
	if err != nil || len(sockets) == 0 {
		return "", fmt.Errorf("the %s server has no PostgreSQL socket", s.seat)
	}
	_, port, _ := strings.Cut(filepath.Base(sockets[0]), "PGSQL.")
	return fmt.Sprintf("host=%s port=%s user=releve dbname=releve application_name=acceptance", filepath.Dir(sockets[0]), port), nil
}

// query gives the text rows of one question to a server's database.
func (s *server) query(sql string, args ...any) ([]string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	db, err := s.openDatabase(ctx)
	if err != nil {
		return nil, err
	}
	defer db.Close(context.Background())
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// execute runs one statement in a server's database, on a session of its own.
func (s *server) execute(t *testing.T, statement string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	db, err := s.openDatabase(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close(context.Background())
	if _, err := db.Exec(ctx, statement); err != nil {
		t.Fatal(err)
	}
}

// recordedFacts are the identifiers of all facts in a server's database; one that
// is there twice counts twice.
func (s *server) recordedFacts() (map[releve.FactID]int, error) {
	var parts []string
	for _, table := range recordTables {
		parts = append(parts, "select fact_id::text from "+pgx.Identifier{table}.Sanitize())
	}
	ids, err := s.query(strings.Join(parts, " union all "))
	found := map[releve.FactID]int{}
	for _, id := range ids {
		found[releve.FactID(id)]++
	}
	return found, err
}

// checkLedger fails the test for each acknowledged fact that a server's database
// does not hold exactly once.
func (s *site) checkLedger(t testing.TB, active *server) {
	t.Helper()
	acknowledged := s.ledger.all()
	found, err := active.recordedFacts()
	if err != nil {
		t.Fatal(err)
	}
	if len(acknowledged) == 0 {
		t.Error("the ledger is empty: no server acknowledged a fact")
	}
	missing := 0
	for id, f := range acknowledged {
		if found[id] != 1 {
			missing++
			t.Logf("fact %s (%s of call %s, term %d, acknowledged by %s) is there %d times", id, f.Kind, f.Call, f.Term, f.by, found[id])
		}
	}
	if missing > 0 {
		t.Errorf("%d of %d acknowledged facts are not in the %s database once", missing, len(acknowledged), active.seat)
	}
}

// checkEqual waits until the mirror has replayed what the owner has, and compares
// the records of both databases row by row.
func (s *site) checkEqual(t testing.TB, active *server) {
	t.Helper()
	eventually(t, 15*time.Second, "equal records on both databases", func() error {
		for _, table := range recordTables {
			name := pgx.Identifier{table}.Sanitize()
			sql := fmt.Sprintf("select count(*) || ' ' || coalesce(md5(string_agg(r::text, '|' order by fact_id)), '') from %s r", name)
			mine, err := active.query(sql)
			if err != nil {
				return err
			}
			theirs, err := s.other(active).query(sql)
			if err != nil {
				return err
			}
			if mine[0] != theirs[0] {
				return fmt.Errorf("table %s: %s has %s, %s has %s", table, active.seat, mine[0], s.other(active).seat, theirs[0])
			}
		}
		return nil
	})
}

// record is what a database holds of one call: which tables, how often.
type record map[string]int

// whole says whether a call has its beginning, its steps and its end, once. One that ended in the moment in
// which its server died, before the other had heard of that, has been looked for by the other too, which wrote
// down that it was gone: the earlier end is the one that is shown.
func (r record) whole() bool {
	return r["call"] == 1 && (r["call_end"] == 1 || r["call_end"] == 2 && r[releve.StepTakenUp] > 0) && r["call_step"] > 0
}

// records are what a server's database holds, by call.
func (s *server) records() (map[releve.CallID]record, error) {
	found := map[releve.CallID]record{}
	rows := map[string]string{releve.StepTakenUp: "call_step where name = '" + releve.StepTakenUp + "'"}
	for _, table := range recordTables {
		rows[table] = pgx.Identifier{table}.Sanitize()
	}
	for table, from := range rows {
		calls, err := s.query("select call from " + from)
		if err != nil {
			return nil, err
		}
		for _, call := range calls {
			if found[releve.CallID(call)] == nil {
				found[releve.CallID(call)] = record{}
			}
			found[releve.CallID(call)][table]++
		}
	}
	return found, nil
}

// checkRecorded waits until each call has its beginning, its steps and its end in
// a server's database, once.
func (s *site) checkRecorded(t testing.TB, active *server, calls []outcome) {
	t.Helper()
	eventually(t, 20*time.Second, "the whole record of each call", func() error {
		found, err := active.records()
		for _, o := range calls {
			if r := found[o.id]; err == nil && !r.whole() {
				err = fmt.Errorf("call %s has %v", o.id, r)
			}
		}
		return err
	})
}
