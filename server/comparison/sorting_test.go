package comparison

import (
	"context"
	"errors"
	"log/slog"
	"releve"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

type sortedAs releve.SortOrder

func (s sortedAs) SortOrder(context.Context) (releve.SortOrder, error) {
	return releve.SortOrder(s), nil
}
func (sortedAs) Reindex() string { return "psql" }

func TestServersThatSortOtherwiseAreSaid(t *testing.T) {
	old := releve.SortOrder{Collation: "C.UTF-8", Library: "glibc 2.36"}
	aged, other := old, old
	aged.Made = "2.31"
	other.Library = "glibc 2.41"
	for name, tt := range map[string]struct {
		own, theirs releve.SortOrder
		said        []string
	}{
		"the same":                      {old, old, nil},
		"another library":               {old, other, []string{"event-order-differs"}},
		"an upgrade under the database": {aged, old, []string{"event-order-aged"}},
		"both":                          {aged, other, []string{"event-order-aged", "event-order-differs"}},
		"by bytes":                      {releve.SortOrder{Collation: "C", ByBytes: true, Library: "glibc 2.36"}, other, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var said []string
			o := Sorting{
				own:   sortedAs(tt.own),
				other: func(context.Context) (releve.SortOrder, error) { return tt.theirs, nil },
				tell:  func(what releve.Sentence) { said = append(said, what.Code) },
			}
			if err := o.compare(t.Context()); err != nil || !slices.Equal(said, tt.said) {
				t.Errorf("%v (%v), want %v", said, err, tt.said)
			}
		})
	}
}

// It is asked once after the start, again while nobody answers, and after a comparison.
func TestTheOrderIsComparedOnceAndWhenAComparisonAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		var owner, answers atomic.Bool
		o := Sorting{
			own: sortedAs{Collation: "C.UTF-8"},
			other: func(context.Context) (releve.SortOrder, error) {
				asked.Add(1)
				if !answers.Load() {
					return releve.SortOrder{}, errors.New("away")
				}
				return releve.SortOrder{}, nil
			},
			pair: func() Pair { return Pair{Owner: owner.Load(), InSync: true} },
			log:  slog.New(slog.DiscardHandler), again: make(chan struct{}, 1),
		}
		ctx, end := context.WithCancel(t.Context())
		go o.Run(ctx)
		for _, step := range []struct {
			change func()
			asked  int32
		}{
			{func() {}, 0},
			{func() { owner.Store(true) }, 3},
			{func() { answers.Store(true) }, 4},
			{o.Again, 5},
			{func() { o.Again(); o.Again(); owner.Store(false) }, 5},
		} {
			synctest.Wait()
			step.change()
			time.Sleep(3 * orderEvery)
			synctest.Wait()
			if n := asked.Load(); n != step.asked {
				t.Fatalf("asked %d times, want %d", n, step.asked)
			}
		}
		end()
	})
}
