package order_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"releve/screen/view"
	"releve/server/order"
)

// link has orders carried out by a desk, as the other server does.
type link struct{ order.Desk }

func (l link) Command(ctx context.Context, name string, args json.RawMessage, emit func(json.RawMessage) error) error {
	return l.Desk[name](ctx, args, emit)
}

var errBroken = errors.New("broken")

func TestAnOrderIsAnsweredAndItsFailureToo(t *testing.T) {
	there := link{order.Desk{
		"count":  order.Answered(func(context.Context) (int, error) { return 7, nil }),
		"broken": order.Answered(func(context.Context) (int, error) { return 7, errBroken }),
		"show": order.Shown(func(_ context.Context, show func(view.Procedure)) error {
			show(view.Procedure{Name: "a"})
			show(view.Procedure{Name: "b"})
			return errBroken
		}),
	}}
	if n, err := order.Ask[int](t.Context(), there, "count", nil); n != 7 || err != nil {
		t.Errorf("answered %d (%v)", n, err)
	}
	if n, err := order.Ask[int](t.Context(), there, "broken", nil); n != 0 || !errors.Is(err, errBroken) {
		t.Errorf("what failed is answered %d (%v)", n, err)
	}
	if _, err := order.Ask[string](t.Context(), there, "count", nil); err == nil {
		t.Error("an answer of another kind is taken")
	}
	if err := order.Tell(t.Context(), there, "count", nil); err != nil {
		t.Errorf("an answer that nobody reads: %v", err)
	}
	shown := ""
	err := order.Show(t.Context(), there, "show", nil, func(p view.Procedure) { shown += p.Name })
	if shown != "ab" || !errors.Is(err, errBroken) {
		t.Errorf("shown %q (%v)", shown, err)
	}
}
