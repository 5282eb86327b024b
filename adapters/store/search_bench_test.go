package store_test

import (
	"testing"
	"time"

	"releve"
	"releve/adapters/store"
)

// BenchmarkSearch looks for calls among ten million, each way in which they can be looked for, and
// counts a month of them by days. The figure is milliseconds for a page of a hundred, in the middle.
func BenchmarkSearch(b *testing.B) {
	p := newSite(b, alone)
	p.open()
	for _, sql := range []string{
		`INSERT INTO call SELECT i, i, CASE WHEN i % 9 = 0 THEN 'secondary' ELSE 'main' END, 1, now() - i * interval '1.5 second',
			'06' || lpad((i % 97)::text, 2, '0') || '******', '', false, '', false, false, 20 + i % 50, false FROM generate_series(1, 10000000) i`,
		`INSERT INTO call_end SELECT i, i, CASE WHEN i % 9 = 0 THEN 'secondary' ELSE 'main' END, 1, now() - i * interval '1.5 second',
			CASE WHEN i % 1000000 = 7 THEN 'lost' WHEN i % 3 = 0 THEN 'abandoned' ELSE 'transferred' END, '', 1000 FROM generate_series(1, 10000000) i`,
	} {
		_, err := p.own.Exec(b.Context(), sql)
		must(b, err)
	}
	_, err := p.own.Exec(b.Context(), "VACUUM ANALYZE")
	must(b, err)
	s := p.open()
	now := time.Now()
	long := now.AddDate(0, -4, 0)
	for _, c := range []struct {
		name string
		q    releve.CallQuery
	}{
		{"latest", releve.CallQuery{}},
		{"a frequent end", releve.CallQuery{Outcome: "abandoned"}},
		{"a rare end", releve.CallQuery{Outcome: "lost"}},
		{"an hour long ago", releve.CallQuery{From: long, To: long.Add(time.Hour)}},
		{"a caller in a day long ago", releve.CallQuery{From: long, To: long.Add(24 * time.Hour), Caller: "0642"}},
		{"all that can be asked", releve.CallQuery{From: long, To: now, Caller: "0642", Outcome: "abandoned", Seat: releve.Secondary}},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				_, err := s.Calls(b.Context(), c.q, releve.CallMark{}, 100)
				must(b, err)
			}
		})
	}
	b.Run("a month by days", func(b *testing.B) {
		times := make([]time.Time, 31)
		for i := range times {
			times[i] = now.AddDate(0, 0, i-30)
		}
		for b.Loop() {
			_, err := store.CountCalls(b.Context(), p.own, times)
			must(b, err)
		}
	})
}
