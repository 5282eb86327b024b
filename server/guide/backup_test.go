package guide_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"releve"
	"releve/rules/procedure"
	"releve/rules/takeover"
	"releve/screen/view"
	"releve/server/guide"
)

// leaving is a site of level backup whose main has closed its telephone, for the duty is to move.
func leaving() *world {
	w := mirrored()
	main, copied := w.site[releve.Main], w.site[releve.Secondary]
	main.Level, main.Phase, main.Serving, main.Mute, main.Vote = releve.Backup, takeover.Silencing, false, true, false
	main.Line = takeover.Line{Closed: true}
	copied.Level, copied.Vote = releve.Backup, true
	w.site[releve.Main], w.site[releve.Secondary] = main, copied
	return w
}

// What a name stands for depends on the site, and on whether the other server is heard.
func TestOneNameIsTheProcedureThatTheSiteNeeds(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*world)
		first  string
	}{
		"both well":         {func(*world) {}, "step-copy"},
		"the other is dead": {func(w *world) { dead := w.site[releve.Secondary]; dead.Heard = false; w.site[releve.Secondary] = dead }, "step-taken"},
		"high availability": {func(w *world) {
			for seat, s := range w.site {
				s.Level, s.Mute = releve.HighAvailability, false
				w.site[seat] = s
			}
		}, "step-in-sync"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := leaving()
			c.change(w)
			var shown view.Procedure
			_ = guide.New(w).Run(t.Context(), view.Wish{Name: "switchover", DryRun: true}, takeover.Return{}, func(p view.Procedure) { shown = p })
			if len(shown.Steps) == 0 || shown.Steps[0].What.Code != c.first {
				t.Errorf("%s: %+v", name, shown.Steps)
			}
		})
	}
}

// A switchover that waits for a person says for what, and takes his word while it runs, by his name.
func TestAWordIsTakenByNameWhileAProcedureWaitsForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := leaving()
		g := guide.New(w)
		ended := make(chan error, 1)
		go func() {
			ended <- g.Run(t.Context(), view.Wish{Name: "switchover"}, takeover.Return{}, func(view.Procedure) {})
		}()
		time.Sleep(time.Second)
		synctest.Wait()
		waits := func() string {
			for _, s := range g.Latest().Steps {
				if s.State == "running" && s.Found != nil {
					return s.Found.Code
				}
			}
			return ""
		}
		if got := waits(); got != "waits-binding" {
			t.Errorf("it shows %q of %+v", got, g.Latest().Steps)
		}
		word := view.Wish{Name: "binding-cleared"}
		var refused view.Procedure
		err := g.Run(t.Context(), word, takeover.Return{}, func(p view.Procedure) { refused = p })
		if !errors.Is(err, guide.ErrNotAllowed) || refused.Failed == nil || refused.Failed.Code != "before-name-needed" || slices.Contains(w.orders, procedure.ClearBinding) {
			t.Errorf("without a name: %v, %+v, orders %v", err, refused.Failed, w.orders)
		}
		if err := g.Run(t.Context(), view.Wish{Name: "copy"}, takeover.Return{}, func(view.Procedure) {}); !errors.Is(err, guide.ErrRunning) {
			t.Errorf("another procedure meanwhile: %v", err)
		}
		word.By = "A. Martin"
		given := make(chan error, 1)
		go func() { given <- g.Run(t.Context(), word, takeover.Return{}, func(view.Procedure) {}) }()
		time.Sleep(time.Second)
		synctest.Wait()
		if !slices.Contains(w.orders, procedure.ClearBinding) || !slices.Contains(w.explained, "info event-word-given") {
			t.Errorf("orders %v, explained %v", w.orders, w.explained)
		}
		if g.Latest().Name != "switchover" {
			t.Errorf("the screen shows %s", g.Latest().Name)
		}
		time.Sleep(15 * time.Minute) // nothing comes of either in this world
		<-ended
		<-given
	})
}

// Who leaves a switchover while nobody answers has the telephone taken up again.
func TestASwitchoverThatIsLeftDoesNotLeaveTheTelephoneClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := leaving()
		ctx, leave := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			ended <- guide.New(w).Run(ctx, view.Wish{Name: "switchover"}, takeover.Return{}, func(view.Procedure) {})
		}()
		time.Sleep(time.Second)
		synctest.Wait()
		if slices.Contains(w.orders, procedure.KeepDuty) {
			t.Errorf("while it waits it orders %v", w.orders)
		}
		leave()
		if err := <-ended; !errors.Is(err, guide.ErrInterrupted) || w.orders[len(w.orders)-1] != procedure.KeepDuty {
			t.Errorf("it ends with %v and orders %v", err, w.orders)
		}
	})
}
