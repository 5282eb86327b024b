package acceptance

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"time"

	"releve"
)

// stored is one fact that a server said it has stored.
type stored struct {
	ID   releve.FactID   `json:"id"`
	Kind releve.FactKind `json:"kind"`
	Call releve.CallID   `json:"call"`
	Term releve.Term     `json:"term"`
	Seat releve.Seat     `json:"seat"`

	at time.Time   // when the ledger heard of it
	by releve.Seat // who said so
}

// ledger takes every identifier that a server acknowledges, and is never killed.
// What stands in it must be found in the database for ever.
type ledger struct {
	cancel  context.CancelFunc
	readers sync.WaitGroup

	mu    sync.Mutex
	facts map[releve.FactID]stored
}

func openLedger(servers ...*server) *ledger {
	ctx, cancel := context.WithCancel(context.Background())
	l := &ledger{cancel: cancel, facts: map[releve.FactID]stored{}}
	for _, s := range servers {
		l.readers.Go(func() { l.follow(ctx, s) })
	}
	return l
}

func (l *ledger) close() {
	l.cancel()
	l.readers.Wait()
}

// follow reads a server's stream, again and again: servers die here.
func (l *ledger) follow(ctx context.Context, s *server) {
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for ctx.Err() == nil {
		l.read(ctx, s)
		select {
		case <-again.C:
		case <-ctx.Done():
		}
	}
}

// read takes one stream until it breaks.
func (l *ledger) read(ctx context.Context, s *server) {
	console, err := s.console()
	if err != nil {
		return
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, console+"/api/stored", nil)
	if err != nil {
		return
	}
	request.Header.Set("Accept", "application/x-ndjson")
	answer, err := oneShot.Do(request)
	if err != nil {
		return
	}
	defer answer.Body.Close()
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		var f stored
		if json.Unmarshal(lines.Bytes(), &f) == nil && f.ID != "" {
			l.take(f, s.seat)
		}
	}
}

func (l *ledger) take(f stored, by releve.Seat) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, known := l.facts[f.ID]; !known {
		f.at, f.by = time.Now(), by
		l.facts[f.ID] = f
	}
}

// all are the facts acknowledged so far.
func (l *ledger) all() map[releve.FactID]stored {
	l.mu.Lock()
	defer l.mu.Unlock()
	copied := make(map[releve.FactID]stored, len(l.facts))
	for id, f := range l.facts {
		copied[id] = f
	}
	return copied
}

// since are the facts that a server acknowledged since a moment.
func (l *ledger) since(moment time.Time, by releve.Seat) []stored {
	var found []stored
	for _, f := range l.all() {
		if f.by == by && !f.at.Before(moment) {
			found = append(found, f)
		}
	}
	return found
}

// of are the facts of calls that a server acknowledged.
func (l *ledger) of(calls []outcome, by releve.Seat) []stored {
	made := map[releve.CallID]bool{}
	for _, o := range calls {
		made[o.id] = true
	}
	return slices.DeleteFunc(l.since(time.Time{}, by), func(f stored) bool { return !made[f.Call] })
}
