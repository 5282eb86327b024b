// Package outbox carries facts from the spools of both servers into the database
// of the one on duty. It is the only road of facts (RULES R14): calls write to
// their server's spool, and nothing else stores a call.
package outbox

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"releve"
)

// Source is a spool: this server's own, or the other's over the link.
type Source interface {
	Seat() releve.Seat
	// Waiting returns what the database does not have yet, in order.
	Waiting(ctx context.Context, limit int) (releve.SpoolPage, error)
	// Stored is told what the database has acknowledged.
	Stored(ctx context.Context, incarnation string, upTo uint64) error
	// Ahead is told that the database counted beyond this spool's end.
	Ahead(ctx context.Context) error
	// More is closed when there may be something new; nil where only time tells.
	More() <-chan struct{}
}

// Sink is the database of the term, while there is one.
type Sink interface {
	// Ready is closed while facts can be stored, and renewed at a fence.
	Ready() <-chan struct{}
	// Drain stores a page once and returns the acknowledged position. ahead says
	// that the database has counted beyond the spool.
	Drain(ctx context.Context, seat releve.Seat, page releve.SpoolPage) (upTo uint64, ahead bool, err error)
}

const (
	batch  = 500                     // facts in one transaction: a second of 200 busy channels
	again  = 200 * time.Millisecond  // after a first failure or a fact, for a source that cannot say when
	seldom = 1500 * time.Millisecond // at most, after nothing or a failure and again
	asking = 5 * time.Second         // limit of one question to a spool: the other server's may be silent
)

// Run carries until ctx ends. Each spool has its own carrier, so that a slow or
// silent one does not hold the other up.
func Run(ctx context.Context, sink Sink, log *slog.Logger, sources ...Source) {
	var carriers sync.WaitGroup
	for _, s := range sources {
		c := carrier{source: s, sink: sink, log: log.With("spool", s.Seat())}
		carriers.Go(func() { c.run(ctx) })
	}
	carriers.Wait()
}

var errAhead = releve.Known("the database counted beyond this spool: it begins anew under another name", "cause-ahead")

type carrier struct {
	source Source
	sink   Sink
	log    *slog.Logger
	vain   int // tries in a row that failed
}

func (c *carrier) run(ctx context.Context) {
	pace := again
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.sink.Ready():
		}
		more := c.source.More()
		n, err := c.once(ctx)
		carried := n > 0 && err == nil
		if c.tell(ctx, err) || carried { // a row of failures began or ended, or there is traffic
			pace = again
		}
		if err != nil {
			more = nil // what is new does not hurry a database that refuses
		}
		full := n == batch && err == nil
		if !full && !rest(ctx, more, pace, n > 0) {
			return
		}
		if !carried { // for months, mostly
			pace = min(2*pace, seldom)
		}
	}
}

// tell counts a failure, and says why nothing is carried each time that the row of failures has
// doubled: the first may be bad luck. turned: a row began or ended.
func (c *carrier) tell(ctx context.Context, err error) (turned bool) {
	if err == nil {
		turned = c.vain > 0
		if c.vain > 1 {
			c.log.Info("the spool is carried again", "tries", c.vain+1)
		}
		c.vain = 0
		return turned
	}
	c.vain++
	if c.vain > 1 && c.vain&(c.vain-1) == 0 && ctx.Err() == nil {
		c.log.Warn("the spool is not carried into the database", "times", c.vain, "err", err)
	}
	return c.vain == 1
}

// rest waits for something new, or for so long where nobody can tell or where the bound in
// bytes may have left something behind.
func rest(ctx context.Context, more <-chan struct{}, pace time.Duration, left bool) bool {
	var timer <-chan time.Time
	if more == nil || left {
		if pace == seldom {
			pace = releve.UntilNextBeat(time.Now(), seldom)
		}
		t := time.NewTimer(pace)
		defer t.Stop()
		timer = t.C
	}
	select {
	case <-ctx.Done():
		return false
	case <-more:
	case <-timer:
	}
	return true
}

// once carries one page. The source is told only of what was acknowledged.
func (c *carrier) once(ctx context.Context) (int, error) {
	page, err := c.look(ctx)
	if err != nil || len(page.Records) == 0 {
		return 0, err
	}
	// No limit here: a commit waits for the mirror as long as it must (R7).
	upTo, ahead, err := c.sink.Drain(ctx, c.source.Seat(), page)
	limit, cancel := context.WithTimeout(ctx, asking)
	defer cancel()
	if ahead {
		return 0, errors.Join(errAhead, c.source.Ahead(limit))
	}
	if err != nil {
		return 0, err
	}
	return len(page.Records), c.source.Stored(limit, page.Incarnation, upTo)
}

func (c *carrier) look(ctx context.Context) (releve.SpoolPage, error) {
	limit, cancel := context.WithTimeout(ctx, asking)
	defer cancel()
	return c.source.Waiting(limit, batch)
}
