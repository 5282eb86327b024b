package acceptance

import (
	"testing"
	"time"
)

// BenchmarkSecondaryKilledWithWitness takes the power from the whole secondary under
// load. Nobody gives the vote back: the main asks the witness, and goes on alone (M4, R5).
func BenchmarkSecondaryKilledWithWitness(b *testing.B) {
	closeSharedSite() // it uses the same addresses
	s := must(newSite(newDir(b), plan{witness: true}))(b)
	b.Cleanup(s.close)
	s.startBoth(b)
	s.waitNormal(b)
	again := times("commits-again")
	for b.Loop() {
		callers := s.callIn(b, load{rate: 20, patience: 500 * time.Millisecond})
		callers.waitGreeted(b, 10, time.Time{})
		again.add(s.commitsAgain(b, s.secondary.kill9(b)))
		callers.finish(b)
		s.secondary.start(b)
		s.waitNormal(b)
	}
	again.report(b)
}
