package agent

import (
	"context"
	"sync"
)

// broadcast wakes every listener. A listener that is still busy is woken once,
// however often something changed meanwhile.
type broadcast struct {
	mu        sync.Mutex
	listeners map[chan struct{}]struct{}
}

func newBroadcast() *broadcast { return &broadcast{listeners: map[chan struct{}]struct{}{}} }

func (b *broadcast) announce() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for c := range b.listeners {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// listen ends with ctx.
func (b *broadcast) listen(ctx context.Context) <-chan struct{} {
	c := make(chan struct{}, 1)
	b.mu.Lock()
	b.listeners[c] = struct{}{}
	b.mu.Unlock()
	context.AfterFunc(ctx, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.listeners, c)
	})
	return c
}
