package accounts

import (
	"cmp"
	"context"
	"encoding/json"
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

// terms are what the door asks of an order.
type terms struct {
	right access.Right
	alone bool // one at a time on this server; procedures and drills see to that for the whole site
	lasts bool // the diaries have it when it begins: its server may not live to see its end
}

// deeds are all that people can order.
var deeds = map[view.Deed]terms{
	view.HandleAlarm:       {right: access.HandleAlarm},
	view.Maintain:          {right: access.HandleAlarm},
	view.ChangeAccount:     {right: access.Accounts},
	view.ChangeOwnPassword: {right: access.OwnPassword},
	view.Rehearse:          {right: access.Rehearse},
	view.RunProcedure:      {right: access.RunSite, lasts: true},
	view.MakeDrill:         {right: access.RunSite, lasts: true},
	view.Abdicate:          {right: access.RunSite, alone: true},
	view.VerifyMirror:      {right: access.RunSite, lasts: true},
	view.CheckCalls:        {right: access.RunSite},
	view.LookForSalvage:    {right: access.RunSite, alone: true},
	view.ApplySalvage:      {right: access.RunSite, alone: true},
	view.DiscardSalvage:    {right: access.RunSite, alone: true},
	view.InstallLicence:    {right: access.RunSite, alone: true},
	view.AdoptStudy:        {right: access.RunSite, alone: true},
	view.TestOutlets:       {right: access.RunSite},
	view.AbortProcedure:    {right: access.RunSite},
}

// actor is who calls. Whoever this server has called at a number of its configuration has an operator's right, by the name
// that stands there. Whoever may open this machine's socket has an administrator's right, and is named by the
// kernel; how he calls himself stands before that.
func (k *Keeper) actor(c view.Caller) (actor, error) {
	if c.Unix != "" {
		name := cmp.Or(c.Name, c.Unix)
		if name != c.Unix {
			name += " (" + c.Unix + ")"
		}
		return actor{name, access.Administrator, "socket"}, nil
	}
	if c.Phone != "" {
		return actor{c.Name, access.Operator, "telephone " + c.Phone}, nil
	}
	p, _, ok := k.Who(c.Session)
	if !ok {
		return actor{}, view.ErrNobody
	}
	return actor{p.Name, access.Role(p.Role), c.From.String()}, nil
}

// Order is the one door through which what people order comes (SPEC P1): who has the right has it carried out,
// one at a time, and both servers' diaries say who ordered what, from where, and what became of it. What is
// refused stands there too. It fails with [view.ErrNobody], with a [releve.Fault] of [view.ErrNoRight] or of
// [releve.ErrBusy], and else as run does.
func (k *Keeper) Order(ctx context.Context, o view.Order, run func(context.Context) error) error {
	by, err := k.actor(o.By)
	if err != nil {
		return err
	}
	asks, known := deeds[o.Deed]
	if !known || !by.role.May(asks.right) {
		k.audit(by, o.What, releve.Say("audit-no-right"), false)
		return &releve.Fault{Cause: view.ErrNoRight, Why: releve.Say("order-no-right", "user", by.name, "role", string(by.role))}
	}
	leave, err := k.enter(o.Deed, asks, by)
	if err == nil {
		defer leave()
		if asks.lasts {
			k.audit(by, o.What, releve.Say("audit-begun"), false)
		}
		err = run(ctx)
	}
	became := releve.Say("audit-done")
	if err != nil {
		became = releve.Say("audit-failed", "why", releve.Reason(err))
	}
	k.audit(by, o.What, became, o.Deed == view.Rehearse)
	return err
}

// enter keeps two of a deed apart that are done one at a time.
func (k *Keeper) enter(deed view.Deed, asks terms, by actor) (leave func(), err error) {
	if !asks.alone {
		return func() {}, nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if who := k.doing[deed]; who != "" {
		return nil, &releve.Fault{Cause: releve.ErrBusy, Why: releve.Say("order-busy", "user", who)}
	}
	k.doing[deed] = by.name
	return func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		delete(k.doing, deed)
	}, nil
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
	Story(name string) (view.AlarmStory, error)
	Handle(ctx context.Context, h view.Handling) error
	Maintained() []view.Maintenance
	Maintain(ctx context.Context, w view.Work) error
}

// Shown are the alarms that stand or wait for somebody.
func (k *Keeper) Shown() []view.Alarm { return k.Alarms.Shown() }

// Story is what happened to one, as [Alarms] tells it.
func (k *Keeper) Story(name string) (view.AlarmStory, error) { return k.Alarms.Story(name) }

// Maintained is what is under maintenance.
func (k *Keeper) Maintained() []view.Maintenance { return k.Alarms.Maintained() }

// Maintain has the maintenance of a place begin or end, in the name of who orders it. It fails with a [releve.Fault].
func (k *Keeper) Maintain(ctx context.Context, by view.Caller, w view.Work) error {
	if who, err := k.actor(by); err != nil {
		return err
	} else if by.Unix == "" {
		w.By = who.name
	}
	by.Name = w.By
	return k.Order(ctx, view.Order{By: by, Deed: view.Maintain, What: w.What()}, func(ctx context.Context) error { return k.Alarms.Maintain(ctx, w) })
}

// Handle does with an alarm what somebody orders, in his name. It fails with a [releve.Fault].
func (k *Keeper) Handle(ctx context.Context, by view.Caller, h view.Handling) error {
	if who, err := k.actor(by); err != nil {
		return err
	} else if by.Unix == "" {
		h.By = who.name
	}
	by.Name = h.By
	what := releve.Say("event-alarm-"+h.Act, "alarm", h.Alarm, "by", h.By, "remark", h.Remark)
	if !h.Known() {
		what = releve.Say("alarm-act")
	}
	return k.Order(ctx, view.Order{By: by, Deed: view.HandleAlarm, What: what}, func(ctx context.Context) error { return k.Alarms.Handle(ctx, h) })
}
