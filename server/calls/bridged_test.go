package calls

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"releve/rules/takeover"
)

// A caller who was joined here to whom he wanted talks for as long as both like, which no limit of a transfer ends; the
// record says when that began and how it ended, and that he was put through.
func TestATalkByWayOfThisServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, takeover.OnDuty, 3)
		c := newCaller("a@pbx").press("1001")
		c.codes, c.ringFor = []int{200}, 3*time.Second
		c.bridged.Store(true)
		done := make(chan struct{})
		go func() { s.offer(t, c); close(done) }()
		time.Sleep(4*time.Second + 10*time.Minute)
		if active := s.Active(); len(active) != 1 {
			t.Fatalf("the talk is over after ten minutes: %+v", s.Recent(1))
		}
		close(c.bye)
		<-done
		want := []string{"call", "1 greeting ", "2 menu ", "3 digits 10**", "4 transfer extension 10**", "5 transfer-result 200 taken", "6 bridged ",
			"7 talked ", "transferred (extension bridged) after 604000 ms"}
		if got := s.flushed(t).of(t, "a@pbx"); !slices.Equal(got, want) {
			t.Errorf("recorded %q", got)
		}
	})
}

// A second call takes a channel like any other, where one is free; one that is there already takes it all the same.
func TestASecondCallTakesAChannel(t *testing.T) {
	s := newServer(t, takeover.OnDuty, 1)
	leave, ok := s.Room(false)
	if f := s.Snapshot(); !ok || f.Busy != 1 || f.SaturatedSince.IsZero() {
		t.Fatalf("taken %t: %+v", ok, f)
	}
	if _, ok := s.Room(false); ok {
		t.Error("a channel more than there are")
	}
	another, ok := s.Room(true)
	if f := s.Snapshot(); !ok || f.Busy != 2 {
		t.Errorf("there already, and taken %t: %+v", ok, f)
	}
	another()
	leave()
	leave() // once is enough
	if f := s.Snapshot(); f.Busy != 0 || !f.SaturatedSince.IsZero() {
		t.Errorf("after both: %+v", f)
	}
}
