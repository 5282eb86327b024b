package guide_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"releve"
	"releve/screen/view"
	"releve/server/guide"
)

// shelf is one server's book, and the way to the other's.
type shelf struct {
	t     *testing.T
	seat  releve.Seat
	file  string
	other *shelf

	mu      sync.Mutex
	book    *guide.Book
	stop    func()
	aborted []string
	refuses error
}

func (s *shelf) start() {
	b := guide.NewBook(guide.BookOptions{
		Seat: s.seat, File: s.file, Link: s, Heard: func() bool { return s.other.there() != nil }, Log: slog.New(slog.DiscardHandler),
		Abort: func(id string) error { s.aborted = append(s.aborted, id); return s.refuses },
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); b.Run(ctx) }()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.book = b
	s.stop = sync.OnceFunc(func() {
		s.mu.Lock()
		s.book = nil
		s.mu.Unlock()
		cancel()
		<-done
	})
	s.t.Cleanup(s.stop)
}

func (s *shelf) there() *guide.Book {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.book
}

func (s *shelf) Command(ctx context.Context, name string, args json.RawMessage, emit func(json.RawMessage) error) error {
	if b := s.other.there(); b != nil {
		return b.Desk()[name](ctx, args, emit)
	}
	return errors.New("the other server is off")
}

func shelves(t *testing.T, story func(t *testing.T, main, secondary *shelf)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		main := &shelf{t: t, seat: releve.Main, file: filepath.Join(dir, "main.json")}
		secondary := &shelf{t: t, seat: releve.Secondary, file: filepath.Join(dir, "secondary.json"), other: main}
		main.other = secondary
		main.start()
		secondary.start()
		story(t, main, secondary)
	})
}

func passes() {
	time.Sleep(15 * time.Second)
	synctest.Wait()
}

var anna = view.Wish{Name: "return", Ordered: "anna", OtherIsOff: true}

func at(step string) view.Procedure {
	return view.Procedure{ID: "P1", Name: "return", Started: time.Unix(100, 0).UTC(), Steps: []view.ProcedureStep{{What: releve.Say("step-duty"), State: step}}}
}

// What the leader had reached when it was killed stands with the other server, and with itself once it is back.
func TestAKilledLeaderLeavesWhatItHadReached(t *testing.T) {
	shelves(t, func(t *testing.T, main, secondary *shelf) {
		main.there().Note(anna, at("waiting"))
		main.there().Note(anna, at("running"))
		synctest.Wait()
		main.stop()
		secondary.stop()
		main.start()
		secondary.start()
		for _, s := range []*shelf{main, secondary} {
			runs := s.there().Runs()
			if len(runs) != 1 || runs[0].By != "anna" || runs[0].Seat != releve.Main || runs[0].Procedure.Steps[0].State != "running" ||
				runs[0].What.Args["off"] != "true" || !runs[0].Procedure.Finished.IsZero() {
				t.Errorf("the %s has %+v", s.seat, runs)
			}
		}
	})
}

// Apart, each goes on by itself; together again, both have all.
func TestBothBooksComeTogether(t *testing.T) {
	shelves(t, func(t *testing.T, main, secondary *shelf) {
		secondary.stop()
		main.there().Note(anna, at("done"))
		passes()
		main.stop()
		secondary.start()
		other := at("done")
		other.ID, other.Started = "P2", time.Unix(200, 0).UTC()
		secondary.there().Note(anna, other)
		passes()
		main.start()
		passes()
		for _, s := range []*shelf{main, secondary} {
			if runs := s.there().Runs(); len(runs) != 2 || runs[0].Procedure.ID != "P2" || runs[1].Procedure.ID != "P1" {
				t.Errorf("the %s has %+v", s.seat, runs)
			}
		}
	})
}

// How far a copy is, many times a second, is nothing that is kept; nor is a book longer than it may be.
func TestABookStaysSmall(t *testing.T) {
	shelves(t, func(t *testing.T, main, _ *shelf) {
		for i := range 3 {
			p := at("running")
			p.Steps[0].Progress = &releve.Progress{Done: int64(i), Total: 3}
			main.there().Note(anna, p)
		}
		if runs := main.there().Runs(); len(runs) != 1 || runs[0].Revision != 1 {
			t.Errorf("it has %+v", runs)
		}
		for i := range 60 {
			p := at("done")
			p.ID, p.Started = string(rune('a'+i%26))+string(rune('a'+i/26)), time.Unix(int64(1000+i), 0)
			main.there().Note(anna, p)
		}
		if runs := main.there().Runs(); len(runs) != 50 || runs[49].Procedure.Started != time.Unix(1010, 0) {
			t.Errorf("it has %d", len(runs))
		}
	})
}

func TestABookThatCannotBeReadIsFilledByTheOther(t *testing.T) {
	shelves(t, func(t *testing.T, main, secondary *shelf) {
		main.there().Note(anna, at("done"))
		passes()
		for _, text := range []string{"", "{", "null", "[]", `{"P1": 3}`} {
			secondary.stop()
			if err := os.WriteFile(secondary.file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			secondary.start()
			passes()
			if runs := secondary.there().Runs(); len(runs) != 1 {
				t.Errorf("of %q it has %+v", text, runs)
			}
		}
	})
}

// Whoever aborts need not know which server leads.
func TestAnAbortReachesTheLeader(t *testing.T) {
	shelves(t, func(t *testing.T, main, secondary *shelf) {
		main.there().Note(anna, at("running"))
		passes()
		for want, refuses := range map[error]error{nil: nil, guide.ErrFirm: guide.ErrFirm, guide.ErrNoneRuns: guide.ErrNoneRuns} {
			main.refuses = refuses
			for _, s := range []*shelf{main, secondary} {
				if err := s.there().AbortRun(t.Context(), "P1"); !errors.Is(err, want) {
					t.Errorf("asked of the %s: %v, not %v", s.seat, err, want)
				}
			}
		}
		if len(main.aborted) != 6 || len(secondary.aborted) != 0 {
			t.Errorf("aborted there %v, and there %v", main.aborted, secondary.aborted)
		}
		if err := secondary.there().AbortRun(t.Context(), "P9"); !errors.Is(err, guide.ErrNoneRuns) {
			t.Errorf("one that there is not: %v", err)
		}
	})
}
