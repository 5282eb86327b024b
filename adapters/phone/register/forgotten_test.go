package register

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// pbx is a registrar with a memory, of which the test can rob it.
type pbx struct {
	sync.Mutex
	begin  time.Time
	bound  bool // our binding
	blind  bool // it shows none
	silent bool
	full   bool // it takes no binding, and shows what it has
	refuse *StatusError
	coy    *StatusError // to who looks, and to nobody else
	log    []string     // REGISTER requests that bind, in seconds
	asked  int          // all requests
	every  []string     // all requests, with their second
}

// note counts a request.
func (p *pbx) note(what string) {
	p.asked++
	p.every = append(p.every, fmt.Sprint(int(time.Since(p.begin).Seconds()), " ", what))
}

func (p *pbx) Bindings(context.Context, Account) ([]Binding, error) {
	p.Lock()
	defer p.Unlock()
	p.note("look")
	switch {
	case p.silent:
		return nil, errors.New("no answer")
	case p.coy != nil:
		return nil, p.coy
	case p.refuse != nil:
		return nil, p.refuse
	}
	return p.list(), nil
}

func (p *pbx) list() []Binding {
	if !p.bound || p.blind {
		return nil
	}
	return []Binding{{URI: "sip:reception@here", Own: true}}
}

func (p *pbx) Register(_ context.Context, a Account) (Registered, error) {
	p.Lock()
	defer p.Unlock()
	p.note("bind")
	switch {
	case p.silent:
		return Registered{}, errors.New("no answer")
	case p.refuse != nil:
		return Registered{}, p.refuse
	case p.full:
		return Registered{}, &StatusError{Code: 403}
	}
	p.bound = true
	p.log = append(p.log, fmt.Sprint(int(time.Since(p.begin).Seconds())))
	return Registered{Expires: a.Expires, At: time.Now(), Bindings: p.list()}, nil
}

func (p *pbx) Unregister(context.Context, Account) error { return errors.New("nobody asks for that") }

// becomes changes the PBX.
func (p *pbx) becomes(change func()) {
	p.Lock()
	defer p.Unlock()
	change()
}

// holds says whether it has our binding, seen says what it was asked.
func (p *pbx) holds() bool {
	p.Lock()
	defer p.Unlock()
	return p.bound
}

func (p *pbx) seen() (asked int, registers []string) {
	p.Lock()
	defer p.Unlock()
	return p.asked, slices.Clone(p.log)
}

// keeps runs a registration of ten minutes beside a story.
func keeps(t *testing.T, p *pbx, story func(*Registration)) {
	t.Helper()
	keepsFor(t, p, 10*time.Minute, story)
}

func keepsFor(t *testing.T, p *pbx, expires time.Duration, story func(*Registration)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p.begin = time.Now()
		r := NewRegistration(p, Account{User: "reception", Expires: expires},
			RegistrationOptions{Log: slog.New(slog.DiscardHandler)})
		r.Start()
		synctest.Wait()
		story(r)
		if err := r.Stop(context.Background(), false); err != nil {
			t.Error(err)
		}
	})
}

// A PBX that was silent for a while may have forgotten everything: until it is asked, and
// that is soon, nobody says that the user is bound.
func TestAfterASilenceTheBindingIsAskedFor(t *testing.T) {
	p := &pbx{}
	keeps(t, p, func(r *Registration) {
		time.Sleep(5 * time.Second)
		p.becomes(func() { p.bound = false })
		r.Doubt()
		if r.State().Bound(time.Now()) {
			t.Error("it is believed to be bound before anybody looked")
		}
		time.Sleep(afterSilence)
		synctest.Wait()
		if !p.holds() || !r.State().Bound(time.Now()) {
			_, log := p.seen()
			t.Errorf("not bound again: REGISTER at %v", log)
		}
	})
}

// The servers of a site, and of others, do not come at one instant.
func TestAfterASilenceNotAllAtOnce(t *testing.T) {
	seen := make(map[time.Duration]bool)
	for range 8 {
		p := &pbx{}
		keeps(t, p, func(r *Registration) {
			r.Doubt()
			doubted := time.Now()
			for r.State().Doubted {
				time.Sleep(time.Millisecond)
			}
			seen[time.Since(doubted)] = true
		})
	}
	if len(seen) < 4 {
		t.Errorf("they come after %v", seen)
	}
}

// While a PBX that is back does not answer REGISTER yet, the pauses begin anew and grow.
func TestAfterASilenceWithBackOff(t *testing.T) {
	p := &pbx{}
	keeps(t, p, func(r *Registration) {
		p.becomes(func() { p.silent, p.bound = true, false })
		r.Doubt()
		p.becomes(func() { p.asked = 0 })
		time.Sleep(time.Minute)
		if asked, _ := p.seen(); asked < 4 || asked > 10 || r.State().Bound(time.Now()) {
			t.Errorf("asked %d times in a minute", asked)
		}
		p.becomes(func() { p.silent = false })
		r.Doubt()
		time.Sleep(afterSilence)
		synctest.Wait()
		if !r.State().Bound(time.Now()) {
			t.Error("not bound again")
		}
	})
}

// A PBX that forgets without a silence that anybody noticed: the binding is missed at the
// next look, far before half its expiry.
func TestAForgottenBindingIsMissed(t *testing.T) {
	p := &pbx{}
	keeps(t, p, func(r *Registration) {
		time.Sleep(3 * time.Second)
		p.becomes(func() { p.bound = false })
		time.Sleep(lookPeriod)
		synctest.Wait()
		if !p.holds() || !r.State().Bound(time.Now()) {
			_, log := p.seen()
			t.Errorf("not bound again: REGISTER at %v", log)
		}
		if _, log := p.seen(); !slices.Equal(log, []string{"0", "20"}) {
			t.Errorf("REGISTER at %v, not once more after 20 s", log)
		}
	})
}

// While it is missing and cannot be had again, the user is not bound; a question that is
// refused, or not answered, says nothing about it.
func TestAForgottenBindingThatIsRefused(t *testing.T) {
	p := &pbx{}
	keeps(t, p, func(r *Registration) {
		p.becomes(func() { p.bound, p.refuse = false, &StatusError{Code: 405} })
		time.Sleep(lookPeriod + time.Second)
		p.becomes(func() { p.refuse, p.silent = nil, true })
		time.Sleep(lookPeriod)
		if !r.State().Bound(time.Now()) {
			t.Error("a question without an answer counts against the binding")
		}
		p.becomes(func() { p.silent, p.full = false, true })
		time.Sleep(lookPeriod)
		if r.State().Bound(time.Now()) {
			t.Error("bound, although the PBX shows that it is not")
		}
	})
}

// Where nothing is shown there is nothing to look at: the registration is refreshed more
// often than its expiry needs.
func TestABlindPBXIsRefreshedMoreOften(t *testing.T) {
	p := &pbx{blind: true}
	keeps(t, p, func(*Registration) { time.Sleep(95 * time.Second) })
	if _, log := p.seen(); !slices.Equal(log, []string{"0", "30", "60", "90"}) {
		t.Errorf("REGISTER at %v, not each 30 s", log)
	}
}

// Looking costs three questions a minute.
func TestLookingIsModest(t *testing.T) {
	p := &pbx{}
	keeps(t, p, func(*Registration) { time.Sleep(4*time.Minute + time.Second) })
	if asked, log := p.seen(); len(log) != 1 || asked > 2+4*3 {
		t.Errorf("%d requests in four minutes, of which REGISTER at %v", asked, log)
	}
}

// A PBX that wants to be left alone is, save where that would cost a binding that holds.
func TestRetryAfterIsHeeded(t *testing.T) {
	p := &pbx{refuse: &StatusError{Code: 503, RetryAfter: 2 * time.Minute}}
	keeps(t, p, func(r *Registration) {
		time.Sleep(119 * time.Second)
		r.Now()
		r.Doubt()
		synctest.Wait()
		if asked, _ := p.seen(); asked != 1 {
			t.Errorf("asked %d times in 119 s", asked)
		}
		p.becomes(func() { p.refuse = nil })
		time.Sleep(2 * time.Second)
		if !p.holds() {
			t.Error("not asked again after it")
		}
		// Now a binding of ten minutes is refreshed after five, and refused for an hour.
		p.becomes(func() { p.refuse = &StatusError{Code: 503, RetryAfter: time.Hour} })
		time.Sleep(5*time.Minute + lookPeriod)
		p.becomes(func() { p.refuse = nil })
		time.Sleep(5*time.Minute - lookPeriod - time.Second)
		if _, log := p.seen(); len(log) != 2 || !r.State().Bound(time.Now()) {
			t.Errorf("the binding was let expire: REGISTER at %v", log)
		}
	})
}

// While a PBX wants to be left alone it is asked for one thing: to renew a binding that is
// about to lapse, once, and without a look before it, which it would refuse.
func TestLeftAloneSaveForTheBinding(t *testing.T) {
	busy := func(wait time.Duration) *StatusError { return &StatusError{Code: 503, RetryAfter: wait} }
	for _, c := range []struct {
		name   string
		change func(*pbx) // after 10 s
		until  time.Duration
		want   []string
	}{
		{
			"everything is refused", func(p *pbx) { p.refuse = busy(2 * time.Minute) }, 175 * time.Second,
			[]string{"0 look", "0 bind", "20 look", "52 bind", "172 look"},
		},
		{
			"looks are refused", func(p *pbx) { p.coy = busy(2 * time.Minute) }, 165 * time.Second,
			[]string{"0 look", "0 bind", "20 look", "52 bind", "104 bind", "140 look", "156 bind"},
		},
		{
			"for a moment, again and again", func(p *pbx) { p.refuse = busy(5 * time.Second) }, 66 * time.Second,
			[]string{"0 look", "0 bind", "20 look", "30 look", "35 look", "40 look", "45 look", "52 bind"},
		},
		{
			"without a time", func(p *pbx) { p.refuse = busy(0) }, 56 * time.Second,
			[]string{"0 look", "0 bind", "20 look", "30 look", "30 bind", "31 look", "31 bind", "33 look",
				"33 bind", "37 look", "37 bind", "45 look or 46 look", "45 bind or 46 bind", "52 bind"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := &pbx{}
			keepsFor(t, p, time.Minute, func(*Registration) {
				time.Sleep(10 * time.Second)
				p.becomes(func() { c.change(p) })
				time.Sleep(c.until - 10*time.Second)
			})
			if got := p.every[:min(len(p.every), len(c.want)+3)]; !slices.EqualFunc(got, c.want, due) {
				t.Errorf("%q, not %q", got, c.want)
			}
		})
	}
}

// due says that a request came when it was wanted: in a second, or in one of two where the
// pauses before it are spread (see jitter).
func due(came, wanted string) bool {
	one, other, _ := strings.Cut(wanted, " or ")
	return came == one || came == other
}

// Who is bound besides cannot be asked then, and what was seen last is no proof that the
// user is still ours: whoever is asked for leave knows of no binding of our own.
func TestNoProofWhileThePBXIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pbx{begin: time.Now()}
		var own []bool
		r := NewRegistration(p, Account{User: "reception", Expires: time.Minute}, RegistrationOptions{
			Log: slog.New(slog.DiscardHandler),
			May: func(_ context.Context, b []Binding) bool {
				own = append(own, slices.ContainsFunc(b, isOwn))
				return len(b) > 0 || len(own) == 1
			},
		})
		r.Start()
		time.Sleep(10 * time.Second)
		p.becomes(func() { p.coy = &StatusError{Code: 503, RetryAfter: time.Hour} })
		time.Sleep(45 * time.Second)
		if _, log := p.seen(); !slices.Equal(log, []string{"0", "52"}) || slices.Contains(own, true) {
			t.Errorf("REGISTER at %v, asked with our own: %v", log, own)
		}
		if err := r.Stop(context.Background(), false); err != nil {
			t.Error(err)
		}
	})
}
