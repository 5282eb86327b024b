package app

import (
	"context"
	"encoding/json"
	"log/slog"
	"releve"
	"time"

	"releve/adapters/postgres"
	"releve/server/verify"
)

// verifyOrder asks the other server how its copy sorts.
const verifyOrder = "verify-order"

// orders finds out whether both servers sort texts by the same rules, for an index of the
// mirror is only as true as that: once after each start, and after each verification. The
// owner asks and says it.
type orders struct {
	own     sorted
	other   func(context.Context) (postgres.SortOrder, error)
	pair    func() verify.Pair
	explain func(severity string, what releve.Sentence)
	log     *slog.Logger
	again   chan struct{} // at most one waits
}

// sorted is a database as the comparison needs it.
type sorted interface {
	SortOrder(context.Context) (postgres.SortOrder, error)
	Reindex() string
}

// Where the other server is away or too old to answer, it is asked again.
const (
	orderEvery = time.Minute
	orderLimit = 5 * time.Second
)

func (a *App) makeOrders() {
	a.orders = &orders{
		own: a.cluster, other: otherDatabase{a.peer}.sortOrder, pair: a.pair, explain: a.explain, log: a.log,
		again: make(chan struct{}, 1),
	}
}

// compareAgain never waits.
func (o *orders) compareAgain() {
	select {
	case o.again <- struct{}{}:
	default:
	}
}

func (o *orders) run(ctx context.Context) {
	look := time.NewTicker(orderEvery)
	defer look.Stop()
	for due := true; ; {
		select {
		case <-ctx.Done():
			return
		case <-o.again:
			due = true
		case <-look.C:
		}
		if p := o.pair(); due && p.Owner && p.InSync {
			err := o.compare(ctx)
			due = err != nil
			if due {
				o.log.Debug("how both servers sort is not known", "err", err)
			}
		}
	}
}

func (o *orders) compare(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, orderLimit)
	defer cancel()
	own, err := o.own.SortOrder(ctx)
	if err != nil || own.ByBytes {
		return err
	}
	if own.Aged() {
		o.explain("warning", releve.Say("event-order-aged", "collation", own.Collation, "made", own.Made, "now", own.Rules(), "command", o.own.Reindex()))
	}
	theirs, err := o.other(ctx)
	if err == nil && own.Differs(theirs) {
		o.explain("warning", releve.Say("event-order-differs", "collation", own.Collation, "own", own.Rules(), "theirs", theirs.Rules(), "command", o.own.Reindex()))
	}
	return err
}

func (d otherDatabase) sortOrder(ctx context.Context) (o postgres.SortOrder, err error) {
	err = d.peer.Command(ctx, verifyOrder, nil, func(line json.RawMessage) error { return json.Unmarshal(line, &o) })
	return o, err
}

func answerOrder(ctx context.Context, own sorted, emit func(json.RawMessage) error) error {
	o, err := own.SortOrder(ctx)
	if err != nil {
		return err
	}
	return emitJSON(emit, o)
}
