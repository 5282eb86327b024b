package calls

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"releve/rules/takeover"

	"releve"
)

func fact(n int) releve.Fact {
	return releve.Fact{ID: releve.FactID(fmt.Sprint(n)), Kind: releve.CallStepped}
}

// fill puts as many facts in the recorder as it holds while the disk is stuck
// with its first batch.
func fill(s *server) (facts int) {
	s.recorder.record(fact(0))
	synctest.Wait() // the recorder has taken the first fact, and waits on the disk
	for n := range queueMax {
		s.recorder.record(fact(n + 1))
	}
	return queueMax + 1
}

// A disk that does not come back costs a call at most one short wait, and then
// its records; the conversation goes on in time.
func TestStuckSpoolIsNotHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, takeover.OnDuty, 1)
		held := make(chan struct{})
		s.disk.hold(held)
		kept := fill(s)
		c := newCaller("a@pbx").press("1001")
		c.codes = []int{200}
		s.offer(t, c)
		if call := s.Recent(1)[0]; call.Outcome != "transferred" || call.Duration > 4*time.Second+patienceMax {
			t.Errorf("%s after %v", call.Outcome, call.Duration)
		}
		if f := s.Snapshot(); f.RecordsLost == 0 || f.RecordsWaiting != int64(kept) {
			t.Errorf("lost %d, waiting %d", f.RecordsLost, f.RecordsWaiting)
		}
		lost := s.Snapshot().RecordsLost

		close(held)
		synctest.Wait()
		next := newCaller("b@pbx")
		close(next.bye)
		s.offer(t, next)
		if got := len(s.flushed(t).of(t, "b@pbx")); got == 0 {
			t.Error("nothing was recorded once the disk was back")
		}
		if f := s.Snapshot(); f.RecordsLost != lost || f.RecordsWaiting != 0 {
			t.Errorf("lost %d, waiting %d", f.RecordsLost, f.RecordsWaiting)
		}
	})
}

// Each time that the disk is stuck and memory full, one call waits for room, once.
func TestOneWaitForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, takeover.OnDuty, 1)
		for range 2 {
			held := make(chan struct{})
			s.disk.hold(held)
			fill(s)
			for _, want := range []time.Duration{patienceMax, 0, 0} {
				before := time.Now()
				s.recorder.record(fact(0))
				if waited := time.Since(before); waited != want {
					t.Errorf("waited %v for room, want %v", waited, want)
				}
			}
			close(held)
			synctest.Wait()
		}
	})
}

// A disk that refuses for a while has every fact in the end, in order, once.
func TestFailingSpoolLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, takeover.OnDuty, 1)
		s.disk.fail(errors.New("no space left on device"))
		for n := range 1000 {
			s.recorder.record(fact(n))
		}
		time.Sleep(time.Minute)
		if f := s.Snapshot(); f.RecordsWaiting != 1000 || f.RecordsLost != 0 {
			t.Errorf("while it fails: %+v", f)
		}
		s.disk.fail(nil)
		time.Sleep(retryMax)
		synctest.Wait()
		for n, f := range s.disk.facts {
			if f.ID != fact(n).ID {
				t.Fatalf("fact %d is %s", n, f.ID)
			}
		}
		if len(s.disk.facts) != 1000 || s.Snapshot().RecordsWaiting != 0 {
			t.Errorf("%d facts on the disk", len(s.disk.facts))
		}
	})
}

// What is in memory when the server stops is written, or counted as lost.
func TestLastChance(t *testing.T) {
	t.Run("the disk takes it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newServer(t, takeover.OnDuty, 1)
			s.disk.fail(errors.New("busy"))
			for n := range 1000 {
				s.recorder.record(fact(n))
			}
			synctest.Wait()
			s.disk.fail(nil)
			if err := s.stop(); err != nil || len(s.disk.facts) != 1000 {
				t.Errorf("%d facts, %v", len(s.disk.facts), err)
			}
		})
	})
	t.Run("the disk does not", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newServer(t, takeover.OnDuty, 1)
			s.disk.fail(errors.New("no space left on device"))
			for n := range 1000 {
				s.recorder.record(fact(n))
			}
			before := time.Now()
			err := s.stop()
			if err == nil || !strings.Contains(err.Error(), "1000 records") || time.Since(before) > flushMax {
				t.Errorf("after %v: %v", time.Since(before), err)
			}
			if f := s.Snapshot(); f.RecordsLost != 1000 || f.RecordsWaiting != 0 {
				t.Errorf("figures: %+v", f)
			}
		})
	})
}

// Calls that wait for room at one moment all have it when a batch was taken.
func TestRoomForAllWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(batchMax)
		for n := range batchMax {
			q.put(fact(n))
		}
		var waiting sync.WaitGroup
		for n := range 5 {
			waiting.Go(func() {
				if !q.putWithin(patienceMax, fact(batchMax+n)) {
					t.Errorf("fact %d found no room", batchMax+n)
				}
			})
		}
		synctest.Wait()
		before := time.Now()
		if got := len(q.take(batchMax)); got != batchMax {
			t.Errorf("%d facts were in it, want %d", got, batchMax)
		}
		waiting.Wait()
		if waited := time.Since(before); waited != 0 {
			t.Errorf("room was found %v late", waited)
		}
		if got := len(q.take(batchMax)); got != 5 {
			t.Errorf("%d facts came after, want 5", got)
		}
	})
}

// A server whose disk is well does not pay for the one day on which it is not.
func TestIdleRecorderIsSmall(t *testing.T) {
	const made = 100
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range made {
		_ = newRecorder(nil, nil)
	}
	runtime.ReadMemStats(&after)
	if size := (after.TotalAlloc - before.TotalAlloc) / made; size > 4096 {
		t.Errorf("a recorder that holds nothing takes %d bytes", size)
	}
}
