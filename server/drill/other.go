package drill

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"releve"
	"releve/screen/view"
	"releve/server/order"
)

// orderDrill has the main make a drill; orderBook tells the secondary what is known of drills.
const (
	orderDrill = "drill"
	orderBook  = "drill-book"
)

// asked is a drill as it is asked of the main.
type asked struct {
	By     string `json:"by"`
	DryRun bool   `json:"dry_run"`
}

// Desk answers the other server.
func (l *Leader) Desk() order.Desk {
	return order.Desk{
		orderDrill: func(ctx context.Context, args json.RawMessage, emit order.Emit) error {
			var a asked
			if err := json.Unmarshal(args, &a); err != nil {
				return err
			}
			return order.Shown(func(ctx context.Context, show func(view.Procedure)) error {
				return l.Drill(ctx, a.By, a.DryRun, show)
			})(ctx, args, emit)
		},
		orderBook: func(_ context.Context, args json.RawMessage, _ order.Emit) error {
			var told kept
			if err := json.Unmarshal(args, &told); err != nil {
				return err
			}
			if l.Seat == releve.Main {
				return nil // what the main knows, it knows from itself
			}
			return l.book.change(func(k *kept) { *k = told })
		},
	}
}

// tell has the secondary know what is known here, once each.
func (l *Leader) tell(ctx context.Context) {
	if l.told || !l.Front.OtherHeard() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, tellLimit)
	defer cancel()
	l.told = order.Tell(ctx, l.Link, orderBook, order.Args(l.book.now())) == nil
}

// watchFromAside says at the secondary that a drill is open whose main is silent: nobody else
// would, and the next step is an operator's.
func (l *Leader) watchFromAside() {
	open := l.book.isOpen() && !l.Front.OtherHeard()
	if open == l.aside {
		return
	}
	l.aside = open
	if open {
		l.Front.Notice(Name, releve.Say("notice-drill-main-silent", "cause", l.openStep()))
	} else {
		l.Front.Notice(Name, releve.Sentence{})
	}
}

// forward has the main make it, and finds the cause of its error again: the link carries words.
func (l *Leader) forward(ctx context.Context, by string, dryRun bool, emit func(view.Procedure)) error {
	failed, begun := "", false
	err := order.Show(ctx, l.Link, orderDrill, order.Args(asked{by, dryRun}), func(p view.Procedure) {
		if begun = true; p.Failed != nil {
			failed = p.Failed.Code
		}
		emit(p)
	})
	switch {
	case err == nil:
		return nil
	case !begun: // the main is not there to be asked
		l.Log.Info("no drill can be made", "err", err)
		return refused(emit, releve.Say("ready-link-broken", "seat", string(releve.Main)), errNotReady)
	}
	if cause, known := causes[failed]; known {
		return cause
	}
	return err
}

// causes are those of what a drill that did not come to a good end says of itself.
var causes = map[string]error{
	"drill-runs": errRuns, "drill-refused": errNotReady, "drill-open": errOpen, "drill-failed": errFailed, "drill-interrupted": errFailed,
}

func days(d time.Duration) string { return strconv.Itoa(int(d / (24 * time.Hour))) }
