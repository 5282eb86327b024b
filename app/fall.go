package app

import (
	"context"

	"releve"
	"releve/rules/takeover"
	"releve/screen/view"
)

// faller has the level of the site fall to what is licensed, by the procedure with which an operator
// changes it.
type faller struct{ *App }

// Ready: the main is on duty here, the site is well, and no procedure runs on either server. So a
// fall is in nobody's way: a takeover, a return or a repair comes first.
func (f faller) Ready() bool {
	m := f.front.Machine()
	if !m.Owns() || m.Phase != takeover.Serving || !f.front.OtherHeard() {
		return false
	}
	site := f.agent.View()
	running := site.Procedure != nil && site.Procedure.Finished.IsZero()
	return !running && (site.Word == view.Protected || site.Level == releve.Backup)
}

func (f faller) Fall(ctx context.Context, to releve.Level) error {
	wish := view.Wish{Name: "level-" + string(to)}
	var last view.Procedure
	err := f.agent.Wish(ctx, wish, takeover.Return{}, func(p view.Procedure) { last = p })
	if err != nil && last.Failed != nil {
		return &releve.Fault{Cause: err, Why: *last.Failed}
	}
	return err
}
