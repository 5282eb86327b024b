package app

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"releve/adapters/phone"
)

// A PBX is back only after it was missed more than once and for a while: then the
// bindings are doubted, once.
func TestAPBXIsBackAfterASilence(t *testing.T) {
	lost := errors.New("no answer")
	for _, c := range []struct {
		name    string
		answers []error // one each 700 ms
		back    int
	}{
		{"well", []error{nil, nil, nil}, 0},
		{"never heard before", []error{lost, lost, lost, nil}, 0},
		{"late once", []error{nil, lost, nil}, 0},
		{"silent", []error{nil, lost, lost, lost, nil, nil}, 1},
		{"silent twice", []error{nil, lost, lost, nil, lost, lost, nil}, 2},
		{"nobody waited", []error{nil, context.Canceled, context.Canceled, context.Canceled, nil}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tel, back := &telephone{}, 0
				for _, err := range c.answers {
					if tel.backAgain(err) {
						back++
					}
					time.Sleep(700 * time.Millisecond)
				}
				if back != c.back {
					t.Errorf("back %d times, not %d", back, c.back)
				}
			})
		})
	}
}

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

func (w *wishes) Bindings(context.Context, phone.Account) ([]phone.Binding, error) {
	return []phone.Binding{{URI: "sip:reception@127.0.0.1", Own: true}}, nil
}

func (w *wishes) Register(_ context.Context, a phone.Account) (phone.Registered, error) {
	w.note("bind")
	return phone.Registered{Expires: a.Expires, At: time.Now(), Bindings: []phone.Binding{{Own: true}}}, nil
}

func (w *wishes) Unregister(ctx context.Context, _ phone.Account) error {
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
		{"wanted again while it leaves", []wish{{true, time.Second}, {false, time.Second}, {true, time.Second}}, "bind remove, in vain bind remove"},
		{"never wanted", []wish{{false, time.Minute}}, "remove"},
		{"wanted before it looked", []wish{{false, time.Second}, {true, time.Second}}, "bind remove, in vain"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				pbx := &wishes{}
				always := func(bool, bool) bool { return true }
				l := newLine(pbx, phone.Account{User: "reception", Expires: time.Minute}, always, nil, slog.New(slog.DiscardHandler))
				ctx, cancel := context.WithCancel(t.Context())
				var ended sync.WaitGroup
				ended.Go(func() { l.run(ctx) })
				for _, w := range c.wishes {
					l.want(w.on)
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
