package acceptance

import (
	"testing"
	"time"
)

// BenchmarkStart measures from the start of both servers, which have no data yet,
// to the first moment that both say protected: database made, copied and mirrored.
func BenchmarkStart(b *testing.B) {
	closeSharedSite() // it uses the same addresses
	start := times("start")
	for b.Loop() {
		start.add(startFromNothing(b))
	}
	start.report(b)
}

func startFromNothing(b *testing.B) time.Duration {
	b.Helper()
	s, err := newSite(newDir(b), plan{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.close()
	began := time.Now()
	s.startBoth(b)
	s.waitNormal(b)
	return time.Since(began)
}
