package study

import (
	"context"
	"encoding/json"
	"time"
)

// Wire carries values to the other end and back.
type Wire interface {
	Send(value any) error
	// Receive hears the next value; without patience, silence is an error.
	Receive(value any, patient bool) error
}

// said is what an end that was given an order says: that it is at it, or what came of it.
type said struct {
	Reply *Reply `json:"reply,omitempty"`
}

// Far is the end on the other server.
type Far struct{ Wire Wire }

// Do sends an order and waits for as long as the other end says that it is at it. What ends
// the waiting sooner is the end of the wire.
func (f Far) Do(_ context.Context, o Order) (Reply, error) {
	if err := f.Wire.Send(o); err != nil {
		return Reply{}, err
	}
	for {
		var s said
		if err := f.Wire.Receive(&s, false); err != nil {
			return Reply{}, err
		}
		if s.Reply != nil {
			return *s.Reply, nil
		}
	}
}

// alive is how often an end that measures says so.
const alive = time.Second

// Answer carries out what the other end orders until it hangs up, and tells of each.
func Answer(ctx context.Context, wire Wire, h *Hands, tell func(Order)) error {
	defer h.Close()
	for {
		var raw json.RawMessage
		if err := wire.Receive(&raw, true); err != nil {
			return err
		}
		var o Order
		if err := json.Unmarshal(raw, &o); err != nil {
			return err
		}
		tell(o)
		if err := carryOut(ctx, wire, h, o); err != nil {
			return err
		}
	}
}

// carryOut measures, and says meanwhile that it does.
func carryOut(ctx context.Context, wire Wire, h *Hands, o Order) error {
	ctx, stop := context.WithTimeout(ctx, stepLimit)
	defer stop()
	done := make(chan Reply, 1)
	go func() {
		r, _ := h.Do(ctx, o) // of hands on this machine there is no error
		done <- r
	}()
	tick := time.NewTicker(alive)
	defer tick.Stop()
	for {
		select {
		case r := <-done:
			return wire.Send(said{&r})
		case <-tick.C:
			if err := wire.Send(said{}); err != nil {
				stop()
				<-done
				return err
			}
		}
	}
}
