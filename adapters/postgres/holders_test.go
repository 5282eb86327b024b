package postgres

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"time"

	"releve"
	"releve/rules/alarm"
)

type endings struct{ ended []int }

func (e *endings) Holders(context.Context) ([]Holder, error) { return nil, nil }
func (e *endings) EndHolder(_ context.Context, h Holder) error {
	e.ended = append(e.ended, h.PID)
	return nil
}

// A forgotten transaction is named, and ended after its time; who only works is left alone.
func TestWhoHoldsRecordsUpIsNamedAndThenEnded(t *testing.T) {
	end := new(endings)
	var said []string
	h := newHolders(end, releve.Main, func(what releve.Sentence) {
		said = append(said, string(alarm.Of(releve.Main, what).Severity)+" "+what.Code+" "+what.Args["pid"])
	}, slog.New(slog.DiscardHandler))
	forgotten, brief := Holder{PID: 7, Started: "a"}, Holder{PID: 8, Started: "a"}
	now := time.Unix(0, 0)
	for at := time.Duration(0); at < 60*time.Second; at += holdersPeriod {
		var seen []Holder
		if at <= holdersEnded && at%(4*holdersPeriod) == 0 { // ours do not wait all the time
			seen = append(seen, forgotten)
		}
		if at%(20*time.Second) == 0 {
			seen = append(seen, brief)
		}
		h.look(t.Context(), seen, now.Add(at))
	}
	if want := []string{"major event-held-up 7", "cleared event-held-up-no-more 7"}; !slices.Equal(said, want) {
		t.Errorf("said %v, want %v", said, want)
	}
	if !slices.Equal(end.ended, []int{7}) {
		t.Errorf("ended %v", end.ended)
	}
	if len(h.known) != 0 {
		t.Errorf("remembered for ever: %v", h.known)
	}
}
