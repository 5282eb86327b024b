package app

import (
	"context"
	"iter"
	"slices"
	"sync"
	"time"

	"releve"
	"releve/adapters/store"
	"releve/screen/view"
)

// The site as the page and the command line see it.

// View is the site now.
func (a *App) View() view.Site { return a.agent.View() }

// Watch sends the site after each change, the latest only, and once at first.
func (a *App) Watch(ctx context.Context) <-chan view.Site {
	out := make(chan view.Site, 1)
	changed := a.agent.Changed(ctx)
	go func() {
		defer close(out)
		for {
			select {
			case out <- a.agent.View():
			case <-ctx.Done():
				return
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

// Calls are the latest calls, newest first, a page after the other: those in progress and
// those that only memory has come from this server, the others from its database.
func (a *App) Calls(ctx context.Context, limit int) iter.Seq2[[]releve.Call, error] {
	return view.Fold(listed(a.telephony.known(), attemptsRead*limit, func(after store.CallMark, most int) (store.CallPage, error) {
		page, err := a.records.calls(ctx, after, most)
		// Memory is looked at again, afterwards: it knows each call of this run that the page has.
		w := witnesses{a.config.Site.Seat, a.spool.Run(), a.agent.OtherHeard(), a.telephony.known()}
		w.judge(page.Calls)
		return page, err
	}), limit)
}

// attemptsRead is how many calls are read for a row: of callers who were refused again and
// again there may be fewer rows than were asked for.
const attemptsRead = 10

// witnesses are who can say that a call goes on: this run of this server of its own calls, and
// the other server, while it is heard, of its.
type witnesses struct {
	seat   releve.Seat
	run    releve.RunID
	heard  bool
	memory []releve.Call
}

// judge gives the calls of the database that have no end the outcome that is known of them.
func (w witnesses) judge(stored []releve.Call) {
	for i := range stored {
		if c := &stored[i]; c.Outcome == "" {
			c.Outcome = w.outcome(*c)
		}
	}
}

func (w witnesses) outcome(c releve.Call) string {
	if c.Seat != w.seat {
		if w.heard {
			return ""
		}
		return releve.Unknown
	}
	if c.Run != w.run {
		return releve.Cut
	}
	own := slices.IndexFunc(w.memory, func(m releve.Call) bool { return m.Call == c.Call })
	if own < 0 {
		return releve.Unknown
	}
	return w.memory[own].Outcome
}

// listed takes the calls in memory and those that are stored together. Nothing is held but
// the calls in memory and one page. A database that is away leaves what memory has (C10).
func listed(memory []releve.Call, limit int, read func(after store.CallMark, most int) (store.CallPage, error)) iter.Seq2[[]releve.Call, error] {
	return func(yield func([]releve.Call, error) bool) {
		var after store.CallMark
		rest, left := memory, limit
		for more := true; more && left > 0; {
			stored, err := read(after, left)
			if err != nil && (after != store.CallMark{} || len(memory) == 0) {
				yield(nil, err)
				return
			}
			more = stored.More
			var page []releve.Call
			page, rest = merged(rest, stored)
			page = page[:min(len(page), left)]
			if left -= len(page); len(page) > 0 && !yield(page, nil) {
				return
			}
			if more {
				last := stored.Calls[len(stored.Calls)-1]
				after = store.CallMark{At: last.At, Call: last.Call, Seat: last.Seat}
			}
		}
	}
}

// merged is a page with the calls of memory that belong in it, and those that come later. A
// call is stored no earlier than it came, so that it is in the page of its row.
func merged(memory []releve.Call, stored store.CallPage) (page, rest []releve.Call) {
	type record struct {
		call releve.CallID
		seat releve.Seat // a PBX may offer one call to both servers: those are two
	}
	rows := map[record]bool{}
	for _, c := range stored.Calls {
		rows[record{c.Call, c.Seat}] = true
	}
	shown := map[record]bool{}
	for _, c := range memory {
		key := record{c.Call, c.Seat}
		c.Stored = rows[key]
		if stored.More && !c.Stored && c.At.Before(stored.Calls[len(stored.Calls)-1].At) {
			rest = append(rest, c)
			continue
		}
		shown[key] = true
		page = append(page, c)
	}
	for _, c := range stored.Calls {
		if !shown[record{c.Call, c.Seat}] {
			page = append(page, c)
		}
	}
	slices.SortStableFunc(page, func(x, y releve.Call) int { return y.At.Compare(x.At) })
	return page, rest
}

// Diary are the decisions between two times, newest last.
func (a *App) Diary(ctx context.Context, from, to time.Time, limit int) ([]releve.Entry, error) {
	if err := a.diary.Flush(ctx); err != nil {
		return nil, err
	}
	return a.diary.Read(from, to, limit)
}

// storedFacts tells listeners of each acknowledged fact: an outside ledger can
// count them.
type storedFacts struct {
	mu        sync.Mutex
	listeners map[chan []releve.Fact]struct{}
}

func newStoredFacts() *storedFacts {
	return &storedFacts{listeners: map[chan []releve.Fact]struct{}{}}
}

// A slow listener may be so many batches of so many facts behind; then it is cut off, for a
// ledger with a hole would be worse than one that ends.
const (
	ledgerQueue = 1024
	ledgerBatch = 16
)

func (s *storedFacts) add(facts []releve.Fact) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.listeners {
		for some := range slices.Chunk(facts, ledgerBatch) {
			select {
			case c <- some:
				continue
			default:
			}
			delete(s.listeners, c)
			close(c)
			break
		}
	}
}

// Stored sends acknowledged facts from now on. The channel is closed when ctx
// ends or the listener is too slow.
func (a *App) Stored(ctx context.Context) <-chan []releve.Fact {
	s := a.stored
	c := make(chan []releve.Fact, ledgerQueue)
	s.mu.Lock()
	s.listeners[c] = struct{}{}
	s.mu.Unlock()
	context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if _, there := s.listeners[c]; there {
			delete(s.listeners, c)
			close(c)
		}
	})
	return c
}
