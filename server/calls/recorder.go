package calls

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"releve"
)

// Spool is the disk that facts are safe on (RULES R14). Append returns when they
// are; the same facts may come again after an error.
type Spool interface {
	Append(ctx context.Context, facts ...releve.Fact) error
	// Finished is called when each call of this run has its end there.
	Finished() error
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
	queue   queue
	waiting atomic.Int64 // in the queue or being appended
	lost    atomic.Int64
	full    atomic.Bool // a wait for room was in vain, and there has been none since
}

func newRecorder(s Spool, log *slog.Logger) *recorder {
	return &recorder{spool: s, log: log, queue: newQueue(queueMax)}
}

// record queues a fact. Where the queue is full the first call to find it so
// waits a little; the others lose their facts at once until there is room: a
// caller is not to hear that a disk is slow.
func (r *recorder) record(f releve.Fact) {
	r.waiting.Add(1)
	switch {
	case r.queue.put(f):
	case r.full.Load():
		r.lose(1)
	case !r.queue.putWithin(patienceMax, f):
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
		case <-r.queue.more:
			if batch := r.queue.take(batchMax); len(batch) > 0 && !r.append(ctx, batch) {
				return r.flush(ctx, batch)
			}
		case <-ctx.Done():
			return r.flush(ctx, nil)
		}
	}
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
	if facts == nil {
		facts = r.queue.take(batchMax)
	}
	for ; len(facts) > 0; facts = r.queue.take(batchMax) {
		if !r.append(ctx, facts) {
			left := int(r.waiting.Load())
			r.lose(left)
			return fmt.Errorf("%d records of calls were in memory and could not be written within %v", left, flushMax)
		}
	}
	return nil
}

// queue is a bounded line of facts that takes the memory of what is in it, and no more: a
// channel would take that of its bound from the start.
type queue struct {
	bound int
	mu    sync.Mutex
	facts []releve.Fact
	more  chan struct{} // has a token while facts wait, and may have a stale one
	room  chan struct{} // has a token when there may be room for one who waits
}

func newQueue(bound int) queue {
	return queue{bound: bound, more: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

// put adds a fact, and says whether there was room.
func (q *queue) put(f releve.Fact) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.facts) >= q.bound {
		return false
	}
	q.facts = append(q.facts, f)
	signal(q.more)
	return true
}

// putWithin waits for room, at most for limit.
func (q *queue) putWithin(limit time.Duration, f releve.Fact) bool {
	late := time.After(limit)
	for !q.put(f) {
		select {
		case <-q.room:
		case <-late:
			return false
		}
	}
	signal(q.room) // there may be some for the next that waits
	return true
}

// take removes the first facts, most of them at most. It does not wait.
func (q *queue) take(most int) []releve.Fact {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(most, len(q.facts))
	taken := q.facts[:n:n]
	if q.facts = q.facts[n:]; len(q.facts) == 0 {
		q.facts = nil
	} else {
		signal(q.more)
	}
	if n > 0 {
		signal(q.room)
	}
	return taken
}

// signal leaves a token where there is none.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
