package calls

import (
	"context"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"releve"
	"releve/rules/attendant"
	"releve/rules/takeover"
)

// witness is the other server, which is told.
type witness struct {
	mu      sync.Mutex
	changed []releve.FactID
	has     bool // everything
}

func (w *witness) Changed(id releve.FactID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.changed = append(w.changed, id)
}

func (w *witness) Told(releve.FactID) bool { return w.has }

func (w *witness) heard() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.changed)
}

// now is the only call in conversation as another server would be told of it, by way of JSON.
func now(t *testing.T, s *server) Continuation {
	t.Helper()
	all := s.Continuations(func(releve.FactID) bool { return true })
	if len(all) != 1 {
		t.Fatalf("%d calls can be gone on with", len(all))
	}
	raw, err := json.Marshal(all[0])
	if err != nil {
		t.Fatal(err)
	}
	var read Continuation
	if err := json.Unmarshal(raw, &read); err != nil {
		t.Fatal(err)
	}
	if again, err := json.Marshal(read); err != nil || string(again) != string(raw) {
		t.Errorf("told as\n%s\nread as\n%s (%v)", raw, again, err)
	}
	return read
}

// A call goes on with another server where it was: the menu is said again, what was counted counts, and its
// record is one, whichever server's spool is read first.
func TestACallGoesOnWithAnotherServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := newServer(t, takeover.OnDuty, 2), newServer(t, takeover.OnDuty, 1)
		first.Calls.seat, first.run, second.run = releve.Main, "run-a", "run-b"
		w := &witness{has: true}
		first.Bequeath(w)
		c := newCaller("a@pbx")
		go first.offer(t, c)
		time.Sleep(1500 * time.Millisecond) // in the menu
		c.press("19")                       // and in the middle of a number
		synctest.Wait()
		told := now(t, first)
		if told.Place.Phase != "dialling" || string(told.Leg) != `"the leg of a@pbx"` || told.From != "0612345678" || len(told.Facts) != 3 || w.heard() == 0 {
			t.Errorf("told: %+v", told)
		}
		c.whenChanged()
		if n := w.heard(); w.changed[n-1] != told.ID {
			t.Error("a change of the leg is not told")
		}
		first.Cede("the duty was lost")
		synctest.Wait()
		if !c.left || c.hungUp || len(first.Known()) != 0 {
			t.Errorf("the first server left %v, hung up %v, and knows of %d calls", c.left, c.hungUp, len(first.Known()))
		}

		c.mu.Lock()
		c.said, c.left, c.codes = nil, false, []int{200}
		c.mu.Unlock()
		done := make(chan struct{})
		go func() {
			second.Continue(t.Context(), told, &leg{c})
			close(done)
		}()
		time.Sleep(1500 * time.Millisecond)
		synctest.Wait()
		if s := second.Snapshot(); s.Busy != 1 || s.Offered+s.Answered+s.Refused != 0 || !s.LastInvite.IsZero() {
			t.Errorf("a call that was taken up counts: %+v", s)
		}
		if on := second.Active(); len(on) != 1 || on[0].Seat != releve.Main || on[0].Holder() != (releve.Holder{Seat: releve.Secondary, Run: "run-b"}) {
			t.Errorf("shown: %+v", on)
		}
		if again := now(t, second); again.ID != told.ID || len(again.Facts) != 5 {
			t.Errorf("from here it could go on with %d facts of %s", len(again.Facts), again.ID)
		}
		c.press("1001")
		<-done
		if got := c.heard(); !slices.Equal(got, []string{"fr/menu", "fr/transfer"}) || !c.hungUp {
			t.Errorf("said %v, hung up %v", got, c.hungUp)
		}
		want := []string{"call", "1 greeting ", "2 menu ", "3 taken-up secondary run-b", "4 menu ", "5 digits 10**", "6 transfer extension 10**",
			"7 transfer-result 200 taken", "transferred (extension) after "}
		got := second.flushed(t).of(t, "a@pbx")
		if len(got) != len(want) || !slices.Equal(got[:8], want[:8]) || !strings.HasPrefix(got[8], want[8]) {
			t.Errorf("recorded:\n%s", strings.Join(got, "\n"))
		}
		before := first.flushed(t)
		for i, f := range before.facts {
			if !reflect.DeepEqual(f.Body, second.disk.facts[i].Body) || f.ID != second.disk.facts[i].ID {
				t.Errorf("fact %d is stored twice: %+v and %+v", i, f, second.disk.facts[i])
			}
		}
		if len(before.facts) != 3 {
			t.Errorf("the first server recorded %d facts: it ended nothing", len(before.facts))
		}
		for _, f := range second.disk.facts {
			if f.Seat != releve.Main {
				t.Errorf("fact %s is of the %s server's record", f.Kind, f.Seat)
			}
		}
		if second.Snapshot().Busy != 0 || w.changed[w.heard()-1] != told.ID {
			t.Error("a channel is held, or the end was not told")
		}
	})
}

// In the middle of a transfer the PBX is waited for: nobody is called twice.
func TestACallGoesOnInTheMiddleOfATransfer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, takeover.OnDuty, 1)
		c := newCaller("a@pbx")
		c.codes = []int{486, 200}
		from := Continuation{
			ID: "fact", Call: releve.Call{Call: "a@pbx", Seat: releve.Main, At: time.Now()},
			Place: attendant.Place{Phase: "transferring", Target: attendant.Transfer{User: "1001", As: attendant.Extension}},
			Facts: []releve.Fact{{ID: "fact", Kind: releve.CallOffered, Call: "a@pbx"}},
		}
		done := make(chan struct{})
		go func() {
			s.Continue(t.Context(), from, &leg{c})
			close(done)
		}()
		time.Sleep(6 * time.Second) // the PBX reports that nobody answers there
		c.press("1002")
		<-done
		if !slices.Equal(c.transferred, []string{"awaited", "1002"}) || !slices.Equal(c.said, []string{"fr/busy", "fr/again", "fr/transfer"}) {
			t.Errorf("transferred %v, said %v", c.transferred, c.said)
		}
		s.flushed(t)
	})
}

// Where no channel is free a caller who was answered is talked to all the same, and nobody new.
func TestACallThatWasTakenUpNeedsNoFreeChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, takeover.OnDuty, 1)
		one, two := newCaller("one@pbx"), newCaller("two@pbx")
		var talks sync.WaitGroup
		talks.Go(func() { s.offer(t, one) })
		synctest.Wait()
		talks.Go(func() { s.Continue(t.Context(), Continuation{ID: "2", Call: releve.Call{Call: "two@pbx"}}, &leg{two}) })
		synctest.Wait()
		three := newCaller("three@pbx")
		s.offer(t, three)
		if len(two.heard()) == 0 || !slices.Equal(three.refused, []int{profile.BusyCode}) || s.Snapshot().SaturatedSince.IsZero() {
			t.Errorf("the second heard %v, the third was refused with %v, %+v", two.heard(), three.refused, s.Snapshot())
		}
		close(two.bye)
		synctest.Wait()
		if s.Snapshot().Busy != 1 {
			t.Errorf("%+v", s.Snapshot())
		}
		close(one.bye)
		talks.Wait()
		if s.Snapshot().Busy != 0 || !s.Snapshot().SaturatedSince.IsZero() {
			t.Errorf("%+v", s.Snapshot())
		}
	})
}

// A server that was fenced in between ends nothing: the call is the other's again.
func TestACallThatCameWithADutyThatIsGoneIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, takeover.Closed, 1)
		c := newCaller("a@pbx")
		s.Continue(t.Context(), Continuation{ID: "1", Call: releve.Call{Call: "a@pbx"}}, &leg{c})
		if !c.left || c.hungUp || len(s.flushed(t).facts) != 0 || len(s.Known()) != 0 {
			t.Errorf("left %v, hung up %v, %d facts", c.left, c.hungUp, len(s.disk.facts))
		}
	})
}

// What the other server was not told of it cannot go on with: those callers are told that it is over.
func TestCallsThatNobodyGoesOnWithAreHungUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, takeover.OnDuty, 1)
		s.Bequeath(&witness{})
		c := newCaller("a@pbx")
		done := make(chan struct{})
		go func() { s.offer(t, c); close(done) }()
		synctest.Wait()
		s.Cede("the duty was lost")
		<-done
		if c.left || !c.hungUp || s.Known()[0].Outcome != "dropped" {
			t.Errorf("left %v, hung up %v, %+v", c.left, c.hungUp, s.Known())
		}
	})
}

// A call that could not be gone on with has its end all the same.
func TestACallThatIsLostAtATakeover(t *testing.T) {
	s := newServer(t, takeover.OnDuty, 1)
	at := time.Now().Add(-time.Minute)
	s.Lose(Continuation{
		ID: "fact", Call: releve.Call{Call: "a@pbx", At: at, Seat: releve.Main, Steps: []releve.Step{{Name: "menu"}}},
		Facts: []releve.Fact{{ID: "fact", Kind: releve.CallOffered, Call: "a@pbx"}},
	}, "no port is free")
	got := s.flushed(t).of(t, "a@pbx")
	if len(got) != 3 || got[1] != "2 taken-up secondary " || !strings.HasPrefix(got[2], "lost (no port is free) after 60") {
		t.Errorf("recorded %q", got)
	}
	if known := s.Known(); len(known) != 1 || known[0].Outcome != "lost" || s.Present() != 0 {
		t.Errorf("known: %+v", known)
	}
}

// A process that slept does nothing in its calls before it knows whether they are its own: a silence that was
// its own is no silence of the caller's.
func TestAServerThatSleptDoesNothingInItsCallsBeforeItKnows(t *testing.T) {
	for story, is := range map[string]struct {
		learns func(*server)
		said   []string
		left   bool
	}{
		"it is on duty still":    {func(s *server) { s.post.wakes(false) }, []string{"fr/menu"}, false},
		"the other has the duty": {func(s *server) { s.Cede("the duty was lost") }, nil, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newServer(t, takeover.OnDuty, 1)
			s.Bequeath(&witness{has: true})
			c := newCaller("a@pbx")
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() { s.Offer(ctx, c); close(done) }()
			time.Sleep(2500 * time.Millisecond) // greeting and menu are said
			c.mu.Lock()
			c.said = nil
			c.mu.Unlock()
			s.post.wakes(true)
			time.Sleep(10 * time.Second) // the time for a key passes
			synctest.Wait()
			if got := c.heard(); len(got) != 0 {
				t.Errorf("%s: before it knows it says %v", story, got)
			}
			is.learns(s)
			time.Sleep(500 * time.Millisecond)
			synctest.Wait()
			if got := c.heard(); !slices.Equal(got, is.said) || c.left != is.left || c.hungUp {
				t.Errorf("%s: it says %v, left %v, hung up %v", story, got, c.left, c.hungUp)
			}
			stop()
			<-done
		})
	}
}

// One that never learns it goes on: nobody else may be there.
func TestADoubtThatLastsIsNotForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, takeover.OnDuty, 1)
		s.post.wakes(true)
		c := newCaller("a@pbx")
		done := make(chan struct{})
		go func() { s.offer(t, c); close(done) }()
		time.Sleep(doubtMost + time.Second)
		if len(c.heard()) == 0 {
			t.Error("nothing is said")
		}
		close(c.bye)
		<-done
	})
}

// Whatever another server says of a call, there is a conversation, and it ends.
func FuzzContinue(f *testing.F) {
	f.Add([]byte(`{"id":"1","call":{"call":"a","seat":"main","steps":[{"name":"menu"}]},"place":{"phase":"menu"},"facts":[{"id":"1"}]}`))
	f.Add([]byte(`{"place":{"phase":"transferring","target":{"user":"1001","as":"extension"},"silences":-5}}`))
	f.Add([]byte(`{"call":{"steps":[{"name":"taken-up","detail":"x"}]},"facts":[{},{}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var from Continuation
		if json.Unmarshal(raw, &from) != nil {
			return
		}
		from.Call.Call = "a@pbx"
		s := newServer(t, takeover.OnDuty, 1)
		c := newCaller("a@pbx")
		close(c.bye)
		s.Continue(t.Context(), from, &leg{c})
		if s.Present() != 0 || s.Known()[0].Outcome == "" {
			t.Errorf("the call has no end: %+v", s.Known())
		}
	})
}
