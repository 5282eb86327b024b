package guide_test

import (
	"context"
	"errors"
	"slices"
	"strings"
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
		"the other is dead": {func(w *world) { dead := w.site[releve.Secondary]; dead.Heard = false; w.site[releve.Secondary] = dead }, "step-lease-over"},
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
			_ = guide.New(w, guide.OpenPast("")).Run(t.Context(), view.Wish{Name: "switchover", DryRun: true}, takeover.Return{}, func(p view.Procedure) { shown = p })
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
		g := guide.New(w, guide.OpenPast(""))
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
			ended <- guide.New(w, guide.OpenPast("")).Run(ctx, view.Wish{Name: "switchover"}, takeover.Return{}, func(view.Procedure) {})
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

// dead is a site of level backup whose secondary, which had the duty, is not heard.
func dead() *world {
	w := leaving()
	main, other := w.site[releve.Main], w.site[releve.Secondary]
	main.Owner, main.Phase, main.Line = releve.Secondary, takeover.Isolated, takeover.Line{Closed: true}
	other.Owner, other.Heard = releve.Secondary, false
	w.site[releve.Main], w.site[releve.Secondary] = main, other
	return w
}

// With the other server silent, and without an operator's word, the PBX is asked until it shows that the
// registration is gone: what is left is counted down, and one that was renewed ends it (B3).
func TestTheRegistrationOfADeadServerIsCountedDown(t *testing.T) {
	for name, c := range map[string]struct {
		then   takeover.Lease // five seconds on
		orders procedure.Order
		failed string
	}{
		"it is gone":    {takeover.Lease{Gone: true}, procedure.Relieve, "cause-not-done"},
		"it is renewed": {takeover.Lease{Stands: true, Renewed: true, Left: time.Minute}, procedure.AskPBX, "fails-lease-renewed"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := dead()
			began := time.Now()
			w.lease = func() takeover.Lease {
				if past := time.Since(began); past < 5*time.Second {
					return takeover.Lease{Stands: true, Left: 13*time.Second - past}
				}
				return c.then
			}
			var counted []string
			var last view.Procedure
			err := guide.New(w, guide.OpenPast("")).Run(t.Context(), view.Wish{Name: "switchover"}, takeover.Return{}, func(p view.Procedure) {
				if f := p.Steps[0].Found; f != nil && f.Code == "waits-lease" {
					counted = append(counted, f.Args["left"])
				}
				last = p
			})
			if counted = slices.Compact(counted); !slices.Equal(counted, []string{"15s", "10s", "9s"}) {
				t.Errorf("%s: it counts %q", name, counted)
			}
			if w.orders[len(w.orders)-1] != c.orders || slices.Contains(w.orders, procedure.TakeDuty) {
				t.Errorf("%s: it orders %v", name, w.orders)
			}
			if err == nil || last.Failed == nil || !strings.Contains(last.Failed.Args["why"], c.failed) {
				t.Errorf("%s: it ends with %v, shown as %+v", name, err, last.Failed)
			}
		})
	}
}

// A server that answers by whichever way is not dead, and no PBX is asked about it.
func TestNoPBXIsAskedAboutAServerThatAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := dead()
		w.path = "past the PBX"
		var last view.Procedure
		err := guide.New(w, guide.OpenPast("")).Run(t.Context(), view.Wish{Name: "switchover"}, takeover.Return{}, func(p view.Procedure) { last = p })
		if !errors.Is(err, guide.ErrNotAllowed) || last.Failed == nil || last.Failed.Code != "before-other-on" || len(w.orders) > 0 {
			t.Errorf("%v, %+v, orders %v", err, last.Failed, w.orders)
		}
	})
}
