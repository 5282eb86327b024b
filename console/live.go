package console

import (
	"context"
	"sync"
	"time"

	"releve/view"
)

// Times of the live stream.
const (
	heartbeat  = 2 * time.Second        // a screen that misses three in a row says that it is old
	pace       = 200 * time.Millisecond // between two pictures of one screen: faster cannot be read
	callsEvery = time.Second            // the calls are read while somebody looks
	callsLimit = 2 * time.Second        // the database may be away
	stuckLimit = 10 * time.Second       // a screen that takes nothing for so long is let go
)

// screensMost bounds the open streams: many more than a site has walls.
const screensMost = 64

// scene is what a screen shows.
type scene struct {
	site   view.Site
	calls  []view.Call
	unread bool // the calls could not be read: they are the last ones that could
}

// live holds the latest moment and wakes the screens. A screen that is slow
// misses moments, never the latest one.
type live struct {
	source Site

	mu      sync.Mutex
	now     scene
	screens map[chan struct{}]struct{}
}

func newLive(source Site) *live {
	return &live{source: source, now: scene{site: source.View(), unread: true}, screens: map[chan struct{}]struct{}{}}
}

// watch follows the site until ctx ends.
func (l *live) watch(ctx context.Context) {
	for site := range l.source.Watch(ctx) {
		l.change(func(m *scene) { m.site = site })
	}
}

// follow reads the calls while a screen is open.
func (l *live) follow(ctx context.Context) {
	tick := time.NewTicker(callsEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if l.watched() {
				l.readCalls(ctx)
			}
		}
	}
}

func (l *live) readCalls(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, callsLimit)
	defer cancel()
	calls, err := l.source.Calls(ctx, callsOnScreen)
	l.change(func(m *scene) {
		m.unread = err != nil
		if err == nil {
			m.calls = calls
		}
	})
}

func (l *live) change(f func(*scene)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f(&l.now)
	for screen := range l.screens {
		select {
		case screen <- struct{}{}:
		default: // it has not yet seen the change before
		}
	}
}

func (l *live) scene() scene {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now
}

func (l *live) watched() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.screens) > 0
}

// join adds a screen, which is woken at each change until it leaves. ok is false
// when there are too many.
func (l *live) join() (woken <-chan struct{}, leave func(), ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.screens) >= screensMost {
		return nil, nil, false
	}
	screen := make(chan struct{}, 1)
	l.screens[screen] = struct{}{}
	return screen, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.screens, screen)
	}, true
}
