package calls

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"

	"releve"
	"releve/rules/takeover"
)

// What waits to be taken up has a bound, and what is taken up has its end before Take has.
func TestCallsAreTakenUpAndMoreThanAnyPBXSendsAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, takeover.OnDuty, 2)
		var offers sync.WaitGroup
		waiting := make([]*caller, offeredMax)
		for i := range waiting {
			waiting[i] = newCaller("waits@pbx")
			offers.Go(func() { s.Offered(waiting[i]) })
		}
		synctest.Wait()
		late := newCaller("late@pbx")
		s.Offered(late)
		if len(late.refused) != 1 || late.refused[0] != profile.BusyCode {
			t.Errorf("one more than the bound is refused with %v", late.refused)
		}
		for _, c := range waiting[1:] {
			close(c.cancelled)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			s.Take(ctx)
			close(ended)
		}()
		synctest.Wait()
		if busy := s.Snapshot().Busy; busy != 1 {
			t.Errorf("%d calls are talked to, of one that has not gone", busy)
		}
		stop()
		<-ended
		if left := s.Snapshot(); left.Busy+left.Deciding != 0 {
			t.Errorf("it returns before its calls: %+v", left)
		}
		close(waiting[0].cancelled)
		offers.Wait()
		s.flushed(t)
	})
}

// A run says that none of its calls is without its end, and only then: whoever starts after
// it records the others as cut.
func TestARunThatEndsWholeSaysSo(t *testing.T) {
	for story, lost := range map[string]int{"whole": 0, "with a record lost": 1} {
		synctest.Test(t, func(t *testing.T) {
			s := newServer(t, takeover.OnDuty, 1)
			if lost > 0 {
				s.recorder.waiting.Add(1)
				s.recorder.lose(1)
			}
			if err := s.stop(); s.disk.finished != (lost == 0) {
				t.Errorf("%s: finished is %v, %v", story, s.disk.finished, err)
			}
		})
	}
}

// Where there is a standby the screens say how the PBX shows an overflow, and that none was
// seen yet; at level mirroring there is none.
func TestTheScreensSayHowAnOverflowIsShown(t *testing.T) {
	s := newServer(t, takeover.OnDuty, 1)
	says := func(want string) {
		t.Helper()
		got := ""
		if all := s.Load().Notices; len(all) > 0 {
			got = all[0].Code
		}
		if got != want {
			t.Errorf("the screens say %q, want %q", got, want)
		}
	}
	says("notice-overflow-unseen")
	s.Learn(Sighting{At: s.now(), Evidence: releve.EvidenceTo, Fits: true})
	says("notice-overflow-seen")
	s.Learn(Sighting{At: s.now().Add(1), Evidence: releve.EvidenceTo})
	says("notice-overflow-other")
	s.profile.StandbyUser = ""
	says("")
}
