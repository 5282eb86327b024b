package postgres

import (
	"context"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"releve"
)

// BenchmarkCommitsBesideACopy prints what a copy at the default rate costs the commits of
// the owner that is copied, its mirror in sync (SPEC M4): the ratio of their median
// latencies beside a copy and without one, the median of pairs measured one after the
// other, and that of the 99th percentiles. The copy goes to the disk that all three share,
// which two servers do not.
func BenchmarkCommitsBesideACopy(b *testing.B) {
	b.Run("50MB", func(b *testing.B) { commitsBesideACopy(b, defaultCopyRate) })
	b.Run("unlimited", func(b *testing.B) { commitsBesideACopy(b, mostCopyRate) })
}

const copiedBytes = 256 << 20

func commitsBesideACopy(b *testing.B, rate int64) {
	b.Helper()
	main, secondary := pair(b)
	pool := openPool(b, main)
	sql(b, pool, "CREATE TABLE facts (n bigint)")
	sql(b, pool,
		"CREATE TABLE ballast AS SELECT string_agg(md5(n::text || m::text), '') AS t "+
			"FROM generate_series(1, $1 / 1024) AS n, generate_series(1, 30) AS m GROUP BY n", copiedBytes)
	must(b, main.Checkpoint(within(b)))
	o := secondary.opts
	o.Dir, o.CopyRate = filepath.Join(openDir(b), "pg"), rate
	third := newCluster(b, o)
	var medians, tails []float64
	for b.Loop() {
		alone := commits(b, pool, ended(time.After(3*time.Second)))
		done := make(chan struct{})
		go func() {
			defer close(done)
			if err := third.Clone(context.Background(), main.opts.Listen, releve.NewDataID(), nil); err != nil {
				b.Error(err)
			}
		}()
		beside := commits(b, pool, ended(done))
		if err := third.DropReplaced(); err != nil {
			b.Fatal(err)
		}
		medians = append(medians, ratio(beside, alone, 0.5))
		tails = append(tails, ratio(beside, alone, 0.99))
	}
	b.ReportMetric(quantile(medians, 0.5), "median-ratio")
	b.ReportMetric(quantile(tails, 0.5), "p99-ratio")
	b.ReportMetric(float64(len(medians)), "pairs")
}

func ended[T any](c <-chan T) func() bool {
	return func() bool {
		select {
		case <-c:
			return true
		default:
			return false
		}
	}
}

// commits are the latencies of one-row commits, one after the other, in seconds.
func commits(b *testing.B, pool *pgxpool.Pool, ended func() bool) (latencies []float64) {
	b.Helper()
	for !ended() {
		began := time.Now()
		sql(b, pool, "INSERT INTO facts VALUES (1)")
		latencies = append(latencies, time.Since(began).Seconds())
	}
	return latencies
}

func ratio(beside, alone []float64, q float64) float64 {
	return quantile(beside, q) / quantile(alone, q)
}

func quantile(values []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[int(q*float64(len(sorted)-1))]
}
