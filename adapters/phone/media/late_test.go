package media

import (
	"testing"
	"time"
)

// How late the loop is shows while it is, for a moment afterwards, and no longer.
func TestTheLoopTellsHowLateItIs(t *testing.T) {
	e := startEngine(t)
	if late := e.Late(); late != 0 {
		t.Errorf("without a stream the loop is %v late", late)
	}
	p := &pacer{clock: e.pacer.clock}
	p.late.due.Store(int64(p.clock.now() - 30*time.Millisecond))
	if late := p.lately(); late < 30*time.Millisecond || late > time.Minute {
		t.Errorf("the loop has been waited for for 30 ms, and is %v late", late)
	}
	p.late.due.Store(int64(time.Hour))
	tick := lately
	p.late.woke(tick+1, 7*time.Millisecond)
	for range 2 * lately {
		if tick++; p.lately() != 7*time.Millisecond && tick < 2*lately {
			t.Fatalf("at tick %d the loop was %v late", tick, p.lately())
		}
		p.late.woke(tick, 0)
	}
	if late := p.lately(); late != 0 {
		t.Errorf("a while later it was %v late", late)
	}
}
