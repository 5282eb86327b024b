package acceptance

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"
)

// The benchmarks measure what DESIGN §5 calls budgets. Each reports a median, the
// worst and the number of measurements as metrics of `go test -bench`, named
// FIGURE-median-UNIT, FIGURE-worst-UNIT and FIGURE-n; scripts/bench.sh lays them
// out beside what is asked. One iteration is one measurement, since a site can only
// be lost once before it has to be brought back.

// figure is one quantity, measured again and again.
type figure struct {
	name, unit string
	values     []float64
}

// times is a figure in milliseconds.
func times(name string) *figure { return &figure{name: name, unit: "ms"} }

func (f *figure) add(d time.Duration) {
	f.values = append(f.values, float64(d.Microseconds())/1000)
}

// quantile is the smallest value that a share of all values does not exceed.
func (f *figure) quantile(share float64) float64 {
	sorted := slices.Sorted(slices.Values(f.values))
	return sorted[max(0, int(math.Ceil(share*float64(len(sorted))))-1)]
}

func (f *figure) report(b *testing.B) {
	b.Helper()
	if len(f.values) == 0 {
		b.Fatalf("nothing was measured of %s: an earlier line says why", f.name)
	}
	b.ReportMetric(f.quantile(0.5), f.metric("median"))
	b.ReportMetric(f.quantile(1), f.metric("worst"))
	b.ReportMetric(float64(len(f.values)), f.name+"-n")
}

// reportP99 adds the 99th percentile, which means something from a hundred values on.
func (f *figure) reportP99(b *testing.B) {
	f.report(b)
	b.ReportMetric(f.quantile(0.99), f.metric("p99"))
}

// reportBeside reports a figure and a peer's that was measured in turn with it, and
// the median of the ratios of the pairs: what else the machine did in the meantime
// burdens both of a pair.
func (f *figure) reportBeside(b *testing.B, peer *figure) {
	f.report(b)
	peer.report(b)
	ratios := figure{name: f.name}
	for i := range min(len(f.values), len(peer.values)) {
		ratios.values = append(ratios.values, f.values[i]/peer.values[i])
	}
	b.ReportMetric(ratios.quantile(0.5), f.name+"-ratio")
}

func (f *figure) metric(what string) string { return fmt.Sprintf("%s-%s-%s", f.name, what, f.unit) }

// benchSite is the site that the benchmarks use one after the other, in its normal
// state.
func benchSite(b *testing.B) *site {
	b.Helper()
	b.Cleanup(func() {
		if b.Failed() {
			closeSharedSite()
		}
	})
	if shared != nil {
		shared.bringBack(b)
		return shared
	}
	var err error
	if shared, err = newSite(newDir(b), plan{}); err != nil {
		b.Fatal(err)
	}
	shared.startBoth(b)
	shared.waitNormal(b)
	return shared
}
