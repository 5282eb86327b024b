package console

import (
	"context"
	"iter"
	"sync"
	"time"

	"releve"
	"releve/screen/view"
)

// Times of the live stream.
const (
	heartbeat  = 2 * time.Second        // a screen that misses three in a row says that it is old
	pace       = 200 * time.Millisecond // between two pictures of one screen: faster cannot be read
	callsEvery = time.Second            // the calls are read while somebody looks
	callsLimit = 2 * time.Second        // the database may be away
	callsFresh = 200 * time.Millisecond // those that were read so lately are shown again
)

// scene is what a screen shows.
type scene struct {
	site   view.Site
	calls  []releve.Call
	unread bool // the calls could not be read: they are the last ones that could
	hidden bool // … may not be seen by this reader
	readAt time.Time
	number int // counts the changes
}

// frame is a scene as a screen of one language shows it.
type frame struct {
	scene
	title string
	parts map[string]string // as HTML
}

func draw(m scene, lang releve.Language) (frame, error) {
	sheet := newSheet(m, lang)
	drawn := frame{scene: m, title: sheet.Title(), parts: map[string]string{}}
	for _, name := range parts {
		html, err := sheet.render(name)
		if err != nil {
			return frame{}, err
		}
		drawn.parts[name] = html
	}
	return drawn, nil
}

// live holds the latest moment and wakes the screens. A screen that is slow
// misses moments, never the latest one.
type live struct {
	source  Site
	reading chan struct{} // held by the screen that reads the calls

	mu      sync.Mutex
	now     scene
	screens map[chan struct{}]struct{}

	drawing sync.Mutex // held while the latest frame is drawn
	drawn   map[likeness]frame
}

// likeness is what sets the screens of one moment apart.
type likeness struct {
	lang releve.Language
	sees sight
}

func newLive(source Site) *live {
	return &live{
		source: source, reading: make(chan struct{}, 1), now: scene{site: source.View(), unread: true},
		screens: map[chan struct{}]struct{}{}, drawn: map[likeness]frame{},
	}
}

// watch follows the site until ctx ends.
func (l *live) watch(ctx context.Context) {
	for site := range l.source.Watch(ctx) {
		l.change(func(m *scene) { m.site = site })
	}
}

// follow reads the calls while a screen is open.
func (l *live) follow(ctx context.Context) {
	tick := time.NewTimer(releve.UntilBeat(time.Now(), callsEvery))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			tick.Reset(releve.UntilBeat(time.Now(), callsEvery))
			if l.watched() {
				l.readCalls(ctx)
			}
		}
	}
}

func (l *live) readCalls(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, callsLimit)
	defer cancel()
	if l.read(ctx) != nil {
		l.change(func(m *scene) { m.unread = true })
	}
}

func (l *live) read(ctx context.Context) error {
	calls, err := first(l.source.Calls(ctx, releve.CallQuery{}, callsOnScreen))
	if err == nil {
		l.change(func(m *scene) { m.calls, m.unread, m.readAt = calls, false, time.Now() })
	}
	return err
}

// refresh reads the calls for a screen that opens. Readers who come at the same time read
// once together; who may not wait longer takes what there is.
func (l *live) refresh(ctx context.Context) {
	select {
	case l.reading <- struct{}{}:
		defer func() { <-l.reading }()
	case <-ctx.Done():
		return
	}
	if time.Since(l.scene().readAt) >= callsFresh {
		_ = l.read(ctx) // what there was is shown on: follow says that it is old
	}
}

// first takes the first page of a list. What follows it is not worth waiting for on a
// screen: it is there because the calls before it are long.
func first(pages iter.Seq2[[]releve.Call, error]) ([]releve.Call, error) {
	for page, err := range pages {
		return page, err
	}
	return nil, nil
}

func (l *live) change(f func(*scene)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f(&l.now)
	l.now.number++
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

// frame is the latest moment, drawn once for all screens that look alike.
func (l *live) frame(as likeness) (frame, error) {
	l.drawing.Lock()
	defer l.drawing.Unlock()
	now := l.scene()
	if last, ok := l.drawn[as]; ok && last.number == now.number {
		return last, nil
	}
	fresh, err := draw(as.sees.scene(now), as.lang)
	if err == nil {
		l.drawn[as] = fresh
	}
	return fresh, err
}

func (l *live) watched() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.screens) > 0
}

// join adds a screen, which is woken at each change until it leaves.
func (l *live) join() (woken <-chan struct{}, leave func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	screen := make(chan struct{}, 1)
	l.screens[screen] = struct{}{}
	return screen, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.screens, screen)
	}
}
