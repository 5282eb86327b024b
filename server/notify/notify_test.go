package notify_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"releve"
	"releve/rules/alarm"
	"releve/screen/view"
	"releve/server/notify"
	"releve/server/order"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// relay takes the letters of whichever server, or does not. It is the outlet of both.
type relay struct {
	mu    sync.Mutex
	began time.Time
	takes func() (again bool, err error)
	slow  time.Duration // how long it takes about it
	tried []string      // when, since the beginning
	taken []string      // who sent what
}

func (r *relay) try(ctx context.Context) (again bool, err error) {
	if r.slow > 0 {
		select {
		case <-time.After(r.slow):
		case <-ctx.Done():
			return true, ctx.Err()
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tried = append(r.tried, time.Since(r.began).Round(time.Second).String())
	if r.takes == nil {
		return false, nil
	}
	return r.takes()
}

func (r *relay) letters() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.taken, "; ")
}

// server is one of a site that sends alarms.
type server struct {
	*relay
	*alarm.Desk
	mu    sync.Mutex
	duty  releve.Duty
	down  error // its way to the relay
	other *server
	cut   bool // its way to the other
	post  *notify.Post
	told  []string
	shown []releve.Outlet
}

func newServer(seat releve.Seat, duty releve.Duty, r *relay) *server {
	s := &server{relay: r, Desk: alarm.NewDesk(seat, alarm.Book{}, time.Now()), duty: duty}
	s.restarts()
	return s
}

// restarts makes its post anew: what it knows is in the book.
func (s *server) restarts() {
	s.post = notify.New(notify.Options{
		Seat: s.Seat, Outlets: []notify.Wanted{{Outlet: s, Least: releve.Major}}, Alarms: s, Site: s, Front: s, Link: s, Writer: s,
		Log: slog.New(slog.DiscardHandler),
	})
}

func newPair(r *relay) (main, secondary *server) {
	main, secondary = newServer(releve.Main, releve.Active, r), newServer(releve.Secondary, releve.Passive, r)
	main.other, secondary.other = secondary, main
	return main, secondary
}

func (s *server) Name() string { return string(alarm.Mail) }

func (s *server) Notify(ctx context.Context, l alarm.Letter) (bool, error) {
	if s.down != nil {
		return true, s.down
	}
	again, err := s.try(ctx)
	if _, taken := errors.AsType[partly](err); taken || err == nil {
		s.relay.mu.Lock()
		s.taken = append(s.taken, string(s.Seat)+" "+l.Subject)
		s.relay.mu.Unlock()
	}
	return again, err
}

func (s *server) Probe(ctx context.Context) (bool, error) {
	if s.down != nil {
		return true, s.down
	}
	return s.try(ctx)
}

func (s *server) Due(by alarm.Outlet, least releve.Severity) []alarm.Notice {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Pass(time.Now())
	return s.Book.Due(time.Now(), s.Seat, by, least)
}

func (s *server) Sent(_ context.Context, by alarm.Outlet, all []alarm.Notice) {
	s.mu.Lock()
	for _, n := range all {
		s.Send(time.Now(), by, n)
	}
	book := s.Book
	s.mu.Unlock()
	s.tells(book)
}

// tells tells the other what this one knows.
func (s *server) tells(book alarm.Book) {
	if s.other == nil || s.cut {
		return
	}
	s.other.mu.Lock()
	defer s.other.mu.Unlock()
	s.other.Hear(time.Now(), book)
}

func (s *server) Command(ctx context.Context, name string, args json.RawMessage, emit func(json.RawMessage) error) error {
	if s.other == nil || s.cut {
		return errors.New("nobody is there")
	}
	return s.other.post.Desk()[name](ctx, args, emit)
}

var _ order.Link = (*server)(nil)

func (s *server) View() view.Site {
	return view.Site{Seat: s.Seat, Main: view.Server{Seat: releve.Main, Duty: s.duty}, Secondary: view.Server{Seat: releve.Secondary, Duty: s.duty}}
}

func (s *server) Explain(what releve.Sentence) {
	s.mu.Lock()
	s.told = append(s.told, what.Code)
	s.Tell(time.Now(), what)
	book := s.Book
	s.mu.Unlock()
	s.tells(book)
}

func (s *server) Outlets(all []releve.Outlet) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shown = all
}

func (s *server) Letter(all []alarm.Notice, _ view.Site) alarm.Letter {
	var text []string
	for _, n := range all {
		text = append(text, fmt.Sprintf("%s %s", n.Message, n.Key))
	}
	return alarm.Letter{Subject: strings.Join(text, ", ")}
}

func (s *server) Test(view.Site) alarm.Letter { return alarm.Letter{Subject: "test"} }

// sees has it see alarms from now on, and tell the other.
func (s *server) sees(codes ...alarm.Code) {
	var all []alarm.Want
	for _, code := range codes {
		all = append(all, alarm.Want{Key: alarm.Key{Code: code}, Severity: releve.Major, What: releve.Say("alarm-" + string(code))})
	}
	s.mu.Lock()
	s.Look(time.Now(), all)
	book := s.Book
	s.mu.Unlock()
	s.tells(book)
}

// run has servers send for so long.
func run(t *testing.T, d time.Duration, all ...*server) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), d)
	defer stop()
	var running sync.WaitGroup
	for _, s := range all {
		running.Go(func() { s.post.Run(ctx) })
	}
	running.Wait()
}

func expect(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

func TestOneLetterGoesOutForAlarmsThatComeTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		main, secondary := newPair(&relay{began: time.Now()})
		main.sees("takeover", "mirror-untrue")
		run(t, time.Hour, main, secondary)
		main.restarts()
		secondary.restarts()
		main.duty, secondary.duty = releve.Passive, releve.Active
		run(t, time.Hour, main, secondary)
		first, rest, _ := strings.Cut(main.letters(), "; ")
		expect(t, "sent", first, "main began mirror-untrue, began takeover")
		if strings.Contains(rest, "began") {
			t.Errorf("after a restart and a change of duty: %q", rest)
		}
	})
}

// The server without the duty leaves it to the other, unless that cannot.
func TestTheOtherServerSendsWhatIsNotSent(t *testing.T) {
	for story, c := range map[string]struct {
		breaks func(main, secondary *server)
		want   string
	}{
		"nothing is wrong":          {func(*server, *server) {}, "main began takeover"},
		"the one on duty has a way": {func(_, secondary *server) { secondary.down = errors.New("no route") }, "main began takeover; main began unsent/secondary:mail"},
		"it has none":               {func(main, _ *server) { main.down = errors.New("no route") }, "secondary began takeover; secondary began unsent/main:mail"},
		"the relay is slow":         {func(main, _ *server) { main.slow = 40 * time.Second }, "main began takeover"},
		"the pair is cut":           {func(main, secondary *server) { main.cut, secondary.cut = true, true }, "main began takeover; secondary began takeover"},
	} {
		t.Run(story, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				main, secondary := newPair(&relay{began: time.Now()})
				main.sees("takeover")
				c.breaks(main, secondary)
				run(t, 14*time.Minute, main, secondary)
				expect(t, "sent", main.letters(), c.want)
			})
		})
	}
}

// A relay that was down for both is up again: whoever comes first sends, and the other does not.
func TestNobodySendsWhatTheOtherSends(t *testing.T) {
	for up := range 120 {
		synctest.Test(t, func(t *testing.T) {
			r := &relay{began: time.Now(), slow: 20 * time.Second}
			main, secondary := newPair(r)
			r.takes = func() (bool, error) {
				if time.Since(r.began) < time.Duration(up)*time.Second {
					return true, errors.New("421 not now")
				}
				return false, nil
			}
			main.sees("takeover")
			run(t, 20*time.Minute, main, secondary)
			if n := strings.Count(r.letters(), "began takeover"); n != 1 {
				t.Errorf("up after %d s it has %q", up, r.letters())
			}
		})
	}
}

// A relay that is down costs no alarm. It is asked ever more seldom, and that it is down is an alarm.
func TestARelayThatIsDownForAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(releve.Main, releve.Active, &relay{began: time.Now()})
		s.takes = func() (bool, error) {
			if time.Since(s.began) < time.Hour {
				return true, errors.New("connection refused")
			}
			return false, nil
		}
		s.sees("takeover")
		run(t, 30*time.Minute, s)
		if got := s.shown[0]; got.Failed == nil || !got.SentAt.IsZero() || time.Since(got.Since) < 29*time.Minute {
			t.Errorf("it is shown as %+v", got)
		}
		run(t, 80*time.Minute, s)
		expect(t, "sent", s.letters(), "main began takeover")
		if n := len(s.tried); n < 8 || n > 40 {
			t.Errorf("it was tried %d times: %q", n, s.tried)
		}
		expect(t, "told", strings.Join(s.told, " "), "event-unsent event-sent-again")
		if got := s.shown[0]; got.Failed != nil || got.SentAt.IsZero() {
			t.Errorf("it is shown as %+v", got)
		}
	})
}

// What is refused for good is an alarm at once, and tried at long intervals: somebody may mend it.
func TestARelayThatRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(releve.Main, releve.Active, &relay{began: time.Now()})
		s.takes = func() (bool, error) { return false, errors.New("550 no such user") }
		s.sees("takeover")
		run(t, 35*time.Minute, s)
		if len(s.tried) != 4 || strings.Join(s.told, " ") != "event-unsent" {
			t.Errorf("tried %q, told %q", s.tried, s.told)
		}
	})
}

// partly is how one refuses somebody and takes it for the others.
type partly struct{}

func (partly) Error() string { return "550 one of them is not here any more" }
func (partly) Taken() bool   { return true }

// One of several receivers is not there any more: that is an alarm, and the others get each letter once, and
// at once.
func TestARelayThatTakesItForTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(releve.Main, releve.Active, &relay{began: time.Now()})
		s.takes = func() (bool, error) { return false, partly{} }
		s.sees("takeover")
		run(t, time.Minute, s)
		s.sees("takeover", "mirror-untrue")
		run(t, time.Minute, s)
		expect(t, "sent", s.letters(), "main began takeover; main began mirror-untrue")
		expect(t, "told", strings.Join(s.told, " "), "event-unsent")
		if got := s.shown[0]; got.Failed == nil || got.SentAt.IsZero() {
			t.Errorf("it is shown as %+v", got)
		}
	})
}

// A relay that was down while there was nothing to send has an alarm as soon as it is up again.
func TestAnAlarmDoesNotWaitForAProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(releve.Main, releve.Active, &relay{began: time.Now()})
		s.down = errors.New("connection refused")
		run(t, time.Hour, s)
		s.down = nil
		s.sees("takeover")
		run(t, 20*time.Second, s)
		expect(t, "sent", s.letters(), "main began takeover")
	})
}

// One that puts it off, as for greylisting, is no alarm if it takes it within a minute.
func TestARelayThatPutsItOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(releve.Main, releve.Active, &relay{began: time.Now()})
		s.takes = func() (bool, error) {
			if len(s.tried) < 3 {
				return true, errors.New("451 come again")
			}
			return false, nil
		}
		s.sees("takeover")
		run(t, 5*time.Minute, s)
		expect(t, "sent", s.letters(), "main began takeover")
		expect(t, "told", strings.Join(s.told, " "), "")
	})
}

// With nothing to send, a password that has changed is known within the hour, and that it is set right as well.
func TestAnOutletIsTriedWithoutSending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(releve.Main, releve.Active, &relay{began: time.Now()})
		run(t, 150*time.Minute, s)
		if len(s.tried) != 3 || s.shown[0].WellAt.IsZero() {
			t.Errorf("tried %q, shown as %+v", s.tried, s.shown)
		}
		s.takes = func() (bool, error) { return false, errors.New("535 no") }
		run(t, time.Hour, s)
		expect(t, "told", strings.Join(s.told, " "), "event-unsent")
		s.takes = nil
		run(t, time.Hour, s)
		expect(t, "told", strings.Join(s.told, " "), "event-unsent event-sent-again")
		expect(t, "sent", s.letters(), "")
	})
}

func TestATest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(releve.Secondary, releve.Passive, &relay{began: time.Now()})
		for story, c := range map[string]struct {
			name   string
			dryRun bool
			takes  func() (bool, error)
			sent   bool
		}{
			"of all":       {sent: true},
			"of one":       {name: "mail", sent: true},
			"a rehearsal":  {dryRun: true},
			"that is lost": {takes: func() (bool, error) { return true, errors.New("down") }},
		} {
			s.takes, s.taken = c.takes, nil
			all, err := s.post.Test(t.Context(), c.name, c.dryRun)
			if err != nil || len(all) != 1 || all[0].Sent != c.sent || (all[0].Failed != nil) != (c.takes != nil) || all[0].Subject != "test" {
				t.Errorf("%s: %+v, %v", story, all, err)
			}
			if (len(s.taken) == 1) != c.sent {
				t.Errorf("%s: sent %q", story, s.taken)
			}
		}
		if _, err := s.post.Test(t.Context(), "pigeon", false); !errors.Is(err, releve.ErrUnknown) {
			t.Errorf("by what is not there: %v", err)
		}
		if _, err := notify.New(notify.Options{}).Test(t.Context(), "", false); !errors.Is(err, releve.ErrForbidden) {
			t.Errorf("without any: %v", err)
		}
	})
}
