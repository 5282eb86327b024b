package comparison

import (
	"context"
	"log/slog"
	"time"

	"releve"
	"releve/server/order"
)

// Sorting finds out whether both servers sort texts by the same rules, for an index of the
// mirror is only as true as that: once after each start, and after each comparison. The
// owner asks and says it.
type Sorting struct {
	own   Sorted
	other func(context.Context) (releve.SortOrder, error)
	pair  func() Pair
	tell  func(what releve.Sentence)
	log   *slog.Logger
	again chan struct{} // at most one waits
}

// Sorted is a database as the comparison needs it.
type Sorted interface {
	SortOrder(context.Context) (releve.SortOrder, error)
	Reindex() string
}

// Where the other server is away or too old to answer, it is asked again.
const (
	orderEvery = time.Minute
	orderLimit = 5 * time.Second
)

// NewSorting makes the comparison of one server. Its functions do not wait.
func NewSorting(
	own Sorted, link order.Link, pair func() Pair,
	tell func(what releve.Sentence), log *slog.Logger,
) *Sorting {
	return &Sorting{own: own, other: Other{link}.SortOrder, pair: pair, tell: tell, log: log, again: make(chan struct{}, 1)}
}

// Again has it compared again. It never waits.
func (s *Sorting) Again() {
	select {
	case s.again <- struct{}{}:
	default:
	}
}

// Run compares until ctx ends.
func (s *Sorting) Run(ctx context.Context) {
	look := time.NewTicker(orderEvery)
	defer look.Stop()
	for due := true; ; {
		select {
		case <-ctx.Done():
			return
		case <-s.again:
			due = true
		case <-look.C:
		}
		if p := s.pair(); due && p.Owner && p.InSync {
			err := s.compare(ctx)
			due = err != nil
			if due {
				s.log.Debug("how both servers sort is not known", "err", err)
			}
		}
	}
}

func (s *Sorting) compare(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, orderLimit)
	defer cancel()
	own, err := s.own.SortOrder(ctx)
	if err != nil || own.ByBytes {
		return err
	}
	if own.Aged() {
		s.tell(releve.Say("event-order-aged",
			"collation", own.Collation, "made", own.Made, "now", own.Rules(), "command", s.own.Reindex()))
	}
	theirs, err := s.other(ctx)
	if err == nil && own.Differs(theirs) {
		s.tell(releve.Say("event-order-differs",
			"collation", own.Collation, "own", own.Rules(), "theirs", theirs.Rules(), "command", s.own.Reindex()))
	}
	return err
}
