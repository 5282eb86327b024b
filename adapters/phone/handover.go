package phone

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"releve"
	"releve/adapters/phone/media"
	"releve/rules/pbx"
)

// Handover is how callers are put through to somebody, for all calls of a server: by REFER, or by a call of ours that is
// joined to the caller's. What the PBX turned out not to do is remembered.
type Handover struct {
	Way  pbx.Handover
	As   Account // the user as whom we call: the same from either server (SPEC T3)
	Plan Plan    // whom we may (SPEC K7)
	// Room takes a channel for the second call, which leave gives back. must: it is there already, whether there is
	// room or not.
	Room    func(must bool) (leave func(), ok bool)
	Explain func(what releve.Sentence)

	mu      sync.Mutex
	refused bool // the PBX has refused a REFER as something that it does not do
}

// joins says which way is to be tried first.
func (h *Handover) joins() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.Way.Joins(h.refused)
}

// learn takes in that the PBX refused a REFER, and says whether both calls are to be joined instead.
func (h *Handover) learn(code int) bool {
	if !h.Way.Falls() || !pbx.NoRefer(code) {
		return false
	}
	h.mu.Lock()
	first := !h.refused
	h.refused = true
	h.mu.Unlock()
	if first {
		h.Explain(releve.Say("event-no-refer", "code", strconv.Itoa(code)))
	}
	return true
}

// knows says that a REFER would be refused.
func (h *Handover) knows() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.refused
}

// put puts a caller through, and returns what [Leg.Transfer] does, or [Leg.Bridge].
func (h *Handover) put(ctx context.Context, l *Leg, user string, hold media.Clip) (int, error) {
	if h.joins() {
		code, err := h.bridge(ctx, l, user)
		if !errors.Is(err, errUnjoinable) || h.knows() || !h.Way.Falls() {
			return code, err
		}
	}
	var refused bool
	code, err := l.onHold(ctx, hold, func() (code int, err error) {
		code, refused, err = l.transferTo(ctx, user)
		return code, err
	})
	if !refused || !h.learn(code) {
		return code, err
	}
	return h.bridge(ctx, l, user)
}

// bridge calls and joins, on a channel of its own.
func (h *Handover) bridge(ctx context.Context, l *Leg, user string) (int, error) {
	leave, ok := h.Room(false)
	if !ok {
		return 0, errUnjoinable
	}
	code, err := l.Bridge(ctx, Dialling{As: h.As, Number: user, Plan: h.Plan, Name: l.callerName()}, ringBack)
	if other := l.partner(); err == nil && other != nil {
		context.AfterFunc(other.ctx, leave)
		return code, nil
	}
	leave()
	return code, err
}

// adopt takes a channel for the second of two calls that another server had joined.
func (h *Handover) adopt(l *Leg) {
	if other := l.partner(); other != nil {
		leave, _ := h.Room(true)
		context.AfterFunc(other.ctx, leave)
	}
}

// callerName is what whoever is called sees of the caller: his number, where the PBX gave one.
func (l *Leg) callerName() string {
	if l.came == nil {
		return ""
	}
	number := l.came.invite.From
	for _, r := range number {
		if (r < '0' || r > '9') && r != '+' {
			return ""
		}
	}
	return number
}

// ringBack is the tone of ringing of the French network (ITU-T E.180).
var ringBack = media.Cadence(440, 1500*time.Millisecond, 3500*time.Millisecond)
