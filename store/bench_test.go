package store_test

import (
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"releve"
	"releve/store"
	"releve/store/internal/pgtest"
)

// BenchmarkMirroredCommit measures one insert a commit, by eight writers, with
// a synchronous mirror and fsync on: through the store, and beside it by pgx
// alone, which is PostgreSQL's own synchronous commit. The two take turns, so
// that what else the machine does burdens both.
func BenchmarkMirroredCommit(b *testing.B) {
	s, p := mirrored(b)
	pool := p.pool()
	ctx := within(b)
	var next atomic.Int64
	number := func() string { return strconv.FormatInt(next.Add(1), 10) }
	var ours, theirs time.Duration
	for b.Loop() {
		ours += timed(b, func() error { return s.Write(ctx, insert(ctx, number())) })
		theirs += timed(b, func() error { return pgx.BeginFunc(ctx, pool, insert(ctx, number())) })
	}
	commits := float64(b.N * writers * perWriter)
	b.ReportMetric(commits/ours.Seconds(), "store-commits/s")
	b.ReportMetric(commits/theirs.Seconds(), "postgresql-commits/s")
	b.ReportMetric(theirs.Seconds()/ours.Seconds(), "ratio")
}

const writers, perWriter = 8, 10

// timed has all writers write and says how long they took together.
func timed(b *testing.B, write func() error) time.Duration {
	var all sync.WaitGroup
	start := time.Now()
	for range writers {
		all.Go(func() {
			for range perWriter {
				if err := write(); err != nil {
					b.Error(err)
				}
			}
		})
	}
	all.Wait()
	return time.Since(start)
}

// BenchmarkMirroredDrain measures facts stored in batches of 64, one commit a batch.
func BenchmarkMirroredDrain(b *testing.B) {
	s, _ := mirrored(b)
	const batch = 64
	var after uint64
	for b.Loop() {
		var facts []releve.Fact
		for range batch / 4 {
			facts = append(facts, oneCall(b, "a")...)
		}
		if _, err := s.Drain(within(b), releve.Main, "one", numbered(after, facts...)); err != nil {
			b.Fatal(err)
		}
		after += batch
	}
	b.ReportMetric(float64(after)/b.Elapsed().Seconds(), "facts/s")
}

func mirrored(b *testing.B) (*store.Store, *site) {
	c := pgtest.Run(b, "-c", "fsync=on")
	c.RunMirror(b, "-c", "fsync=on")
	p := newSite(b, c)
	return p.open(func(o *store.Options) { o.Lone = false }), p
}
