package store_test

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"releve"
	"releve/adapters/store"
)

// came is a call for these tests; its name is its Call-ID.
type came struct {
	name     string
	at       time.Time
	seat     releve.Seat
	from     string
	outcome  string // "": it is in progress
	detail   string
	chain    string
	answered time.Duration
	test     bool
}

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func (p *site) receives(s *store.Store, calls ...came) {
	p.t.Helper()
	var facts []releve.Fact
	for _, c := range calls {
		offered, err := releve.NewFact(releve.CallOffered, releve.CallID(c.name), c.seat, 1, c.at,
			releve.CallBody{From: c.from, Chain: c.chain, AnsweredMS: c.answered.Milliseconds(), Test: c.test})
		must(p.t, err)
		facts = append(facts, offered)
		if c.outcome != "" {
			end, err := releve.NewFact(releve.CallEnded, releve.CallID(c.name), c.seat, 1, c.at.Add(time.Minute),
				releve.EndBody{Outcome: c.outcome, Detail: c.detail, DurationMS: 60_000})
			must(p.t, err)
			facts = append(facts, end)
		}
	}
	_, err := s.Drain(within(p.t), releve.Main, fmt.Sprint("spool of ", calls[0].name), numbered(0, facts...))
	must(p.t, err)
}

// found are the names of the calls looked for, read in pages of so many.
func found(t *testing.T, s *store.Store, q releve.CallQuery, page int) string {
	t.Helper()
	var names []string
	for after, more := (releve.CallMark{}), true; more; {
		calls, err := s.Calls(within(t), q, after, page)
		must(t, err)
		for _, c := range calls.Calls {
			names = append(names, string(c.Call))
		}
		after, more = calls.Last, calls.More
	}
	return strings.Join(names, " ")
}

func TestCallsAreFoundByWhatIsAsked(t *testing.T) {
	p := newSite(t, alone)
	s := p.open()
	p.receives(s,
		came{name: "a", at: noon, seat: releve.Main, from: "0612******", outcome: "transferred"},
		came{name: "b", at: noon.Add(time.Minute), seat: releve.Secondary, from: "0612******", outcome: "abandoned"},
		came{name: "c", at: noon.Add(2 * time.Minute), seat: releve.Main, from: "0622******", outcome: "abandoned"},
		came{name: "d", at: noon.Add(3 * time.Minute), seat: releve.Main, from: "2014"}, // of a version that stored it whole
		came{name: "e", at: noon.Add(4 * time.Minute), seat: releve.Main, from: "06%_******", outcome: "abandoned"},
	)
	lost, err := releve.NewFact(releve.CallEnded, "a", releve.Main, 1, noon.Add(time.Hour), releve.EndBody{Outcome: "lost"})
	must(t, err)
	_, err = s.Drain(within(t), releve.Secondary, "of who found it gone", numbered(0, lost)) // a had ended before
	must(t, err)
	for name, c := range map[string]struct {
		q    releve.CallQuery
		want string
	}{
		"nothing asked":             {releve.CallQuery{}, "e d c b a"},
		"from a moment":             {releve.CallQuery{From: noon.Add(2 * time.Minute)}, "e d c"},
		"to a moment, not included": {releve.CallQuery{To: noon.Add(2 * time.Minute)}, "b a"},
		"of one server":             {releve.CallQuery{Seat: releve.Secondary}, "b"},
		"how it ended":              {releve.CallQuery{Outcome: "abandoned"}, "e c b"},
		"who called":                {releve.CallQuery{Caller: "061"}, "b a"},
		"no pattern":                {releve.CallQuery{Caller: "06%"}, "e"},
		"what is shown":             {releve.CallQuery{Caller: "20"}, "d"},
		"no more than is shown":     {releve.CallQuery{Caller: "2014"}, ""},
		"all at once":               {releve.CallQuery{From: noon, To: noon.Add(time.Hour), Caller: "06", Outcome: "abandoned", Seat: releve.Main}, "e c"},
		"nobody":                    {releve.CallQuery{Outcome: "lost"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			for page := range 6 {
				if got := found(t, s, c.q, page+1); got != c.want {
					t.Errorf("in pages of %d: %q, and not %q", page+1, got, c.want)
				}
			}
			all, err := s.Calls(within(t), releve.CallQuery{}, releve.CallMark{}, 10)
			must(t, err)
			var taken []string
			for _, call := range all.Calls {
				if c.q.Takes(call) {
					taken = append(taken, string(call.Call))
				}
			}
			if got := strings.Join(taken, " "); got != c.want {
				t.Errorf("of those in memory: %q, and not %q", got, c.want)
			}
		})
	}
}

func TestCallsAreCountedByPeriod(t *testing.T) {
	p := newSite(t, alone)
	s := p.open()
	hours := []time.Time{noon, noon.Add(time.Hour), noon.Add(2 * time.Hour), noon.Add(3 * time.Hour)}
	calls := []came{
		{name: "before", at: noon.Add(-time.Second), outcome: "transferred"},
		{name: "put through", at: noon, outcome: "transferred", answered: 20 * time.Millisecond},
		{name: "first try", at: noon.Add(time.Minute), outcome: "refused", chain: "x"},
		{name: "second try", at: noon.Add(2 * time.Minute), outcome: "abandoned", chain: "x", answered: 40 * time.Millisecond},
		{name: "late", at: hours[1].Add(-time.Second), outcome: "transferred", answered: 900 * time.Millisecond},
		{name: "a drill's", at: noon.Add(5 * time.Minute), outcome: "transferred", test: true},
		{name: "a crowd", at: hours[2], outcome: "crowd", detail: "412"},
		{name: "in progress", at: hours[2].Add(time.Minute)},
		{name: "after", at: hours[3], outcome: "transferred"},
	}
	for i := range calls {
		calls[i].seat, calls[i].from = releve.Main, "0612******"
	}
	p.receives(s, calls...)
	got, err := store.CountCalls(within(t), p.own, hours)
	must(t, err)
	want := []releve.CallCount{
		{
			From: hours[0], To: hours[1], Calls: 4, Callers: 3, Outcomes: map[string]int{"transferred": 2, "refused": 1, "abandoned": 1},
			Median: 40 * time.Millisecond, Most: 900 * time.Millisecond,
		},
		{From: hours[1], To: hours[2], Outcomes: map[string]int{}},
		{From: hours[2], To: hours[3], Calls: 413, Callers: 413, Outcomes: map[string]int{"crowd": 412, "": 1}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("counted\n%+v\nand not\n%+v", got, want)
	}
}

// Whatever is asked, the planner has a way that does not read all calls.
func TestNoSearchReadsAllCalls(t *testing.T) {
	p := newSite(t, alone)
	p.open()
	_, err := p.own.Exec(within(t), `
INSERT INTO call SELECT i, i, 'main', 1, now() - i * interval '1 second', '0612******', '', false, '', false, false, 20, false
FROM generate_series(1, 200000) i;
INSERT INTO call_end SELECT i, i, 'main', 1, now() - i * interval '1 second',
	CASE WHEN i % 50000 = 7 THEN 'lost' WHEN i % 3 = 0 THEN 'abandoned' ELSE 'transferred' END, '', 1000
FROM generate_series(1, 200000) i;
ANALYZE`)
	must(t, err)
	scan := regexp.MustCompile(`Seq Scan on (call|call_end)\b`) // steps there are none of
	for name, q := range map[string]releve.CallQuery{
		"nothing asked": {}, "a rare end": {Outcome: "lost"}, "a frequent end": {Outcome: "abandoned"},
		"an hour":           {From: time.Now().Add(-10 * time.Hour), To: time.Now().Add(-9 * time.Hour)},
		"an end in an hour": {From: time.Now().Add(-10 * time.Hour), To: time.Now().Add(-9 * time.Hour), Outcome: "transferred"},
	} {
		t.Run(name, func(t *testing.T) {
			sql, args := store.LookFor(q, releve.CallMark{}, 100)
			rows, err := p.own.Query(within(t), "EXPLAIN (ANALYZE, FORMAT TEXT) "+sql, args...)
			must(t, err)
			plan, err := pgx.CollectRows(rows, pgx.RowTo[string])
			must(t, err)
			if i := slices.IndexFunc(plan, func(line string) bool { return scan.MatchString(line) }); i >= 0 {
				t.Errorf("%s\n%s", plan[i], strings.Join(plan, "\n"))
			}
		})
	}
}
