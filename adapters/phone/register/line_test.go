package register

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"releve"
)

// wishes is a PBX that takes what a line sends, and tells in which order.
type wishes struct {
	mu  sync.Mutex
	log []string
}

func (w *wishes) note(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log = append(w.log, what)
}

func (w *wishes) told() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.log, " ")
}

func (w *wishes) Bindings(context.Context, Account) ([]Binding, error) {
	return []Binding{{URI: "sip:reception@127.0.0.1", Own: true}}, nil
}

func (w *wishes) Register(_ context.Context, a Account) (Registered, error) {
	w.note("bind")
	return Registered{Expires: a.Expires, At: time.Now(), Bindings: []Binding{{Own: true}}}, nil
}

func (w *wishes) Unregister(ctx context.Context, _ Account) error {
	if w.told() == "bind" { // the first removal is lost
		w.note("remove, in vain")
		<-ctx.Done()
		return ctx.Err()
	}
	w.note("remove")
	return nil
}

// A line takes its binding away when the user is not wanted, again where that was lost; binds
// at once when it is wanted meanwhile; and what an earlier life left goes when nobody wants it.
func TestALineLeavesNothingBehind(t *testing.T) {
	type wish struct {
		on   bool
		wait time.Duration
	}
	for _, c := range []struct {
		name   string
		wishes []wish
		want   string
	}{
		{"kept to the end", []wish{{true, time.Second}}, "bind remove, in vain"},
		{"given back, the removal lost", []wish{{true, time.Second}, {false, time.Minute}}, "bind remove, in vain remove"},
		{"wanted again while it leaves", []wish{{true, time.Second}, {false, time.Second}, {true, time.Second}},
			"bind remove, in vain bind remove"},
		{"never wanted", []wish{{false, time.Minute}}, "remove"},
		{"wanted before it looked", []wish{{false, time.Second}, {true, time.Second}}, "bind remove, in vain"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				pbx := &wishes{}
				always := func(bool, bool) bool { return true }
				l := NewLine(pbx, Account{User: "reception", Expires: time.Minute}, always, nil, slog.New(slog.DiscardHandler))
				ctx, cancel := context.WithCancel(t.Context())
				var ended sync.WaitGroup
				ended.Go(func() { l.Run(ctx) })
				for _, w := range c.wishes {
					l.Want(w.on)
					time.Sleep(w.wait)
				}
				cancel()
				ended.Wait()
				if got := pbx.told(); got != c.want {
					t.Errorf("%q, not %q", got, c.want)
				}
			})
		})
	}
}

// showing is a PBX with one binding of ours, which it shows or does not.
type showing struct {
	mu                   sync.Mutex
	bound                bool
	hides, keeps, silent bool // shows nobody; answers a removal and removes nothing; refuses to show
}

func (r *showing) Bindings(context.Context, Account) ([]Binding, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.silent && !r.bound:
		return nil, &StatusError{Code: 500, Request: "REGISTER"}
	case r.hides || !r.bound:
		return nil, nil
	}
	return []Binding{{URI: "sip:reception@127.0.0.1", Own: true}}, nil
}

func (r *showing) Register(ctx context.Context, a Account) (Registered, error) {
	r.mu.Lock()
	r.bound = true
	r.mu.Unlock()
	all, err := r.Bindings(ctx, a)
	return Registered{Expires: a.Expires, At: time.Now(), Bindings: all}, err
}

func (r *showing) Unregister(context.Context, Account) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bound = r.keeps
	return nil
}

// A binding is gone when a PBX that showed it shows it no more. What a PBX never showed, or still
// shows, or will not say, proves nothing (SPEC B3).
func TestABindingIsSeenGone(t *testing.T) {
	for name, c := range map[string]struct {
		pbx    *showing
		wishes []bool
		gone   bool
	}{
		"it shows what it holds":     {&showing{}, []bool{true, false}, true},
		"it was never to be bound":   {&showing{}, []bool{false}, false},
		"it is bound":                {&showing{}, []bool{true}, false},
		"it is bound again":          {&showing{}, []bool{true, false, true}, false},
		"it shows nobody":            {&showing{hides: true}, []bool{true, false}, false},
		"it removes nothing":         {&showing{keeps: true}, []bool{true, false}, false},
		"it will not show it now":    {&showing{silent: true}, []bool{true, false}, false},
		"it was bound and left once": {&showing{}, []bool{true, false, true, false}, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				explain := func(releve.Sentence) {}
				always := func(bool, bool) bool { return true }
				l := NewLine(c.pbx, Account{User: "reception", Expires: time.Minute}, always, explain, slog.New(slog.DiscardHandler))
				ctx, cancel := context.WithCancel(t.Context())
				var ended sync.WaitGroup
				ended.Go(func() { l.Run(ctx) })
				for _, on := range c.wishes {
					l.Want(on)
					time.Sleep(10 * time.Second)
				}
				if l.Gone() != c.gone {
					t.Errorf("seen gone: %v", l.Gone())
				}
				cancel()
				ended.Wait()
			})
		})
	}
}

// A binding that was left at a PBX which is spoken to no more counts until it lapses, whatever the next one shows (T1).
func TestABindingLeftElsewhereCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		always := func(bool, bool) bool { return true }
		l := NewLine(&showing{}, Account{User: "reception", Expires: time.Minute}, always, func(releve.Sentence) {}, slog.New(slog.DiscardHandler))
		l.Moved() // nothing is bound: nothing is left
		ctx, cancel := context.WithCancel(t.Context())
		var ended sync.WaitGroup
		ended.Go(func() { l.Run(ctx) })
		if l.Held() {
			t.Error("held before anything was bound")
		}
		l.Want(true)
		time.Sleep(10 * time.Second)
		l.Moved()
		l.Want(false)
		time.Sleep(59 * time.Second)
		if l.Gone() || !l.Held() {
			t.Errorf("before it lapses: gone %v, held %v", l.Gone(), l.Held())
		}
		time.Sleep(2 * time.Second)
		if !l.Gone() || l.Held() {
			t.Errorf("after it lapsed: gone %v, held %v", l.Gone(), l.Held())
		}
		cancel()
		ended.Wait()
	})
}
