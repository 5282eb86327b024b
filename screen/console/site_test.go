package console_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"releve"
	"releve/screen/console"
	"releve/screen/console/gallery"
	"releve/screen/view"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site is a site that a test changes by hand.
type site struct {
	mu       sync.Mutex
	state    gallery.State
	away     error // of the database
	pages    func(ctx context.Context, limit int) iter.Seq2[[]releve.Call, error]
	watchers map[chan view.Site]struct{}
	stored   chan []releve.Fact
	run      func(context.Context, view.Wish, func(view.Procedure)) error
	word     view.Abdication
	refuses  error // to abdicate
	arbiter  view.Arbiter
	offers   []view.Offer
	runs     []view.Run
	abort    func(id string) error
}

func newSite(t *testing.T, name string) *site {
	t.Helper()
	s := &site{watchers: map[chan view.Site]struct{}{}, stored: make(chan []releve.Fact)}
	s.state = state(t, name)
	return s
}

func state(t *testing.T, name string) gallery.State {
	t.Helper()
	found, err := gallery.Find(name, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func (s *site) change(f func(*gallery.State)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.Site.Alarms = slices.Clone(s.state.Site.Alarms) // the page may be reading those
	f(&s.state)
	for w := range s.watchers {
		select {
		case <-w: // the one before was not taken: the latest wins
		default:
		}
		w <- s.state.Site
	}
}

func (s *site) lose(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = err
}

func (s *site) View() view.Site {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.Site
}

func (s *site) Watch(ctx context.Context) <-chan view.Site {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := make(chan view.Site, 1)
	w <- s.state.Site
	s.watchers[w] = struct{}{}
	context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.watchers, w)
		close(w)
	})
	return w
}

// Calls are those of the state in one page, or what pages gives.
func (s *site) Calls(ctx context.Context, q releve.CallQuery, limit int) iter.Seq2[[]releve.Call, error] {
	if s.pages != nil {
		return s.pages(ctx, limit)
	}
	return func(yield func([]releve.Call, error) bool) {
		s.mu.Lock()
		all, away := s.state.Calls, s.away
		s.mu.Unlock()
		if away != nil {
			yield(nil, away)
		} else if all = all[:min(limit, len(all))]; len(all) > 0 {
			yield(all, nil)
		}
	}
}

func (s *site) Diary(_ context.Context, from, to time.Time, limit int) ([]releve.Entry, error) {
	at := time.Date(2026, 11, 24, 3, 0, 0, 0, time.UTC)
	if at.Before(from) || at.After(to) || limit < 1 {
		return nil, nil
	}
	return []releve.Entry{{At: at, Seat: releve.Secondary, Term: 8, Kind: "decision", What: releve.Say("rule-takeover")}}, nil
}

func (s *site) Procedure(ctx context.Context, w view.Wish, emit func(view.Procedure)) error {
	if s.run == nil {
		return errors.Join(releve.ErrUnknown, errors.New(w.Name))
	}
	return s.run(ctx, w, emit)
}

func (s *site) Offers() []view.Offer { return s.offers }
func (s *site) Runs() []view.Run {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.runs
}
func (s *site) AbortProcedure(_ context.Context, id string) error {
	if s.abort == nil {
		return releve.Refused(releve.ErrUnknown, "none runs")
	}
	return s.abort(id)
}
func (s *site) Abdicate(context.Context) (view.Abdication, error) { return s.word, s.refuses }

func (s *site) Arbiter() view.Arbiter { return s.arbiter }

func (s *site) Stored(ctx context.Context) <-chan []releve.Fact {
	out := make(chan []releve.Fact)
	go func() {
		defer close(out)
		for {
			select {
			case <-ctx.Done():
				return
			case facts := <-s.stored:
				out <- facts
			}
		}
	}()
	return out
}

// served serves a site until the test ends.
func served(t *testing.T, s console.Site, o console.Options) *console.Server {
	t.Helper()
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	if o.Socket == "" {
		o.Socket = filepath.Join(t.TempDir(), "control.sock")
	}
	if o.Door == nil {
		o.Door = everybody{}
	}
	o.Site, o.Guide, o.Log = s, s.(console.Guide), slog.New(slog.NewTextHandler(io.Discard, nil))
	server, err := console.New(o)
	if err != nil {
		t.Fatal(err)
	}
	server.Start()
	t.Cleanup(server.Close)
	return server
}

// everybody is a door that lets everybody in.
type everybody struct{}

func (everybody) Order(ctx context.Context, _ view.Order, run func(context.Context) error) error {
	return run(ctx)
}

// freeAddress is one that nothing listens on: two servers must know each other's
// before either is there.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // nobody has connected
	return l.Addr().String()
}
