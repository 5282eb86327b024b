package agent

import (
	"context"
	"fmt"

	"releve/rules/procedure"
	"releve/rules/takeover"
	"releve/screen/view"
	"releve/server/guide"
)

// Carried carries out an order that the other server gives, and shows what came of it. What
// rests on an operator's word is not taken from there.
func (a *Agent) Carried(ctx context.Context, order string, show func(view.Procedure)) error {
	switch takeover.Command(order) {
	case takeover.Command(procedure.TestCall), takeover.Command(procedure.ProveItself):
		found, err := a.prove(ctx, procedure.Order(order))
		if err == nil {
			show(view.Procedure{Name: order, Steps: []view.ProcedureStep{{State: "done", Found: &found}}})
		}
		return err
	case takeover.Solo, takeover.Take:
		return fmt.Errorf("%w: %q rests on an operator's word, which is given on the server itself", guide.ErrUnknown, order)
	}
	return a.Order(ctx, order)
}
