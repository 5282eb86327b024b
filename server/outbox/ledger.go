package outbox

import (
	"context"
	"slices"
	"sync"

	"releve"
)

// Ledger tells listeners of each acknowledged fact: an outside ledger can
// count them.
type Ledger struct {
	mu        sync.Mutex
	listeners map[chan []releve.Fact]struct{}
}

// NewLedger makes one without listeners.
func NewLedger() *Ledger {
	return &Ledger{listeners: map[chan []releve.Fact]struct{}{}}
}

// A slow listener may be so many batches of so many facts behind; then it is cut off, for a
// ledger with a hole would be worse than one that ends.
const (
	ledgerQueue = 1024
	ledgerBatch = 16
)

// Add tells them. It never waits.
func (l *Ledger) Add(facts []releve.Fact) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.listeners {
		for some := range slices.Chunk(facts, ledgerBatch) {
			select {
			case c <- some:
				continue
			default:
			}
			delete(l.listeners, c)
			close(c)
			break
		}
	}
}

// Listen sends acknowledged facts from now on. The channel is closed when ctx ends or the
// listener is too slow.
func (l *Ledger) Listen(ctx context.Context) <-chan []releve.Fact {
	c := make(chan []releve.Fact, ledgerQueue)
	l.mu.Lock()
	l.listeners[c] = struct{}{}
	l.mu.Unlock()
	context.AfterFunc(ctx, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if _, there := l.listeners[c]; there {
			delete(l.listeners, c)
			close(c)
		}
	})
	return c
}
