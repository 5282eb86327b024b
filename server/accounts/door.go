package accounts

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"time"

	"releve"
	"releve/rules/access"
	"releve/screen/view"
	"releve/server/order"
)

// actor is who orders something, and from where.
type actor struct {
	name string
	role access.Role
	from string
}

// machine is whoever may open this machine's socket. He gives his name himself.
func machine(name string) actor { return actor{name, access.Administrator, "socket"} }

// order is the one door through which what people order comes: who has the right has it carried out, and
// both servers' diaries say who ordered what, from where, and what became of it. What is refused stands there too.
func (k *Keeper) order(ctx context.Context, by actor, right access.Right, what releve.Sentence, run func(context.Context) error) error {
	if !by.role.May(right) {
		k.audit(by, what, releve.Say("audit-no-right"), false)
		return &releve.Fault{Cause: releve.ErrForbidden, Why: releve.Say("order-no-right", "user", by.name, "role", string(by.role))}
	}
	err := run(ctx)
	became := releve.Say("audit-done")
	if err != nil {
		became = releve.Say("audit-failed", "why", releve.Reason(err))
	}
	k.audit(by, what, became, false)
	return err
}

// audit has both servers' diaries say what somebody did. What strangers may have written a thousand times is
// routine.
func (k *Keeper) audit(by actor, what, became releve.Sentence, routine bool) {
	e := releve.Entry{
		At: time.Now().UTC(), Seat: k.Seat, Kind: "fact", What: what, Routine: routine,
		Evidence: []releve.Sentence{releve.Say("audit-who", "by", by.name, "role", string(by.role), "from", by.from), became},
	}
	k.Front.Audit(e)
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.untold) < untoldMost {
		k.untold = append(k.untold, e)
	}
	k.announce()
}

// untoldMost is how many acts wait for the other server to be heard. More stand in this server's diary alone.
const untoldMost = 256

// orderAudit has the other server's diary say what was done here.
const orderAudit = "audit"

// tellActs gives the other server what was done here.
func (k *Keeper) tellActs(ctx context.Context) {
	k.mu.Lock()
	acts := k.untold
	k.mu.Unlock()
	if len(acts) == 0 || !k.Front.OtherHeard() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, tellLimit)
	defer cancel()
	if order.Tell(ctx, k.Link, orderAudit, order.Args(acts)) != nil {
		return // with the next look
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.untold = k.untold[len(acts):]
}

// heardActs takes in what was done there.
func (k *Keeper) heardActs(_ context.Context, args json.RawMessage, _ order.Emit) error {
	var acts []releve.Entry
	if err := json.Unmarshal(args, &acts); err != nil {
		return err
	}
	for _, e := range acts[:min(len(acts), untoldMost)] {
		k.Front.Audit(e)
	}
	return nil
}

// Alarms are those that people take in hand.
type Alarms interface {
	Shown() []view.Alarm
	Handle(ctx context.Context, h view.Handling) error
}

// Shown are the alarms that stand or wait for somebody.
func (k *Keeper) Shown() []view.Alarm { return k.Alarms.Shown() }

// Handle does with an alarm what somebody on the machine orders. It fails with a [releve.Fault].
func (k *Keeper) Handle(ctx context.Context, h view.Handling) error {
	return k.handle(ctx, machine(h.By), h)
}

// HandleAs does with an alarm what somebody who is logged in orders, in his name. It fails with a [releve.Fault],
// whose cause is [releve.ErrForbidden] where he has not the right.
func (k *Keeper) HandleAs(ctx context.Context, token string, from netip.Addr, h view.Handling) error {
	by, ok := k.actor(token, from)
	if !ok {
		return ErrNobody
	}
	h.By = by.name
	return k.handle(ctx, by, h)
}

func (k *Keeper) handle(ctx context.Context, by actor, h view.Handling) error {
	what := releve.Say("event-alarm-"+h.Act, "alarm", h.Alarm, "by", h.By, "remark", h.Remark)
	if !h.Known() {
		what = releve.Say("alarm-act")
	}
	return k.order(ctx, by, access.HandleAlarm, what, func(ctx context.Context) error { return k.Alarms.Handle(ctx, h) })
}

// ErrNobody is what is answered to a session that is over, or none.
var ErrNobody = errors.New("nobody is logged in")
