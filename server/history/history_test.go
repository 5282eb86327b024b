package history_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"releve"
	"releve/adapters/diary"
	"releve/server/history"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// server is one of two, with a diary on a disk; its orders go to the other's desk.
type server struct {
	history.Reader
	diary *diary.Diary
	other *server
	cut   bool
}

func newServer(t *testing.T, seat releve.Seat) *server {
	t.Helper()
	d, err := diary.Open(t.TempDir(), diary.Options{Seat: seat, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	s := &server{diary: d}
	s.Reader = history.Reader{Own: d, Link: s, OtherHeard: func() bool { return !s.cut }}
	return s
}

var errCut = errors.New("cut")

func (s *server) Command(ctx context.Context, name string, args json.RawMessage, emit func(json.RawMessage) error) error {
	if s.cut {
		return errCut
	}
	return s.other.Desk()[name](ctx, args, emit)
}

func entry(seat releve.Seat, after time.Duration, code string) releve.Entry {
	return releve.Entry{At: noon.Add(after), Seat: seat, Kind: "decision", What: releve.Say(code), Input: json.RawMessage(`{"much":1}`)}
}

func (s *server) says(t *testing.T, from, to time.Time, limit int) (codes string, silent bool) {
	t.Helper()
	h, err := s.History(t.Context(), from, to, limit)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range h.Entries {
		if e.Input != nil {
			t.Error("it carries what only a replay needs")
		}
		all = append(all, e.What.Code)
	}
	return strings.Join(all, " "), h.OtherSilent
}

// Either server tells what both diaries say, an act that stands in both once, newest first and no more than asked.
func TestEitherServerTellsWhatBothDiariesSay(t *testing.T) {
	main, secondary := newServer(t, releve.Main), newServer(t, releve.Secondary)
	main.other, secondary.other = secondary, main
	act := entry(releve.Main, 3*time.Second, "act")
	act.Evidence = []releve.Sentence{releve.Say("audit-who", "by", "anna")}
	main.diary.Write(entry(releve.Main, 0, "first"))
	main.diary.Write(act)
	secondary.diary.Write(entry(releve.Secondary, time.Second, "second"))
	secondary.diary.Write(act)
	secondary.diary.Write(entry(releve.Secondary, 5*time.Second, "last"))
	for _, s := range []*server{main, secondary} {
		for _, c := range []struct {
			from, to time.Time
			limit    int
			want     string
		}{
			{limit: 100, want: "last act second first"},
			{limit: 2, want: "last act"},
			{to: noon.Add(4 * time.Second), limit: 2, want: "act second"},
			{from: noon.Add(time.Second), to: noon.Add(3 * time.Second), limit: 100, want: "act second"},
		} {
			if got, silent := s.says(t, c.from, c.to, c.limit); got != c.want || silent {
				t.Errorf("%+v: %q, silent %t", c, got, silent)
			}
		}
	}
	main.cut = true
	if got, silent := main.says(t, time.Time{}, time.Time{}, 100); got != "act first" || !silent {
		t.Errorf("cut off: %q, silent %t", got, silent)
	}
}
