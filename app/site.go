package app

import (
	"context"
	"slices"
	"sync"
	"time"

	"releve"
	"releve/view"
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

// Calls are the latest calls, newest first: those in progress and those that only
// memory has come from this server, the others from its database.
func (a *App) Calls(ctx context.Context, limit int) ([]view.Call, error) {
	all := a.telephony.known(limit)
	known := map[releve.CallID]int{}
	for i, c := range all {
		known[c.Call] = i
	}
	limited, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	stored, err := a.records.calls(limited, limit)
	for _, c := range stored {
		if i, ok := known[c.Call]; ok {
			all[i].Stored = true
			continue
		}
		all = append(all, c)
	}
	slices.SortStableFunc(all, func(x, y view.Call) int { return y.At.Compare(x.At) })
	if len(all) > 0 {
		err = nil // a database away leaves what memory has (C10)
	}
	return all[:min(len(all), limit)], err
}

// Diary are the decisions between two times, newest last.
func (a *App) Diary(ctx context.Context, from, to time.Time, limit int) ([]view.Entry, error) {
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

// ledgerQueue is how many batches a slow listener may be behind; then it is cut
// off, for a ledger with a hole would be worse than one that ends.
const ledgerQueue = 1024

func (s *storedFacts) add(facts []releve.Fact) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.listeners {
		select {
		case c <- facts:
		default:
			delete(s.listeners, c)
			close(c)
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
