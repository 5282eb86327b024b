package acceptance

import (
	"testing"
	"time"
)

// BenchmarkMirrorAbdicates kills the mirror's PostgreSQL under load. Commits stop,
// the secondary gives the vote back, and the main goes on alone (R2).
func BenchmarkMirrorAbdicates(b *testing.B) {
	s := benchSite(b)
	again := times("commits-again")
	for b.Loop() {
		callers := s.callIn(b, load{rate: 20, patience: 500 * time.Millisecond})
		callers.waitGreeted(b, 10, time.Time{})
		died := time.Now()
		killAll(freeze(s.secondary.postgres))
		again.add(s.commitsAgain(b, died))
		callers.finish(b)
		s.waitNormal(b)
	}
	again.report(b)
}

// commitsAgain is the time from a death to the end of the longest silence of the
// main's acknowledgements after it. What was committed just before the death may
// be heard of just after it: the first row heard is not the one that ends the wait.
func (s *site) commitsAgain(b testing.TB, died time.Time) time.Duration {
	b.Helper()
	s.waitAlone(b)
	s.waitStored(b, s.main, time.Now())
	var last, longest, ends time.Duration
	for _, at := range s.acknowledged(s.main, died) {
		if at-last >= longest {
			longest, ends = at-last, at
		}
		last = at
	}
	return ends
}

// waitAlone waits until the main has the vote back, and so may commit alone.
func (s *site) waitAlone(b testing.TB) {
	b.Helper()
	eventually(b, 20*time.Second, "the main alone", func() error {
		v, err := s.main.view()
		if err == nil && !v.Main.Vote {
			err = errNotYet
		}
		return err
	})
}

// BenchmarkMainKilledWhileAlone kills a main that has committed without its mirror:
// the secondary may not take over, and answers all the same (H9, R13).
func BenchmarkMainKilledWhileAlone(b *testing.B) {
	s := benchSite(b)
	answer := times("answer")
	for b.Loop() {
		answer.add(s.answerWithoutDuty(b))
		s.main.start(b)
		s.waitNormal(b)
	}
	answer.report(b)
}

func (s *site) answerWithoutDuty(b *testing.B) time.Duration {
	b.Helper()
	set := must(s.main.settings())(b)
	killAll(freeze(s.secondary.postgres))
	heal := cut(b, "database", tcpPorts(set.Database.Listen.Port())...) // the mirror stays away
	defer heal()
	s.waitAlone(b)
	died := s.main.kill9(b)
	caller := s.callIn(b, load{rate: 1, calls: 1, patience: time.Second})
	caller.wait(b, time.Minute)
	_, answer := s.firstAnswered(caller, died, s.secondary)
	if answer == 0 {
		b.Fatalf("the secondary answered nobody:\n%s\n%s", tail(s.pbx.log(), 20), s.logs())
	}
	if !s.secondary.mustView(b).Secondary.WithoutDuty {
		b.Error("the secondary took over without the vote")
	}
	return answer
}
