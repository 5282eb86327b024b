package acceptance

import (
	"testing"
	"time"
)

const refusalsInOneRun = 40

// BenchmarkRefusal measures the time from the overflow of a call to its refusal
// while the main is well, by the PBX's clock. Each call overflows at once.
func BenchmarkRefusal(b *testing.B) {
	s := benchSite(b)
	s.pbx.set(b, "skip_main", "1")
	defer s.pbx.set(b, "skip_main", "0")
	s.measureRefusals(b, load{rate: 20, calls: refusalsInOneRun, patience: 500 * time.Millisecond})
}

// BenchmarkRefusalWhileEveryChannelIsBusy is the same where the main has refused
// each call before: all its channels are taken (H4).
func BenchmarkRefusalWhileEveryChannelIsBusy(b *testing.B) {
	const channels = 10
	closeSharedSite() // it uses the same addresses
	s, err := newSite(newDir(b), plan{
		init:     []string{"--channels", "10"},
		pbx:      map[string]string{"IPBX_BACK_MAX": "1"},
		settings: map[string]string{"takeover.own_calls": "false"}, // the standby refuses its own too, and would be counted
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(s.close)
	s.startBoth(b)
	s.waitNormal(b)
	talking := s.callIn(b, load{rate: channels, calls: channels, rings: true, patience: 10 * time.Minute})
	talking.waitGreeted(b, channels, time.Time{})
	s.measureRefusals(b, load{rate: 20, calls: refusalsInOneRun, patience: 500 * time.Millisecond})
}

// measureRefusals has every call of a load overflow and be refused.
func (s *site) measureRefusals(b *testing.B, l load) {
	b.Helper()
	refusal := times("refusal")
	for b.Loop() {
		began := time.Now()
		crowd := s.callIn(b, l)
		calls := len(crowd.wait(b, time.Minute))
		took := lapses(crowd.only(s.pbx.events(began, "overflow-standby", "standby-refused")), "overflow-standby", "standby-refused")
		if len(took) != calls {
			b.Errorf("the standby refused %d of %d overflowed calls", len(took), calls)
		}
		for _, d := range took {
			refusal.add(d)
		}
	}
	refusal.reportP99(b)
}
