package agent

import (
	"context"

	"releve"
	"releve/rules/takeover"
	"releve/screen/view"
)

// Faller has the level of the site fall to what is licensed, by the procedure with which an operator
// changes it.
type Faller struct{ *Agent }

// Ready: the main is on duty here, the site is well, and no procedure runs on either server. So a
// fall is in nobody's way: a takeover, a return or a repair comes first.
func (f Faller) Ready() bool {
	m := f.Machine()
	if !m.Owns() || m.Phase != takeover.Serving || !f.OtherHeard() {
		return false
	}
	site := f.View()
	return !site.Procedure.Runs() && (site.Word == view.Protected || site.Level == releve.Backup)
}

// Fall changes the level, and gives the sentence of what keeps it from that.
func (f Faller) Fall(ctx context.Context, to releve.Level) error {
	wish := view.Wish{Name: "level-" + string(to)}
	var last view.Procedure
	err := f.Wish(ctx, wish, takeover.Return{}, func(p view.Procedure) { last = p })
	if err != nil && last.Failed != nil {
		return &releve.Fault{Cause: err, Why: *last.Failed}
	}
	return err
}
