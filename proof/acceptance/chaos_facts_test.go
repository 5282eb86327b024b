package acceptance

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"releve"
)

// promotion is one row of the table: who opened a term, and when.
type promotion struct {
	term releve.Term
	seat releve.Seat
	at   time.Time
	xid  uint64 // of the transaction that wrote it last
}

// terms are the promotions in a server's database, by term.
func (s *server) terms() ([]promotion, error) {
	rows, err := s.query("select term || ' ' || seat || ' ' || (extract(epoch from at) * 1000000)::bigint || ' ' || xmin from promotion order by term")
	var found []promotion
	for _, row := range rows {
		var p promotion
		var micros int64
		if _, err := fmt.Sscan(row, &p.term, &p.seat, &micros, &p.xid); err != nil {
			return nil, fmt.Errorf("promotion %q: %w", row, err)
		}
		p.at = time.UnixMicro(micros)
		found = append(found, p)
	}
	return found, err
}

// factTransactions are the facts in a server's database, each with the transactions that
// wrote it: one, unless it is there twice.
func (s *server) factTransactions() (map[releve.FactID][]uint64, error) {
	var parts []string
	for _, table := range recordTables {
		parts = append(parts, "select fact_id || ' ' || xmin from "+pgx.Identifier{table}.Sanitize())
	}
	rows, err := s.query(strings.Join(parts, " union all "))
	found := map[releve.FactID][]uint64{}
	for _, row := range rows {
		id, text, _ := strings.Cut(row, " ")
		xid, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return nil, err
		}
		found[releve.FactID(id)] = append(found[releve.FactID(id)], xid)
	}
	return found, err
}

// factFindings are what the ledger and a database tell together.
type factFindings struct {
	acknowledged int
	lost         []string // not there exactly once
	putBack      []string // there, but not as it was acknowledged
	twice        []string // terms that were opened twice
}

// weigh compares what was acknowledged with what the owner's database has.
//
// A fact that its server acknowledged in one term and that the database has from a
// transaction of a later term of the other was lost by the takeover between them and came
// again from a spool: the spool must not hide that. Numbers of transactions only grow, and a
// takeover's first commit is its promotion's row, so whatever the mirror held at that
// moment has a smaller number. (The row is written again when its owner restarts in its term;
// until then more is seen.)
func weigh(acknowledged map[releve.FactID]stored, found map[releve.FactID][]uint64, promotions []promotion) factFindings {
	f := factFindings{acknowledged: len(acknowledged)}
	for id, fact := range acknowledged {
		said := fmt.Sprintf("fact %s (%s of call %s), acknowledged by the %s server at %s", id, fact.Kind, fact.Call, fact.by, fact.at.Format(clock))
		if len(found[id]) != 1 {
			f.lost = append(f.lost, fmt.Sprintf("%s, is there %d times", said, len(found[id])))
			continue
		}
		if next, ok := relievedAfter(fact, promotions); ok && found[id][0] >= next.xid {
			f.putBack = append(f.putBack, fmt.Sprintf("%s, was stored anew in term %d", said, next.term))
		}
	}
	seen := map[releve.Term]bool{}
	for _, p := range promotions {
		if seen[p.term] {
			f.twice = append(f.twice, fmt.Sprintf("term %d was opened twice", p.term))
		}
		seen[p.term] = true
	}
	return f
}

// relievedAfter is the first promotion of the other server after the term in which a
// fact was acknowledged.
func relievedAfter(fact stored, promotions []promotion) (promotion, bool) {
	var in releve.Term
	for _, p := range promotions {
		if p.seat == fact.by && !p.at.After(fact.at) {
			in = p.term
		}
	}
	for _, p := range promotions {
		if p.term > in && p.seat != fact.by {
			return p, true
		}
	}
	return promotion{}, false
}

// clock is how the pages of a chaos run write a moment.
const clock = "15:04:05.000"

// checkEqualUntil waits until both databases have the same records of all that
// happened before a moment: calls go on while they are compared.
func (s *site) checkEqualUntil(t testing.TB, active *server, moment time.Time) {
	t.Helper()
	eventually(t, 15*time.Second, "equal records on both databases", func() error {
		for _, table := range recordTables {
			sql := fmt.Sprintf("select count(*) || ' ' || coalesce(md5(string_agg(r::text, '|' order by fact_id)), '') from %s r where at < $1",
				pgx.Identifier{table}.Sanitize())
			mine, err := active.query(sql, moment)
			if err != nil {
				return err
			}
			theirs, err := s.other(active).query(sql, moment)
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

// The judge of the ledger is judged.
func TestTheHarnessSeesAFactThatOnlyTheSpoolSaved(t *testing.T) {
	start := time.Now()
	at := func(second int) time.Time { return start.Add(time.Duration(second) * time.Second) }
	promotions := []promotion{
		{term: 1, seat: releve.Main, at: at(0), xid: 10},
		{term: 2, seat: releve.Secondary, at: at(10), xid: 20},
		{term: 3, seat: releve.Main, at: at(20), xid: 30},
	}
	for name, story := range map[string]struct {
		by            releve.Seat
		at            int
		there         []uint64
		lost, putBack bool
	}{
		"copied before the takeover":        {by: releve.Main, at: 5, there: []uint64{15}},
		"heard of late":                     {by: releve.Main, at: 12, there: []uint64{15}},
		"gone":                              {by: releve.Main, at: 5, lost: true},
		"twice":                             {by: releve.Main, at: 5, there: []uint64{15, 16}, lost: true},
		"stored again by the new owner":     {by: releve.Main, at: 5, there: []uint64{25}, putBack: true},
		"the new owner's own":               {by: releve.Secondary, at: 15, there: []uint64{25}},
		"the old owner's, in a later term":  {by: releve.Main, at: 25, there: []uint64{35}},
		"the secondary's, lost on the way":  {by: releve.Secondary, at: 15, there: []uint64{35}, putBack: true},
		"already there when it was offered": {by: releve.Secondary, at: 15, there: []uint64{15}},
	} {
		ledger := map[releve.FactID]stored{"F": {ID: "F", by: story.by, at: at(story.at)}}
		f := weigh(ledger, map[releve.FactID][]uint64{"F": story.there}, promotions)
		if lost, putBack := len(f.lost) > 0, len(f.putBack) > 0; lost != story.lost || putBack != story.putBack {
			t.Errorf("%s: judged lost %v, put back %v", name, lost, putBack)
		}
	}
	if f := weigh(nil, nil, append(promotions, promotions[2])); len(f.twice) != 1 {
		t.Errorf("terms opened twice: %v", f.twice)
	}
}
