package register

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// registrar answers as the test says; the time between is virtual.
type registrar struct {
	begin    time.Time
	answers  []error // to REGISTER, in turn; the last one goes on
	removals []error // of the first un-REGISTERs; those that follow succeed
	fetch    error
	log      []string
	bindings []Binding
}

func (r *registrar) note(what string) {
	r.log = append(r.log, fmt.Sprintf("%s %s", time.Since(r.begin).Truncate(time.Second), what))
}

func (r *registrar) Bindings(context.Context, Account) ([]Binding, error) {
	if r.fetch != nil {
		r.note("fetch fails")
	}
	return r.bindings, r.fetch
}

func (r *registrar) Register(_ context.Context, a Account) (Registered, error) {
	err := r.answers[0]
	if len(r.answers) > 1 {
		r.answers = r.answers[1:]
	}
	if err != nil {
		r.note("refused")
		return Registered{}, err
	}
	r.note("bound")
	return Registered{Expires: a.Expires, At: time.Now()}, nil
}

func (r *registrar) Unregister(context.Context, Account) error {
	if len(r.removals) > 0 {
		err := r.removals[0]
		r.removals = r.removals[1:]
		r.note("refused")
		return err
	}
	r.note("unregistered")
	return nil
}

// during runs a registration for some virtual time and returns what the registrar saw.
func during(t *testing.T, d time.Duration, r *registrar, may func(context.Context, []Binding) bool, unregister bool) []string {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r.begin = time.Now()
		reg := NewRegistration(r, Account{User: "reception", Expires: time.Minute}, RegistrationOptions{
			May: may, Log: slog.New(slog.DiscardHandler),
		})
		reg.Start()
		time.Sleep(d)
		if err := reg.Stop(context.Background(), unregister); err != nil {
			t.Error(err)
		}
		if unregister && reg.State().Bound(time.Now()) {
			t.Error("it believes to be bound after it was removed")
		}
	})
	return r.log
}

func TestRefreshAtHalfTheExpiry(t *testing.T) {
	got := during(t, 95*time.Second, &registrar{answers: []error{nil}}, nil, false)
	want := []string{"0s bound", "30s bound", "1m0s bound", "1m30s bound"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, not %q", got, want)
	}
}

// 403 is never final: another server's binding stands until it expires. The pauses grow
// to half a minute and stay there.
func TestRefusedForEver(t *testing.T) {
	refused := &StatusError{Code: 403}
	got := during(t, 10*time.Minute, &registrar{answers: []error{refused}}, nil, false)
	if n := len(got); n < 20 || n > 26 {
		t.Errorf("%d attempts in 10 minutes: %q", n, got)
	}
	if got[0] != "0s refused" || got[1] != "1s refused" || got[2] != "3s refused" {
		t.Errorf("the first pauses: %q", got[:3])
	}
}

func TestSilentThenBound(t *testing.T) {
	silent := errors.New("no answer")
	got := during(t, 40*time.Second, &registrar{answers: []error{silent, silent, nil}}, nil, true)
	want := []string{"0s refused", "1s refused", "3s bound", "33s bound", "40s unregistered"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, not %q", got, want)
	}
}

// A server that lost the duty sends nothing, however long it sleeps.
func TestNotOnDuty(t *testing.T) {
	on := true
	r := &registrar{answers: []error{nil}, bindings: []Binding{{URI: "sip:reception@other"}}}
	got := during(t, 10*time.Minute, r, func(_ context.Context, b []Binding) bool {
		if len(b) != 1 {
			t.Errorf("asked with %v", b)
		}
		defer func() { on = false }()
		return on
	}, false)
	if want := []string{"0s bound"}; !slices.Equal(got, want) {
		t.Errorf("%q, not %q", got, want)
	}
}

// slow is a registrar that challenges, before which the server sleeps.
type slow struct {
	registrar
	sleep func()
}

func (r *slow) Register(ctx context.Context, a Account) (Registered, error) {
	r.sleep()
	if !a.Still() {
		r.note("not wanted")
		return Registered{}, ErrNotWanted
	}
	return r.registrar.Register(ctx, a)
}

// A server that was relieved while it slept between the challenge and its answer does not
// take the user back, and comes again as one that is held back does, not as one refused.
func TestTheDutyIsLostBeforeTheChallengeIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wanted := true
		r := &slow{registrar{begin: time.Now(), answers: []error{nil}}, func() { wanted = false }}
		events := make(chan RegistrationEvent, 1)
		reg := NewRegistration(r, Account{User: "reception", Expires: time.Minute}, RegistrationOptions{
			May: func(context.Context, []Binding) bool { return wanted },
			On:  func(e RegistrationEvent) { events <- e },
			Log: slog.New(slog.DiscardHandler),
		})
		reg.Start()
		if e := <-events; e.Outcome != Held || e.Err != nil {
			t.Errorf("%+v", e)
		}
		if err := reg.Stop(context.Background(), false); err != nil || !slices.Equal(r.log, []string{"0s not wanted"}) {
			t.Errorf("%q, %v", r.log, err)
		}
	})
}

// A PBX that will not show the bindings is no reason not to register; one that says
// nothing at all is.
func TestBindingsUnknown(t *testing.T) {
	unknown := false
	may := func(_ context.Context, b []Binding) bool { unknown = b == nil; return true }
	got := during(t, time.Second/2, &registrar{answers: []error{nil}, fetch: &StatusError{Code: 405}}, may, false)
	if want := []string{"0s fetch fails", "0s bound"}; !slices.Equal(got, want) || !unknown {
		t.Errorf("%q, unknown %v", got, unknown)
	}
	got = during(t, time.Second/2, &registrar{answers: []error{nil}, fetch: errors.New("no answer")}, may, false)
	if want := []string{"0s fetch fails"}; !slices.Equal(got, want) {
		t.Errorf("%q, not %q", got, want)
	}
}

func TestNowDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events := make(chan RegistrationEvent, 10)
		r := &registrar{begin: time.Now(), answers: []error{nil}}
		reg := NewRegistration(r, Account{User: "reception", Expires: time.Minute}, RegistrationOptions{
			On: func(e RegistrationEvent) { events <- e }, Log: slog.New(slog.DiscardHandler),
		})
		reg.Start()
		if e := <-events; e.User != "reception" || e.Outcome != Bound || e.Next.Sub(e.At) != 30*time.Second {
			t.Errorf("%+v", e)
		}
		reg.Now()
		if e := <-events; time.Since(r.begin) != 0 || e.Outcome != Bound {
			t.Errorf("after %v: %+v", time.Since(r.begin), e)
		}
		if !reg.State().Bound(time.Now().Add(59*time.Second)) || reg.State().Bound(time.Now().Add(61*time.Second)) {
			t.Errorf("bound until %v", reg.State().Until)
		}
		if err := reg.Stop(context.Background(), false); err != nil {
			t.Error(err)
		}
	})
}
