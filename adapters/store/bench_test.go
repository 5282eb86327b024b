package store_test

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"releve"
	"releve/adapters/store"
	"releve/adapters/store/internal/pgtest"
)

const (
	writers   = 8
	perWriter = 8
	rows      = writers * perWriter // of one measurement
)

// BenchmarkMirroredCommit measures one insert a commit, by eight writers, with
// a synchronous mirror and fsync on: through the store, and beside it by pgx
// alone, which is PostgreSQL's own synchronous commit.
func BenchmarkMirroredCommit(b *testing.B) {
	s, p := mirrored(b)
	ctx := within(b)
	pool, next := p.pool(), new(counter)
	inTurns(b, "commits",
		func() { together(b, func() error { return s.Write(ctx, insert(ctx, next.number())) }) },
		func() { commitAlone(ctx, b, pool, next) })
}

// BenchmarkMirroredDrain measures facts stored as the product stores them, in one
// commit for a batch of 64, and beside it as many rows by pgx alone, a commit each.
func BenchmarkMirroredDrain(b *testing.B) {
	s, p := mirrored(b)
	ctx := within(b)
	pool, next := p.pool(), new(counter)
	var after uint64
	inTurns(b, "facts",
		func() {
			var facts []releve.Fact
			for len(facts) < rows {
				facts = append(facts, oneCall(b, "a")...)
			}
			if _, err := s.Drain(ctx, releve.Main, "one", numbered(after, facts...)); err != nil {
				b.Fatal(err)
			}
			after += rows
		},
		func() { commitAlone(ctx, b, pool, next) })
}

// inTurns measures our way and PostgreSQL's own of storing as many rows, in turns
// and each first every other time, so that what else the machine does burdens both of
// a pair. It reports rows a second, and the median of the ratios of the pairs.
func inTurns(b *testing.B, name string, ours, theirs func()) {
	b.Helper()
	var rates, peers, ratios []float64
	for b.Loop() {
		var mine, its time.Duration
		if len(rates)%2 == 0 {
			mine, its = timed(ours), timed(theirs)
		} else {
			its, mine = timed(theirs), timed(ours)
		}
		rates, peers, ratios = append(rates, rows/mine.Seconds()),
			append(peers, rows/its.Seconds()),
			append(ratios, its.Seconds()/mine.Seconds())
	}
	b.ReportMetric(middle(rates), name+"-median-/s")
	b.ReportMetric(slices.Min(rates), name+"-worst-/s")
	b.ReportMetric(float64(len(rates)), name+"-n")
	b.ReportMetric(middle(peers), "postgresql-median-/s")
	b.ReportMetric(middle(ratios), name+"-ratio")
}

func timed(f func()) time.Duration {
	start := time.Now()
	f()
	return time.Since(start)
}

func middle(values []float64) float64 { return slices.Sorted(slices.Values(values))[len(values)/2] }

// commitAlone is PostgreSQL's own synchronous commit, as any program would use it.
func commitAlone(ctx context.Context, b *testing.B, pool *pgxpool.Pool, next *counter) {
	together(b, func() error { return pgx.BeginFunc(ctx, pool, insert(ctx, next.number())) })
}

// together has all writers write their rows.
func together(b *testing.B, write func() error) {
	var all sync.WaitGroup
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
}

// counter gives each row a number of its own.
type counter struct{ last atomic.Int64 }

func (c *counter) number() string { return strconv.FormatInt(c.last.Add(1), 10) }

func mirrored(b *testing.B) (*store.Store, *site) {
	c := pgtest.Run(b, "-c", "fsync=on")
	c.RunMirror(b, "-c", "fsync=on")
	p := newSite(b, c)
	return p.open(func(o *store.Options) { o.Lone = false }), p
}
