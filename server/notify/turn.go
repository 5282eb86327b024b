package notify

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"releve/server/order"
)

// orderTurn asks the other server whether it sends by an outlet now. While it does, this one waits: what
// the other has sent is in this server's book before it says no more.
const orderTurn = "notify-turn"

// askLimit is how long the other server may take to say so. One that does not answer cannot be waited for:
// of a pair that is cut, each may send.
const askLimit = 2 * time.Second

type turnAsked struct {
	Outlet string `json:"outlet"`
}

type turnGiven struct {
	Yours bool `json:"yours"`
}

// takeTurn says whether this server may send now. Of two that ask at once the main is first.
func (s *sender) takeTurn(ctx context.Context) bool {
	s.turn.want()
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	given, err := order.Ask[turnGiven](ctx, s.post.Link, orderTurn, order.Args(turnAsked{s.Name()}))
	return s.turn.begin(err != nil || given.Yours)
}

// Desk answers the other server.
func (p *Post) Desk() order.Desk {
	return order.Desk{orderTurn: func(_ context.Context, args json.RawMessage, emit order.Emit) error {
		var asked turnAsked
		if err := json.Unmarshal(args, &asked); err != nil {
			return err
		}
		for _, s := range p.senders {
			if s.Name() == asked.Outlet {
				return order.Line(emit, turnGiven{s.turn.give()})
			}
		}
		return order.Line(emit, turnGiven{true}) // this server does not send by it
	}}
}

// turn is whose turn it is to send by an outlet, as one server sees it.
type turn struct {
	first bool // it goes before the other, where both want it

	mu      sync.Mutex
	wanted  bool
	sending bool
}

// want is before the other is asked.
func (t *turn) want() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wanted = true
}

// begin is after the other was asked: whether to send. The other may have been given the turn meanwhile.
func (t *turn) begin(given bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sending, t.wanted = given && t.wanted, false
	return t.sending
}

func (t *turn) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sending = false
}

// give answers the other, which wants it.
func (t *turn) give() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sending || t.wanted && t.first {
		return false
	}
	t.wanted = false
	return true
}
