package succession

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"releve"
	"releve/server/calls"
	"releve/server/order"
)

const (
	// keptMost calls of the other server are kept: as many as it can have in any state.
	keptMost = 4096
	// keptFor is how long what was told is worth something while nothing more is heard: whoever was left in
	// silence for so long has hung up. The other server says at least every [assure] that it is there.
	keptFor = 30 * time.Second
	// reachMost calls are brought over to this server at a time, one after the other at that pace: a PBX takes
	// its time, and whoever calls now comes first.
	reachMost = 32
	reachPace = time.Millisecond
	// reachLimit is how long the PBX may take to bring one over.
	reachLimit = 10 * time.Second
)

// Leg is a call that this server's telephone took up.
type Leg interface {
	calls.Leg
	// Reach has the other side send to this server. A call that cannot be brought over is ended with BYE, and
	// is lost.
	Reach(ctx context.Context) error
}

// Calls are this server's.
type Calls interface {
	Continue(ctx context.Context, from calls.Continuation, leg calls.Leg)
	Lose(from calls.Continuation, why string)
}

// heir keeps what the other server tells of its calls.
type heir struct {
	Options
	now    func() time.Time
	keeper string // of this process
	due    chan struct{}

	mu     sync.Mutex
	whose  releve.RunID // run of the other server
	number uint64       // of its last message
	heard  time.Time    // when that came
	kept   map[releve.FactID]calls.Continuation
	taken  map[releve.FactID]bool // by the last succession: they are this server's now
}

func newHeir(o Options, now func() time.Time) *heir {
	return &heir{
		Options: o, now: now, keeper: rand.Text(), due: make(chan struct{}, 1),
		kept: map[releve.FactID]calls.Continuation{}, taken: map[releve.FactID]bool{},
	}
}

func (h *heir) desk() order.Desk {
	return order.Desk{orderCalls: func(_ context.Context, args json.RawMessage, emit order.Emit) error {
		m, err := read(args)
		if err != nil {
			return err
		}
		h.hear(m)
		return order.Line(emit, answer{h.keeper})
	}}
}

func (h *heir) hear(m message) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if m.Run == h.whose && m.Number <= h.number {
		return // it was overtaken
	}
	if m.Run != h.whose || m.Anew {
		clear(h.kept)
	}
	h.whose, h.number, h.heard = m.Run, m.Number, h.now()
	for _, c := range m.Calls {
		if _, known := h.kept[c.ID]; c.ID != "" && (known || len(h.kept) < keptMost) && !h.taken[c.ID] {
			h.kept[c.ID] = c
		}
	}
	for _, id := range m.Over {
		delete(h.kept, id)
	}
}

func (h *heir) inherit() {
	select {
	case h.due <- struct{}{}:
	default: // it is about to
	}
}

// inherited are the calls to go on with. From here on they are this server's, whatever the other still says
// of them when it wakes.
func (h *heir) inherited() (all []calls.Continuation) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.kept) == 0 {
		return nil
	}
	old := h.now().Sub(h.heard) > keptFor
	clear(h.taken)
	for id, c := range h.kept {
		if !old {
			all = append(all, c)
			h.taken[id] = true
		}
	}
	clear(h.kept)
	return all
}

// run goes on with calls when that is due, until ctx ends and the last of them is over.
func (h *heir) run(ctx context.Context) {
	var all sync.WaitGroup
	defer all.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.due:
			h.goOn(ctx, &all)
		}
	}
}

// goOn speaks on in all of them first, and then has them brought over.
func (h *heir) goOn(ctx context.Context, all *sync.WaitGroup) {
	mine := h.inherited()
	if len(mine) == 0 {
		return
	}
	began := h.now()
	legs := make([]Leg, 0, len(mine))
	for _, c := range mine {
		leg, err := h.TakeUp(c.Leg)
		if err != nil {
			h.Log.Warn("a call of the other server cannot be gone on with", "call", c.Call.Call, "error", err)
			h.Calls.Lose(c, releve.Plain(err.Error()))
			continue
		}
		legs = append(legs, leg)
		all.Go(func() { h.Calls.Continue(ctx, c, leg) })
	}
	all.Go(func() {
		reached := h.bringOver(ctx, legs)
		h.Log.Info("the calls in progress were brought over", "told", len(mine), "reached", reached, "took", h.now().Sub(began))
		h.Explain(releve.Say("event-calls-taken-up", "calls", strconv.Itoa(reached), "lost", strconv.Itoa(len(mine)-reached)))
	})
}

// bringOver has every caller's side send to this server, and says how many do.
func (h *heir) bringOver(ctx context.Context, legs []Leg) int {
	var reaching sync.WaitGroup
	var reached atomic.Int64
	places := make(chan struct{}, reachMost)
	pace := time.NewTicker(reachPace)
	defer pace.Stop()
	for _, leg := range legs {
		<-pace.C
		places <- struct{}{}
		reaching.Go(func() {
			defer func() { <-places }()
			ctx, cancel := context.WithTimeout(ctx, reachLimit)
			defer cancel()
			if err := leg.Reach(ctx); err != nil {
				h.Log.Warn("a call was not brought over", "error", err)
				return
			}
			reached.Add(1)
		})
	}
	reaching.Wait()
	return int(reached.Load())
}
