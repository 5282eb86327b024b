// Package history reads what happened at a site, and who did what, from the diaries of both servers (SPEC H14, K5):
// either can be asked, and the other one's is read over the link while that is heard.
package history

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"releve"
	"releve/screen/view"
	"releve/server/order"
)

// Diary is that of one server.
type Diary interface {
	// Now are the last so many entries between two times, newest last. A zero time is no bound.
	Now(ctx context.Context, from, to time.Time, limit int) ([]releve.Entry, error)
}

// Reader reads both.
type Reader struct {
	Own        Diary
	Link       order.Link
	OtherHeard func() bool
}

const (
	// most bounds one reading.
	most = 1000
	// otherLimit is how long the other server's diary is waited for: this one's is there without it.
	otherLimit = 2 * time.Second
)

// orderDiary reads the diary of the other server.
const orderDiary = "diary"

// span is what is asked of a diary.
type span struct {
	From  time.Time `json:"from,omitzero"`
	To    time.Time `json:"to,omitzero"`
	Limit int       `json:"limit"`
}

// History are the last so many entries of both diaries between two times, newest first. What stands in both, as acts
// of people do, is there once.
func (r Reader) History(ctx context.Context, from, to time.Time, limit int) (view.History, error) {
	limit = min(limit, most)
	own, err := r.Own.Now(ctx, from, to, limit)
	if err != nil {
		return view.History{}, err
	}
	other, err := r.other(ctx, span{from, to, limit})
	all := slices.Concat(own, other)
	slices.SortStableFunc(all, func(x, y releve.Entry) int { return y.At.Compare(x.At) })
	all = once(all)
	return view.History{Entries: all[:min(limit, len(all))], OtherSilent: err != nil}, nil
}

func (r Reader) other(ctx context.Context, asked span) (all []releve.Entry, err error) {
	if !r.OtherHeard() {
		return nil, context.DeadlineExceeded
	}
	ctx, cancel := context.WithTimeout(ctx, otherLimit)
	defer cancel()
	err = r.Link.Command(ctx, orderDiary, order.Args(asked), func(line json.RawMessage) error {
		var e releve.Entry
		if err := json.Unmarshal(line, &e); err != nil {
			return err
		}
		all = append(all, e)
		return nil
	})
	return all, err
}

// once are entries, newest first, without those that stand there twice.
func once(all []releve.Entry) (kept []releve.Entry) {
	seen := map[string]bool{}
	for _, e := range all {
		e.Input, e.Format = nil, 0 // those of a diary alone
		if key := string(order.Args(e)); !seen[key] {
			seen[key] = true
			kept = append(kept, e)
		}
	}
	return kept
}

// Desk answers the other server: an entry a line, without what only a replay needs.
func (r Reader) Desk() order.Desk {
	return order.Desk{orderDiary: func(ctx context.Context, args json.RawMessage, emit order.Emit) error {
		var asked span
		if err := json.Unmarshal(args, &asked); err != nil {
			return err
		}
		entries, err := r.Own.Now(ctx, asked.From, asked.To, min(max(asked.Limit, 0), most))
		if err != nil {
			return err
		}
		for _, e := range entries {
			e.Input = nil
			if err := order.Line(emit, e); err != nil {
				return err
			}
		}
		return nil
	}}
}
