package telephone

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"releve"
	"releve/rules/takeover"
	"releve/server/agent"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeLine is an open telephone, which tells what becomes of it.
type fakeLine struct {
	agent.Absent
	held, gone              atomic.Bool
	served, running, closed atomic.Bool
	kept                    atomic.Value
}

func (l *fakeLine) Keep(u takeover.Users)                             { l.kept.Store(u) }
func (l *fakeLine) Held() takeover.Users                              { return takeover.Users{Standby: l.held.Load()} }
func (l *fakeLine) Gone() bool                                        { return l.gone.Load() }
func (l *fakeLine) Granted() (time.Duration, bool)                    { return time.Minute, true }
func (l *fakeLine) Serve()                                            { l.served.Store(true) }
func (l *fakeLine) Ask(context.Context) (code int, c bool, err error) { return 200, false, nil }
func (l *fakeLine) Call(context.Context, string) (releve.TestCall, error) {
	return releve.TestCall{AnsweredBy: "main"}, nil
}

func (l *fakeLine) Run(ctx context.Context) {
	l.running.Store(true)
	<-ctx.Done()
	l.running.Store(false)
}

func (l *fakeLine) Close() error {
	if l.running.Load() {
		return errors.New("closed while it runs")
	}
	l.closed.Store(true)
	return nil
}

// world is what a Switch stands in.
type world struct {
	mute    atomic.Bool
	calls   atomic.Int64
	fails   atomic.Int64
	changed chan struct{}
	mu      sync.Mutex
	lines   []*fakeLine
	said    []string
	shown   releve.Sentence
	notices int
	asked   int
}

func (w *world) opened() []*fakeLine {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.lines)
}

func (w *world) told() (said []string, shown releve.Sentence) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.said), w.shown
}

// locked runs f under the lock.
func (w *world) locked(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

func newWorld() *world { return &world{changed: make(chan struct{}, 1)} }

func (w *world) parts() Parts {
	return Parts{
		Open: func() (Line, error) {
			if w.fails.Add(-1) >= 0 {
				return nil, errors.New("the port is in use")
			}
			l := &fakeLine{}
			l.held.Store(true)
			w.locked(func() { w.lines = append(w.lines, l) })
			return l, nil
		},
		Ask: func(context.Context) (takeover.Shown, error) {
			w.locked(func() { w.asked++ })
			return takeover.Shown{Any: true}, nil
		},
		Mute:    w.mute.Load,
		Changed: func(context.Context) <-chan struct{} { return w.changed },
		Calls:   func() int { return int(w.calls.Load()) },
		Explain: func(s releve.Sentence) { w.locked(func() { w.said = append(w.said, s.Code) }) },
		Notice: func(_ string, s releve.Sentence) { // it is news, as at the agent's front
			w.locked(func() { w.shown, w.notices = s, w.notices+1 })
			select {
			case w.changed <- struct{}{}:
			default:
			}
		},
	}
}

// run runs a switch until the end of the test.
func (w *world) run(t *testing.T) *Switch {
	s := New(w.parts())
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx) }()
	t.Cleanup(func() { stop(); <-done })
	synctest.Wait()
	return s
}

func (w *world) level(mute bool) {
	w.mute.Store(mute)
	w.changed <- struct{}{}
	synctest.Wait()
}

// A level that gives a telephone has it opened with the users that the agent wants; one that takes
// it away has it closed when the PBX has let the users go and the last call is over.
func TestTheTelephoneFollowsTheLevel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.mute.Store(true)
		s := w.run(t)
		s.Serve()
		wants := takeover.Users{Standby: true}
		s.Keep(wants)
		if _, err := s.Call(t.Context(), "1"); len(w.opened()) != 0 || !errors.Is(err, ErrClosed) || s.Bound() != (takeover.Users{}) {
			t.Fatalf("a closed telephone has %d lines, and answers %v", len(w.opened()), err)
		}
		w.level(false)
		if len(w.opened()) != 1 || !w.opened()[0].served.Load() || !w.opened()[0].running.Load() || w.opened()[0].kept.Load() != wants {
			t.Fatalf("%d lines are open, kept %v", len(w.opened()), w.opened()[0].kept.Load())
		}
		line := w.opened()[0]
		w.calls.Store(1)
		w.level(true)
		time.Sleep(closeLimit / 2)
		synctest.Wait()
		if line.closed.Load() || s.Bound() != wants {
			t.Errorf("closed: %v, though the PBX holds its user; bound is %v", line.closed.Load(), s.Bound())
		}
		line.held.Store(false)
		time.Sleep(2 * closeLimit)
		synctest.Wait()
		if line.closed.Load() {
			t.Error("it is closed under a call")
		}
		w.calls.Store(0)
		time.Sleep(2 * closeLook)
		synctest.Wait()
		if !line.closed.Load() {
			t.Error("it is not closed, though nothing is left on it")
		}
		w.level(false)
		w.locked(func() {
			if w.notices > 0 {
				t.Errorf("%d notices were given where nothing was wrong", w.notices)
			}
		})
		if len(w.opened()) != 2 || w.opened()[1].kept.Load() != wants {
			t.Errorf("opened anew, there are %d lines", len(w.opened()))
		}
	})
}

// A PBX that does not let a user go keeps no telephone open for ever.
func TestASilentPBXKeepsNoTelephoneOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		s := New(w.parts())
		if err := s.Open(); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); s.Run(ctx) }()
		defer func() { stop(); <-done }()
		synctest.Wait()
		w.level(true)
		time.Sleep(closeLimit + closeLook)
		synctest.Wait()
		if !w.opened()[0].closed.Load() {
			t.Error("it is still open")
		}
	})
}

// What cannot be opened is tried again after pauses that grow, and said once and shown as long.
func TestATelephoneThatCannotBeOpened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.mute.Store(true)
		w.run(t)
		w.fails.Store(3)
		began := time.Now()
		w.level(false)
		if _, shown := w.told(); shown.Code != "event-telephone-not-opened" {
			t.Errorf("the screen shows %v", shown)
		}
		time.Sleep(again + 2*again)
		synctest.Wait()
		if len(w.opened()) != 0 {
			t.Errorf("opened after %v", time.Since(began))
		}
		time.Sleep(4 * again)
		synctest.Wait()
		if said, shown := w.told(); len(w.opened()) != 1 || shown.Code != "" || len(said) != 2 {
			t.Errorf("%d lines, told %v, shown %v", len(w.opened()), said, shown)
		}
	})
}

// What became of a telephone is known when it is closed, and forgotten when it is opened again.
func TestWhatBecameOfATelephone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.mute.Store(true)
		s := w.run(t)
		if got := s.State(); got != (takeover.Line{Closed: true}) {
			t.Errorf("of one that was never open: %+v", got)
		}
		for _, gone := range []bool{true, false} {
			w.level(false)
			if got := s.State(); got != (takeover.Line{Granted: time.Minute, Shown: true}) {
				t.Errorf("of an open one: %+v", got)
			}
			line := w.opened()[len(w.opened())-1]
			line.held.Store(false)
			line.gone.Store(gone)
			w.level(true)
			if got := s.State(); got != (takeover.Line{Closed: true, Gone: gone}) {
				t.Errorf("of a closed one, whose binding was seen gone (%v): %+v", gone, got)
			}
		}
	})
}

// The PBX is asked for the other's registration while the telephone is closed, and by nobody else's order.
func TestAClosedTelephoneAsksThePBXWhenItIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.mute.Store(true)
		s := w.run(t)
		time.Sleep(time.Hour)
		asked := func() (n int) { w.locked(func() { n = w.asked }); return n }
		if n := asked(); n != 0 {
			t.Errorf("it asked %d times by itself", n)
		}
		if got, err := s.Theirs(t.Context()); err != nil || !got.Any || asked() != 1 {
			t.Errorf("%+v, %v, asked %d times", got, err, asked())
		}
		w.level(false)
		if _, err := s.Theirs(t.Context()); !errors.Is(err, ErrOpen) || asked() != 1 {
			t.Errorf("an open one: %v, asked %d times", err, asked())
		}
	})
}
