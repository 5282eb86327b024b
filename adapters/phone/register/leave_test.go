package register

import (
	"context"
	"errors"
	"log/slog"
	"regexp"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// leavingAt are the seconds at which a leaving server asked or removed, within ten minutes.
func leavingAt(t *testing.T, r *registrar, leave func(context.Context, Registrar, Account, *slog.Logger)) []string {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		r.begin = time.Now()
		leave(ctx, r, Account{User: "reception", Expires: time.Minute}, slog.New(slog.DiscardHandler))
		if ctx.Err() != nil {
			t.Error("it goes on after the binding has expired")
		}
	})
	return r.log
}

// A PBX that does not answer once is no reason to leave a binding there until it expires.
func TestWhoLeavesInsists(t *testing.T) {
	silent := errors.New("no answer")
	busy := &StatusError{Code: 503, RetryAfter: 20 * time.Second}
	for _, c := range []struct {
		name     string
		removals []error
		tries    int
		end      string // when it was removed, or refused for the last time; pauses are up to a tenth longer
	}{
		{"at once", nil, 1, "0s unregistered"},
		{"the second time", []error{silent}, 2, "1s unregistered"},
		{"left alone as it asked", []error{busy}, 2, "2[0-2]s unregistered"},
		{"never", slices.Repeat([]error{silent}, 20), 6, "3[1-4]s refused"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := leavingAt(t, &registrar{removals: c.removals}, Leave)
			if end := regexp.MustCompile("^" + c.end + "$"); len(got) != c.tries || !end.MatchString(got[len(got)-1]) {
				t.Errorf("%q, not %d ending with %q", got, c.tries, c.end)
			}
		})
	}
}

// What an earlier life left is removed if it is seen, alone, and not wanted after all.
func TestWhatAnEarlierLifeLeftIsRemoved(t *testing.T) {
	ours, other := Binding{URI: "sip:reception@192.0.2.1", Own: true}, Binding{URI: "sip:reception@192.0.2.2"}
	for _, c := range []struct {
		name   string
		shown  []Binding
		fetch  error
		remove bool
	}{
		{"ours alone", []Binding{ours}, nil, true},
		{"ours beside another's", []Binding{ours, other}, nil, false},
		{"another's", []Binding{other}, nil, false},
		{"none is shown", nil, nil, false},
		{"the PBX shows nothing to anybody", nil, &StatusError{Code: 405}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := leavingAt(t, &registrar{bindings: c.shown, fetch: c.fetch}, LeaveFormer)
			if removed := slices.Contains(got, "2s unregistered"); removed != c.remove {
				t.Errorf("removed: %v, not %v (%q)", removed, c.remove, got)
			}
		})
	}
	t.Run("wanted after all", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := &registrar{begin: time.Now(), bindings: []Binding{ours}}
			ctx, cancel := context.WithTimeout(t.Context(), settleTime-time.Millisecond)
			defer cancel()
			LeaveFormer(ctx, r, Account{User: "reception", Expires: time.Minute}, slog.New(slog.DiscardHandler))
			if len(r.log) > 0 {
				t.Errorf("%q", r.log)
			}
		})
	})
}
