package drill_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"releve"
	"releve/rules/alarm"
	"releve/rules/procedure"
	"releve/rules/takeover"
	"releve/screen/view"
	"releve/server/drill"
	"releve/server/order"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errFails = releve.Known("it is not done", "cause-not-done", "limit", "1m0s")

// world is a site whose procedures take a second for each step, and two leaders of drills.
type world struct {
	t    *testing.T
	file string

	mu       sync.Mutex
	site     view.Site
	fails    map[string]bool // procedures that stop at their third step
	lost     bool            // what stops cannot be brought back
	asked    []string        // procedures
	told     []string
	standing map[string]string
	main     bool // is heard by the secondary
	leader   *drill.Leader
	endMain  func()
	aside    *drill.Leader
}

func (w *world) View() view.Site {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.site
}

func (w *world) locked(do func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	do()
}

// Wish implements [drill.Site]: what the guide does, on a site that is only a word.
func (w *world) Wish(ctx context.Context, wish view.Wish, _ takeover.Return, emit func(view.Procedure)) error {
	var fails, lost bool
	w.locked(func() {
		w.asked = append(w.asked, wish.Name)
		fails, lost = w.fails[wish.Name], w.lost
	})
	if wish.Name == procedure.Return.Name {
		if lost {
			return errors.New("the other server is silent")
		}
		w.locked(func() { w.site.Owner, w.site.Main.Duty = releve.Main, releve.Active })
		return nil
	}
	target := procedure.All[wish.Name].Target(nil, releve.Main)
	p := view.Procedure{Name: wish.Name, Started: time.Now()}
	for _, s := range procedure.All[wish.Name].Steps {
		p.Steps = append(p.Steps, view.ProcedureStep{What: releve.Say(s.Code, "seat", string(target), "other", string(target.Other())), State: "waiting"})
	}
	for i := range p.Steps {
		step := &p.Steps[i]
		step.State, step.Started = "running", time.Now()
		emit(shown(p))
		wait := time.NewTimer(time.Second)
		select {
		case <-ctx.Done():
			wait.Stop()
			return context.Cause(ctx)
		case <-wait.C:
		}
		if fails && i == 3 {
			step.State, step.Finished = "failed", time.Now()
			why := releve.Say("step-failed")
			p.Failed = &why
			emit(shown(p))
			return errFails
		}
		if step.What.Code == "step-first-call" {
			found := releve.Say("found-first-call", "at", time.Now().Add(-300*time.Millisecond).UTC().Format(time.RFC3339Nano))
			step.Found = &found
		}
		if step.What.Code == "step-drill-duty" {
			w.locked(func() { w.site.Owner, w.site.Main.Duty = target, duty(target == releve.Main) })
		}
		step.State, step.Finished = "done", time.Now()
		emit(shown(p))
	}
	return nil
}

func duty(active bool) releve.Duty {
	if active {
		return releve.Active
	}
	return releve.Passive
}

func shown(p view.Procedure) view.Procedure {
	p.Steps = slices.Clone(p.Steps)
	return p
}

func (w *world) Explain(what releve.Sentence) {
	w.locked(func() { w.told = append(w.told, string(alarm.Of(releve.Main, what).Severity)+" "+what.Code) })
}

func (w *world) Notice(about string, what releve.Sentence) {
	w.locked(func() {
		if delete(w.standing, about); what.Code != "" {
			w.standing[about] = what.Code
		}
	})
}

func (w *world) OtherHeard() bool { return true }

// side is the secondary of the world.
type side struct{ *world }

func (s side) OtherHeard() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.main
}

// link leads to the other leader.
type link struct{ to func() *drill.Leader }

func (l link) Command(ctx context.Context, name string, args json.RawMessage, emit func(json.RawMessage) error) error {
	return l.to().Desk()[name](ctx, args, emit)
}

func (w *world) options(s drill.Schedule) drill.Options {
	return drill.Options{
		Seat: releve.Main, Site: w, Front: w, Schedule: s, File: w.file, Log: slog.New(slog.DiscardHandler),
		Link: link{func() *drill.Leader { return w.aside }},
	}
}

// play tells a story of a site that is well, with both leaders running.
func play(t *testing.T, s drill.Schedule, story func(ctx context.Context, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{
			t: t, file: filepath.Join(t.TempDir(), "drills.json"), fails: map[string]bool{}, standing: map[string]string{}, main: true,
			site: view.Site{
				Level: releve.HighAvailability, Owner: releve.Main, Word: view.Protected, Mirror: view.Mirror{State: view.MirrorInSync},
				Main: view.Server{Duty: releve.Active}, Secondary: view.Server{Heard: true, Vote: true}, Readiness: &view.Readiness{Ready: true},
			},
		}
		o := w.options(s)
		w.leader = drill.New(o)
		o.Seat, o.Front, o.File = releve.Secondary, side{w}, filepath.Join(t.TempDir(), "drills.json")
		o.Link = link{func() *drill.Leader { return w.leader }}
		w.aside = drill.New(o)
		w.endMain = w.run(t.Context(), w.leader)
		endAside := w.run(t.Context(), w.aside)
		time.Sleep(6 * time.Second)
		story(t.Context(), w)
		w.endMain()
		endAside()
	})
}

func (w *world) run(ctx context.Context, all ...*drill.Leader) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	for _, l := range all {
		running.Go(func() { l.Run(ctx) })
	}
	return func() {
		cancel()
		running.Wait()
	}
}

func (w *world) heard() (told, asked []string, standing map[string]string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := map[string]string{}
	for about, code := range w.standing {
		all[about] = code
	}
	return slices.Clone(w.told), slices.Clone(w.asked), all
}

var _ order.Link = link{}
