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

// running runs a procedure for some time, and gives what it ends with.
func running(t *testing.T, g *guide.Guide, name string) <-chan error {
	t.Helper()
	ended := make(chan error, 1)
	go func() {
		ended <- g.Run(context.Background(), view.Wish{Name: name}, takeover.Return{}, func(view.Procedure) {})
	}()
	time.Sleep(time.Second)
	synctest.Wait()
	return ended
}

// What can be taken back is, what was reached stays, and nobody who asks for another procedure is taken for it.
func TestAProcedureIsAborted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := leaving() // its switchover waits for a person, and has a way back
		g := guide.New(w, guide.OpenPast(""))
		ended := running(t, g, "switchover")
		if err := g.Abort("another"); !errors.Is(err, guide.ErrNoneRuns) {
			t.Errorf("by another ID: %v", err)
		}
		if err := g.Abort(g.Latest().ID); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; !errors.Is(err, guide.ErrAborted) || !errors.Is(err, guide.ErrInterrupted) {
			t.Errorf("it ends with %v", err)
		}
		if !slices.Contains(w.orders, procedure.KeepDuty) {
			t.Errorf("it is not taken back: %q", w.orders)
		}
		if err := g.Abort(g.Latest().ID); !errors.Is(err, guide.ErrNoneRuns) {
			t.Errorf("once it is over: %v", err)
		}
	})
}

// A duty that moves is nobody's for a moment: there nobody aborts, and that is said.
func TestAStepThatIsNotTakenBackIsNotAborted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := mirrored()
		main, standby := w.site[releve.Main], w.site[releve.Secondary]
		standby.Mute, standby.Vote, standby.OnStandby = false, true, true
		main.Vote, main.Reception = false, true
		w.site = procedure.Site{releve.Main: main, releve.Secondary: standby}
		g := guide.New(w, guide.OpenPast(""))
		ended := running(t, g, "switchover")
		if p := g.Latest(); p == nil || !p.Firm || p.Steps[2].State != "running" {
			t.Fatalf("it shows %+v", p)
		}
		if err := g.Abort(g.Latest().ID); !errors.Is(err, guide.ErrFirm) {
			t.Errorf("it is aborted: %v", err)
		}
		<-ended // its time passes
		if g.Latest().Firm {
			t.Error("over, it is still not to be aborted")
		}
	})
}

// What may be chosen, and what forbids the rest.
func TestOffers(t *testing.T) {
	w := mirrored()
	g := guide.New(w, guide.OpenPast(""))
	all := map[string]view.Offer{}
	for _, o := range g.Offers() {
		all[o.Name] = o
	}
	if len(all) != len(procedure.All)-2 {
		t.Errorf("%d are offered of %d, two of which are a drill's", len(all), len(procedure.All))
	}
	for name, want := range map[string]view.Offer{
		"mirror-rebuild": {Name: "mirror-rebuild", Target: releve.Secondary},
		"solo":           {Name: "solo", Target: releve.Main, Noticed: true, Off: true},
		"solo-carried":   {Name: "solo-carried", Target: releve.Main, Noticed: true, Carried: true},
	} {
		got := all[name]
		got.Why = nil
		if got.Name != want.Name || got.Target != want.Target || got.Noticed != want.Noticed || got.Off != want.Off || got.Carried != want.Carried {
			t.Errorf("%+v, not %+v", got, want)
		}
	}
	if !all["mirror-resume"].Already || all["mirror-rebuild"].Already {
		t.Errorf("already so are %+v", all)
	}
	if len(all["mirror-rebuild"].Why) > 0 || len(all["return"].Why) == 0 {
		t.Errorf("forbidden are %+v", all)
	}
}
