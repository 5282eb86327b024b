package succession

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"releve"
	"releve/server/calls"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errSilent, errUnknown = errors.New("it does not answer"), errors.New("this version knows no such order")

// desk is the calls of one server, of which a test says what they are, and the road to the other.
type desk struct {
	mu       sync.Mutex
	at       map[releve.FactID]string // where each call in conversation is
	leg      string                   // what the telephone writes down of each
	other    *Succession              // nil: it is silent
	old      bool                     // the other is of a version that knows no such order
	slow     time.Duration            // until it answers
	messages []message                // that were sent

	went   []string // calls that were gone on with
	lost   []string
	over   chan struct{} // closed when those are over
	told   []releve.Sentence
	unfit  map[string]bool // legs that cannot be taken up
	refuse map[string]bool // or not be brought over
	begun  []time.Time     // of bringing one over
	most   int             // at a time
	now    int
}

func newDesk() *desk {
	return &desk{at: map[releve.FactID]string{}, over: make(chan struct{}), unfit: map[string]bool{}, refuse: map[string]bool{}}
}

func (d *desk) Continuations(wanted func(releve.FactID) bool) (all []calls.Continuation) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(d.at)) {
		if wanted(id) {
			c := calls.Continuation{ID: id, Call: releve.Call{Call: releve.CallID(id)}, Leg: json.RawMessage(fmt.Sprintf("%q", string(id)+d.leg))}
			c.Place.Phase = d.at[id]
			all = append(all, c)
		}
	}
	return all
}

func (d *desk) Continue(ctx context.Context, from calls.Continuation, _ calls.Leg) {
	d.mu.Lock()
	d.went = append(d.went, string(from.ID)+" "+from.Place.Phase)
	d.mu.Unlock()
	select {
	case <-d.over:
	case <-ctx.Done():
	}
}

func (d *desk) Lose(from calls.Continuation, why string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lost = append(d.lost, string(from.ID)+" "+why)
}

func (d *desk) Command(ctx context.Context, name string, args json.RawMessage, emit func(json.RawMessage) error) error {
	d.mu.Lock()
	m, err := read(args)
	if err != nil {
		panic(err)
	}
	d.messages = append(d.messages, m)
	other, old, slow := d.other, d.old, d.slow
	d.mu.Unlock()
	if slow > 0 {
		select {
		case <-time.After(slow):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	switch {
	case other == nil:
		return errSilent
	case old:
		return errUnknown
	}
	return other.Desk()[name](ctx, args, emit)
}

// leg is one that was taken up.
type leg struct {
	calls.Leg
	desk *desk
	name string
}

func (l leg) Reach(ctx context.Context) error {
	l.desk.mu.Lock()
	l.desk.begun = append(l.desk.begun, time.Now())
	l.desk.now++
	l.desk.most = max(l.desk.most, l.desk.now)
	l.desk.mu.Unlock()
	defer func() {
		l.desk.mu.Lock()
		l.desk.now--
		l.desk.mu.Unlock()
	}()
	select {
	case <-time.After(100 * time.Millisecond):
	case <-ctx.Done():
	}
	if l.desk.refuse[l.name] {
		return errors.New("488 Not Acceptable Here")
	}
	return nil
}

func (d *desk) takeUp(written json.RawMessage) (Leg, error) {
	var name string
	if err := json.Unmarshal(written, &name); err != nil {
		return nil, err
	}
	if d.unfit[name] {
		return nil, errors.New("no port is free")
	}
	return leg{desk: d, name: name}, nil
}

// set changes where calls are, and tells of it; "" is over.
func (d *desk) set(s *Succession, at map[releve.FactID]string) {
	d.mu.Lock()
	for id, where := range at {
		if d.at[id] = where; where == "" {
			delete(d.at, id)
		}
	}
	d.mu.Unlock()
	for id := range at {
		s.Changed(id)
	}
}

func (d *desk) sent() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.messages)
}

func newSuccession(d *desk, run releve.RunID) *Succession {
	return New(Options{
		Self: run, Calls: d, Link: d, May: func() bool { return true }, TakeUp: d.takeUp, Log: slog.New(slog.DiscardHandler),
		Explain: func(what releve.Sentence) {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.told = append(d.told, what)
		},
	})
}

// pair plays a story on two servers in virtual time.
func pair(t *testing.T, story func(t *testing.T, main, secondary *desk, tells, keeps *Succession)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		main, secondary := newDesk(), newDesk()
		tells, keeps := newSuccession(main, "run-a"), newSuccession(secondary, "run-b")
		main.other, secondary.other = keeps, tells
		ctx, stop := context.WithCancel(context.Background())
		var running sync.WaitGroup
		running.Go(func() { tells.Run(ctx) })
		running.Go(func() { keeps.Run(ctx) })
		story(t, main, secondary, tells, keeps)
		stop()
		running.Wait()
	})
}

func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// kept is what an heir has, as lines.
func kept(s *Succession) (all []string) {
	s.heir.mu.Lock()
	defer s.heir.mu.Unlock()
	for id, c := range s.heir.kept {
		all = append(all, string(id)+" "+c.Place.Phase)
	}
	return slices.Sorted(slices.Values(all))
}

func wantKept(t *testing.T, s *Succession, want ...string) {
	t.Helper()
	if got := kept(s); !slices.Equal(got, want) {
		t.Errorf("it keeps %q, want %q", got, want)
	}
}

// What changes is told at once, the latest state alone, and forgotten with the end of the call. While nothing
// is in progress, nothing is sent.
func TestTheOtherServerIsToldOfCallsInProgress(t *testing.T) {
	pair(t, func(t *testing.T, main, _ *desk, tells, keeps *Succession) {
		pass(time.Hour)
		if main.sent() != 0 {
			t.Fatalf("%d messages while there are no calls", main.sent())
		}
		main.set(tells, map[releve.FactID]string{"a": "menu"})
		pass(time.Millisecond)
		wantKept(t, keeps, "a menu")
		if !tells.Told("a") || tells.Told("b") {
			t.Error("who was told of what is not known")
		}
		for range 100 {
			main.set(tells, map[releve.FactID]string{"a": "listening", "b": "menu"})
			time.Sleep(100 * time.Microsecond)
		}
		main.set(tells, map[releve.FactID]string{"a": "dialling"})
		pass(tellPace)
		wantKept(t, keeps, "a dialling", "b menu")
		if main.sent() > 3 {
			t.Errorf("%d messages for two hundred changes within a moment", main.sent())
		}
		main.set(tells, map[releve.FactID]string{"a": ""})
		pass(tellPace)
		wantKept(t, keeps, "b menu")
		before := main.sent()
		pass(time.Minute)
		if more := main.sent() - before; more < 10 || more > 13 {
			t.Errorf("%d messages in a minute in which nothing changed, to be sure", more)
		}
		main.set(tells, map[releve.FactID]string{"b": ""})
		pass(tellPace)
		before = main.sent()
		pass(time.Hour)
		if wantKept(t, keeps); main.sent() != before {
			t.Errorf("%d messages after the last call", main.sent()-before)
		}
	})
}

// A server that was silent, or is started anew, has all of it before long, and nothing of what is over.
func TestWhoComesBackIsToldEverything(t *testing.T) {
	for story, away := range map[string]func(main *desk, keeps *Succession) (back func() *Succession){
		"silent": func(main *desk, keeps *Succession) func() *Succession {
			main.other = nil
			return func() *Succession { return keeps }
		},
		"slow": func(main *desk, keeps *Succession) func() *Succession {
			main.slow = time.Minute
			return func() *Succession { main.slow = 0; return keeps }
		},
		"started anew": func(main *desk, _ *Succession) func() *Succession {
			return func() *Succession { return newSuccession(newDesk(), "run-c") }
		},
		"of the version before, until it was upgraded": func(main *desk, _ *Succession) func() *Succession {
			main.old = true
			return func() *Succession { main.old = false; return newSuccession(newDesk(), "run-c") }
		},
	} {
		t.Run(story, func(t *testing.T) {
			pair(t, func(t *testing.T, main, _ *desk, tells, keeps *Succession) {
				main.set(tells, map[releve.FactID]string{"a": "menu", "b": "menu", "stays": "listening"})
				pass(time.Second)
				main.mu.Lock()
				back := away(main, keeps)
				main.mu.Unlock()
				main.set(tells, map[releve.FactID]string{"a": "", "b": "dialling", "c": "menu"})
				pass(time.Minute)
				before := main.sent()
				pass(time.Minute)
				if more := main.sent() - before; more > 31 {
					t.Errorf("%d messages in a minute to who takes none", more)
				}
				main.mu.Lock()
				main.other = back()
				main.mu.Unlock()
				pass(assure + againMost + tellLimit)
				wantKept(t, main.other, "b dialling", "c menu", "stays listening")
			})
		})
	}
}

// However many calls there are, a message is one that the link takes, and all arrive.
func TestManyCallsAreToldInSeveralMessages(t *testing.T) {
	pair(t, func(t *testing.T, main, _ *desk, tells, keeps *Succession) {
		main.leg = strings.Repeat("v=0", 30<<10/3)
		all := map[releve.FactID]string{}
		for i := range 300 {
			all[releve.FactID(fmt.Sprint(i))] = "menu"
		}
		main.set(tells, all)
		pass(time.Second)
		if n := len(kept(keeps)); n != 300 {
			t.Errorf("%d of 300 calls are kept", n)
		}
		for _, m := range main.messages {
			raw, err := json.Marshal(m)
			if err != nil || len(raw) > 1<<20 || len(m.Calls) > callsMost {
				t.Errorf("a message of %d calls and %d bytes (%v)", len(m.Calls), len(raw), err)
			}
		}
	})
}

func TestWhatIsKeptIsBounded(t *testing.T) {
	h := newHeir(Options{}, time.Now)
	for i := range keptMost + 10 {
		h.hear(message{Run: "run", Number: uint64(i + 1), Calls: []calls.Continuation{{ID: releve.FactID(fmt.Sprint(i))}, {}}})
	}
	if len(h.kept) != keptMost {
		t.Errorf("%d calls are kept", len(h.kept))
	}
	h.hear(message{Run: "run", Number: 1, Over: []releve.FactID{"1"}}) // it was overtaken
	if _, there := h.kept["1"]; !there {
		t.Error("what came too late is believed")
	}
	h.hear(message{Run: "another", Number: 1})
	if len(h.kept) != 0 {
		t.Errorf("%d calls of a run that is over are kept", len(h.kept))
	}
}

// All of them are spoken in at once and brought over a few at a time; what cannot be had has its end.
func TestTheCallsOfADeadServerAreGoneOnWith(t *testing.T) {
	pair(t, func(t *testing.T, main, secondary *desk, tells, keeps *Succession) {
		all := map[releve.FactID]string{}
		for i := range 200 {
			all[releve.FactID(fmt.Sprintf("%03d", i))] = "menu"
		}
		main.set(tells, all)
		pass(time.Second)
		secondary.unfit["000"], secondary.refuse["001"] = true, true
		inherited := time.Now()
		keeps.Inherit()
		keeps.Inherit()
		synctest.Wait()
		if len(secondary.went) != 199 || !slices.Equal(secondary.lost, []string{"000 no port is free"}) {
			t.Errorf("at once %d calls are gone on with, lost: %q", len(secondary.went), secondary.lost)
		}
		pass(5 * time.Second)
		if len(secondary.begun) != 199 || secondary.most > reachMost {
			t.Errorf("%d were brought over, %d at a time", len(secondary.begun), secondary.most)
		}
		if took := secondary.begun[198].Sub(inherited); took > time.Second {
			t.Errorf("the last of 200 waited for %v", took)
		}
		if len(secondary.told) != 1 || secondary.told[0].Args["calls"] != "198" || secondary.told[0].Args["lost"] != "2" {
			t.Errorf("told: %+v", secondary.told)
		}

		// The old main wakes, and still says something of them: they are not its own any more.
		main.set(tells, map[releve.FactID]string{"005": "listening", "new": "menu"})
		pass(time.Second)
		wantKept(t, keeps, "new menu")
		keeps.Inherit()
		pass(time.Second)
		if len(secondary.went) != 200 || secondary.went[199] != "new menu" {
			t.Errorf("gone on with: %q", secondary.went[199:])
		}
		close(secondary.over)
	})
}

// Whoever was left in silence for long has hung up; and nobody is taken up twice.
func TestWhatWasToldLongAgoIsNotGoneOnWith(t *testing.T) {
	pair(t, func(t *testing.T, main, secondary *desk, tells, keeps *Succession) {
		main.set(tells, map[releve.FactID]string{"a": "menu"})
		pass(time.Second)
		main.mu.Lock()
		main.other = nil
		main.mu.Unlock()
		pass(keptFor + time.Second)
		keeps.Inherit()
		pass(time.Second)
		if len(secondary.went) != 0 || len(secondary.told) != 0 {
			t.Errorf("gone on with: %q", secondary.went)
		}
	})
}

// At a level at which the other server goes on with nothing it is told nothing; once it does, everything.
func TestNobodyIsToldWhereNobodyGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		main, secondary := newDesk(), newDesk()
		tells, keeps := newSuccession(main, "run-a"), newSuccession(secondary, "run-b")
		main.other = keeps
		may := false
		tells.teller.May = func() bool { return may }
		ctx, stop := context.WithCancel(context.Background())
		var running sync.WaitGroup
		running.Go(func() { tells.Run(ctx) })
		main.set(tells, map[releve.FactID]string{"a": "menu", "b": "menu"})
		pass(time.Hour)
		if main.sent() != 0 || tells.Told("a") {
			t.Errorf("%d messages", main.sent())
		}
		may = true
		main.set(tells, map[releve.FactID]string{"b": "listening"})
		pass(time.Second)
		wantKept(t, keeps, "a menu", "b listening")
		stop()
		running.Wait()
	})
}

// A server without a telephone has nothing of it.
func TestAServerWithoutATelephoneInheritsNothing(t *testing.T) {
	var none *Succession
	none.Inherit()
	if none.Desk() != nil {
		t.Error("it takes calls in")
	}
}

// Whatever comes as such a message, it is refused or kept, within the bounds.
func FuzzHear(f *testing.F) {
	f.Add([]byte(`{"run":"a","number":1,"anew":true,"calls":[{"id":"1","leg":{"call_id":"x"}}],"over":["2"]}`))
	f.Add([]byte(`{"calls":[{}]}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		h := newHeir(Options{}, time.Now)
		_ = h.desk()[orderCalls](t.Context(), raw, func(json.RawMessage) error { return nil })
		if _, there := h.kept[""]; there {
			t.Error("a call without an identity is kept")
		}
		for _, c := range h.inherited() {
			if !h.taken[c.ID] {
				t.Errorf("%q is gone on with and not known to be ours", c.ID)
			}
		}
	})
}
