package oncall

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"releve"
	"releve/rules/alarm"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// telephone is somebody's, or a machine, or nobody's.
type telephone struct {
	keys  string        // pressed one after the other …
	after time.Duration // … this long after the answer
	err   error         // it does not answer, and the PBX says so
	never bool          // it rings, and nobody takes it
	hangs bool          // up at once
}

// round is a list with its telephones, and what came of it.
type round struct {
	telephones map[string]telephone
	keep       error // why an acknowledgement is not kept

	mu     sync.Mutex
	called []string
	said   []string
	acked  []string
	hungUp int
}

type leg struct {
	*round
	keys chan byte
	gone chan struct{}
}

func (l leg) Digits() <-chan byte          { return l.keys }
func (l leg) Gone() <-chan struct{}        { return l.gone }
func (l leg) Hangup(context.Context) error { l.mu.Lock(); defer l.mu.Unlock(); l.hungUp++; return nil }

func (l leg) Play(ctx context.Context, prompt string) error {
	l.mu.Lock()
	l.said = append(l.said, prompt)
	l.mu.Unlock()
	select {
	case <-time.After(2 * time.Second):
		return nil
	case <-l.gone:
		return errors.New("gone")
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *round) dial(ctx context.Context, number string) (Leg, error) {
	r.mu.Lock()
	r.called = append(r.called, number)
	r.mu.Unlock()
	phone := r.telephones[number]
	if phone.never {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if phone.err != nil {
		return nil, phone.err
	}
	l := leg{r, make(chan byte, 8), make(chan struct{})}
	if phone.hangs {
		close(l.gone)
	}
	time.AfterFunc(phone.after, func() {
		for _, key := range []byte(phone.keys) {
			l.keys <- key
		}
	})
	return l, nil
}

// goes goes along a list of three, about one alarm or as a test.
func (r *round) goes(t *testing.T, items ...alarm.Item) (again bool, err error) {
	t.Helper()
	c := Caller{Options{
		People: []Person{{"1001", "Anne"}, {"1002", "Béa"}, {"1003", "Chloé"}}, Language: releve.French, Dial: r.dial,
		Wanted: func(key alarm.Key) bool {
			r.mu.Lock()
			defer r.mu.Unlock()
			return !slices.ContainsFunc(r.acked, func(a string) bool { return strings.HasSuffix(a, " "+key.String()) })
		},
		Acknowledge: func(_ context.Context, by Person, key alarm.Key) error {
			r.mu.Lock()
			defer r.mu.Unlock()
			if r.keep == nil {
				r.acked = append(r.acked, by.Name+" "+key.String())
			}
			return r.keep
		},
	}}
	again, err = c.Notify(t.Context(), alarm.Letter{Alarms: items})
	if answered := r.hungUp; answered != len(r.called)-r.unanswered() {
		t.Errorf("%d calls were hung up, of %v", answered, r.called)
	}
	return again, err
}

func (r *round) unanswered() (n int) {
	for _, number := range r.called {
		if p := r.telephones[number]; p.never || p.err != nil {
			n++
		}
	}
	return n
}

func item(code alarm.Code, seat releve.Seat, message alarm.Message) alarm.Item {
	return alarm.Item{Notice: alarm.Notice{Entry: alarm.Entry{Key: alarm.Key{Code: code, Seat: seat}}, Message: message}}
}

var away = item("mirror-away", "", alarm.Began)

// One after the other is called, until somebody takes it in hand; he hears what is the matter, and it is in his name.
func TestAlongTheList(t *testing.T) {
	machine := telephone{}
	for name, c := range map[string]struct {
		telephones map[string]telephone
		called     string
		acked      string
		lasts      time.Duration // at most
	}{
		"the first takes it at once": {map[string]telephone{"1001": {keys: "1", after: time.Second}}, "1001", "Anne mirror-away", 10 * time.Second},
		"after a wrong key":          {map[string]telephone{"1001": {keys: "9#1", after: time.Second}}, "1001", "Anne mirror-away", 10 * time.Second},
		"the first passes it on":     {map[string]telephone{"1001": {keys: "2"}, "1002": {keys: "1"}}, "1001 1002", "Béa mirror-away", 10 * time.Second},
		"the first hangs up":         {map[string]telephone{"1001": {hangs: true}, "1002": {keys: "1"}}, "1001 1002", "Béa mirror-away", 10 * time.Second},
		"a machine answers":          {map[string]telephone{"1001": machine, "1002": {keys: "1"}}, "1001 1002", "Béa mirror-away", 60 * time.Second},
		"busy, and then nobody is there": {map[string]telephone{"1001": {err: errors.New("486")}, "1002": {never: true}, "1003": {keys: "1"}},
			"1001 1002 1003", "Chloé mirror-away", 45 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, began := &round{telephones: c.telephones}, time.Now()
				_, err := r.goes(t, away)
				if err != nil || strings.Join(r.called, " ") != c.called || strings.Join(r.acked, ", ") != c.acked {
					t.Errorf("called %v, acknowledged %v, %v", r.called, r.acked, err)
				}
				if time.Since(began) > c.lasts {
					t.Errorf("it took %v", time.Since(began))
				}
			})
		})
	}
}

// Where nobody takes it, or it cannot be kept that somebody did, it is tried again; a machine is nobody.
func TestNobodyTakesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &round{telephones: map[string]telephone{"1001": {}, "1002": {never: true}, "1003": {keys: "2"}}}
		again, err := r.goes(t, away)
		fault, is := errors.AsType[*releve.Fault](err)
		if !again || !is || fault.Why.Code != "call-nobody" || len(r.called) != 3 || len(r.acked) != 0 {
			t.Errorf("again %t, %v; called %v, acknowledged %v", again, err, r.called, r.acked)
		}
		r = &round{telephones: map[string]telephone{"1001": {keys: "1"}}, keep: errors.New("the disk is full")}
		if again, err := r.goes(t, away); !again || !errors.Is(err, r.keep) || len(r.called) != 1 {
			t.Errorf("again %t, %v, called %v", again, err, r.called)
		}
	})
}

// Nobody is called for what is over, nor any more once somebody has it in hand, wherever he said so.
func TestNobodyIsWokenForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &round{}
		if _, err := r.goes(t, item("mirror-away", "", alarm.Ended)); err != nil || len(r.called) != 0 {
			t.Errorf("%v, called %v", err, r.called)
		}
		r = &round{telephones: map[string]telephone{"1001": {}, "1002": {keys: "1"}}}
		time.AfterFunc(time.Second, func() {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.acked = append(r.acked, "Denis mirror-away")
		})
		if _, err := r.goes(t, away); err != nil || strings.Join(r.called, " ") != "1001" {
			t.Errorf("%v, called %v", err, r.called)
		}
	})
}

// What is said: the alarms, of which server, and the keys; a test says that it is one.
func TestWhatIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &round{telephones: map[string]telephone{"1001": {keys: "1", after: 30 * time.Second}}}
		four := item("clock", releve.Main, alarm.Began)
		if _, err := r.goes(t, item("server-silent", releve.Secondary, alarm.Waits), away, four, four); err != nil {
			t.Fatal(err)
		}
		want := "greeting alarm-server-silent secondary alarm-mirror-away alarm-clock main more keys"
		if got := strings.ReplaceAll(strings.Join(r.said, " "), "fr/", ""); !strings.HasPrefix(got, want+" ") || !strings.HasSuffix(got, " thanks") {
			t.Errorf("it says %q", got)
		}
		r = &round{telephones: map[string]telephone{"1001": {keys: "1", after: 5 * time.Second}}}
		if _, err := r.goes(t); err != nil || strings.Join(r.said, " ") != "fr/test fr/keys-test fr/thanks" || len(r.acked) != 0 {
			t.Errorf("a test says %v, acknowledges %v, %v", r.said, r.acked, err)
		}
	})
}
