package calls

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"releve"
)

// Spool is the disk that facts are safe on (RULES R14). Append returns when they
// are; the same facts may come again after an error.
type Spool interface {
	Append(ctx context.Context, facts ...releve.Fact) error
}

const (
	// queueMax facts are a thousand calls of a dozen steps, some 5 MiB: what a
	// busy quarter of an hour makes while the disk is away.
	queueMax = 16384
	batchMax = 256
	// patienceMax is how long a call waits for room in the queue: less than a
	// caller notices between two prompts.
	patienceMax = 100 * time.Millisecond
	retryFirst  = 100 * time.Millisecond
	retryMax    = time.Second
	flushMax    = 2 * time.Second
)

// recorder stands between the calls and the disk: calls put facts in a queue,
// one goroutine appends them in batches.
type recorder struct {
	spool   Spool
	log     *slog.Logger
	queue   chan releve.Fact
	waiting atomic.Int64 // in the queue or being appended
	lost    atomic.Int64
	full    atomic.Bool // a wait for room was in vain, and there has been none since
}

func newRecorder(s Spool, log *slog.Logger) *recorder {
	return &recorder{spool: s, log: log, queue: make(chan releve.Fact, queueMax)}
}

// record queues a fact. Where the queue is full the first call to find it so
// waits a little; the others lose their facts at once until there is room: a
// caller is not to hear that a disk is slow.
func (r *recorder) record(f releve.Fact) {
	r.waiting.Add(1)
	select {
	case r.queue <- f:
		return
	default:
	}
	if r.full.Load() {
		r.lose(1)
		return
	}
	select {
	case r.queue <- f:
	case <-time.After(patienceMax):
		r.full.Store(true)
		r.lose(1)
	}
}

func (r *recorder) lose(n int) {
	r.waiting.Add(int64(-n))
	if r.lost.Add(int64(n)) == int64(n) {
		r.log.Error("records of calls are being lost: the disk takes none and memory is full")
	}
}

func (r *recorder) run(ctx context.Context) error {
	for {
		select {
		case f := <-r.queue:
			batch := r.batch(f)
			if !r.append(ctx, batch) {
				return r.flush(ctx, batch)
			}
		case <-ctx.Done():
			return r.flush(ctx, nil)
		}
	}
}

// batch adds to a fact what else is queued, without waiting.
func (r *recorder) batch(facts ...releve.Fact) []releve.Fact {
	for len(facts) < batchMax {
		select {
		case f := <-r.queue:
			facts = append(facts, f)
		default:
			return facts
		}
	}
	return facts
}

// append tries until the facts are on disk. false: ctx ended before.
func (r *recorder) append(ctx context.Context, facts []releve.Fact) bool {
	failures := 0
	for pause := retryFirst; ; pause = min(2*pause, retryMax) {
		err := r.spool.Append(ctx, facts...)
		if err == nil {
			break
		}
		if failures++; failures == 1 && ctx.Err() == nil {
			r.log.Warn("records of calls wait in memory: the spool takes none, trying again", "error", err)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return false
		}
	}
	if failures > 0 {
		r.log.Info("the spool takes records of calls again", "tries", failures+1)
	}
	r.waiting.Add(int64(-len(facts)))
	r.full.Store(false)
	return true
}

// flush is the last chance of what is in memory, the batch in hand first.
func (r *recorder) flush(ctx context.Context, facts []releve.Fact) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushMax)
	defer cancel()
	for facts = r.batch(facts...); len(facts) > 0; facts = r.batch() {
		if !r.append(ctx, facts) {
			left := int(r.waiting.Load())
			r.lose(left)
			return fmt.Errorf("%d records of calls were in memory and could not be written within %v", left, flushMax)
		}
	}
	return nil
}
