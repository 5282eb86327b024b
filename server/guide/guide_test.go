package guide_test

import (
	"context"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"releve"
	"releve/rules/alarm"
	"releve/rules/procedure"
	"releve/rules/takeover"
	"releve/screen/view"
	"releve/server/guide"
)

// world is the main of a site that makes its copy anew a second after an order.
type world struct {
	mu        sync.Mutex // of what several procedures change
	site      procedure.Site
	otherRuns bool

	otherUntil time.Time // one runs at the other until then
	orders     []procedure.Order
	withdrawn  []procedure.Order
	explained  []string
	vouched    []string
	refuses    error // each order
	found      releve.Sentence
	obeyed     time.Time
	lease      func() takeover.Lease // of the other's registration; nil: nothing is known
	path       string                // by which the other answers
}

// mirrored is a site at level mirroring whose main is on duty, and its mirror follows.
func mirrored() *world {
	duty := takeover.Status{Known: true, Owner: releve.Main, Term: 1}
	main, mirror := duty, duty
	main.Seat, main.Phase, main.Serving, main.Gate, main.Vote, main.DataID = releve.Main, takeover.Serving, true, true, true, "M"
	mirror.Seat, mirror.Phase, mirror.Mute, mirror.DataID = releve.Secondary, takeover.Following, true, "S"
	return &world{site: procedure.Site{
		releve.Main:      {Status: main, Heard: true, Copy: main.DataID},
		releve.Secondary: {Status: mirror, Heard: true, Receives: true, Copy: mirror.DataID},
	}}
}

func (w *world) Seat() releve.Seat { return releve.Main }
func (w *world) Site() procedure.Site {
	site := procedure.Site{releve.Main: w.site[releve.Main], releve.Secondary: w.site[releve.Secondary]}
	if w.lease != nil {
		main := site[releve.Main]
		main.Lease = w.lease()
		site[releve.Main] = main
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if mirror := site[releve.Secondary]; !w.obeyed.IsZero() && time.Since(w.obeyed) >= 0 {
		mirror.Copy = "anew"
		site[releve.Secondary] = mirror
	}
	return site
}
func (w *world) OtherAnswers(context.Context) string { return w.path }
func (w *world) OtherRuns() bool                     { return w.otherRuns || time.Now().Before(w.otherUntil) }
func (w *world) Progress(bool) *releve.Progress {
	return &releve.Progress{Done: 1, Total: 2, Unit: "B"}
}
func (w *world) Warned([]releve.Sentence) {}
func (w *world) Vouched(level releve.Level, name string) error {
	w.vouched = append(w.vouched, string(level)+" "+name)
	return nil
}
func (w *world) Shown() {}
func (w *world) Explain(what releve.Sentence) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.explained = append(w.explained, string(alarm.Of(releve.Main, what).Severity)+" "+what.Code)
}

func (w *world) Order(_ context.Context, _ releve.Seat, o procedure.Order, _ takeover.Return) (releve.Sentence, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.orders = append(w.orders, o)
	if w.refuses != nil {
		return releve.Sentence{}, w.refuses
	}
	w.obeyed = time.Now().Add(time.Second)
	return w.found, nil
}

func (w *world) Withdraw(_ context.Context, o procedure.Order) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.withdrawn = append(w.withdrawn, o)
}

// A procedure gives its orders where they belong, once each, and shows each step as it goes.
// While it runs no other does, and what was shown of it does not change any more.
func TestOneProcedureGoesStepByStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := mirrored()
		g := guide.New(w, guide.OpenPast(""))
		var shown []view.Procedure
		var beside error
		err := g.Run(t.Context(), view.Wish{Name: "mirror-rebuild"}, takeover.Return{}, func(p view.Procedure) {
			shown = append(shown, p)
			beside = g.Run(t.Context(), view.Wish{Name: "mirror-rebuild", DryRun: true}, takeover.Return{}, func(view.Procedure) {})
		})
		if err != nil || !slices.Equal(w.orders, []procedure.Order{procedure.Rebuild}) {
			t.Errorf("%v, ordered %q", err, w.orders)
		}
		if !errors.Is(beside, guide.ErrRunning) {
			t.Errorf("beside it, another is refused with %v", beside)
		}
		var states []string
		for _, p := range shown {
			states = append(states, p.Steps[0].State+" "+p.Steps[1].State)
		}
		if states = slices.Compact(states); strings.Join(states, ", ") != "running waiting, done waiting, done skipped" {
			t.Errorf("it was shown as %q", states)
		}
		if shown[1].Steps[0].Progress == nil || g.Latest() == nil || g.Latest().Finished.IsZero() {
			t.Errorf("shown %+v at first and %+v at last", shown[1], g.Latest())
		}
		if want := []string{"info event-procedure-began", "info event-procedure-ended"}; !slices.Equal(w.explained, want) {
			t.Errorf("told %q", w.explained)
		}
	})
}

// What comes of nothing is said, and its order is taken back.
func TestAStepThatFailsEndsTheProcedure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := mirrored()
		w.refuses = errors.New("the link is cut")
		g := guide.New(w, guide.OpenPast(""))
		err := g.Run(t.Context(), view.Wish{Name: "mirror-rebuild"}, takeover.Return{}, func(view.Procedure) {})
		if !errors.Is(err, w.refuses) || !slices.Equal(w.withdrawn, w.orders) || len(w.orders) != 1 {
			t.Errorf("%v, ordered %q and withdrew %q", err, w.orders, w.withdrawn)
		}
		if p := g.Latest(); p.Failed == nil || p.Failed.Code != "step-failed" || p.Steps[0].State != "failed" || p.Steps[1].State != "waiting" {
			t.Errorf("shown as %+v", p)
		}
	})
}

// A test call that did not fail is the proof, whether the server that made it says what it heard
// or not, and nobody is called twice.
func TestATestCallIsMadeOnce(t *testing.T) {
	for _, found := range []string{"found-test-call", ""} {
		synctest.Test(t, func(t *testing.T) {
			w := mirrored()
			w.found = releve.Say(found)
			main, standby := w.site[releve.Main], w.site[releve.Secondary]
			main.Vote, main.Reception = false, true
			standby.Mute, standby.Vote, standby.OnStandby = false, true, true
			w.site = procedure.Site{releve.Main: main, releve.Secondary: standby}
			g := guide.New(w, guide.OpenPast(""))
			err := g.Run(t.Context(), view.Wish{Name: "return"}, takeover.Return{}, func(view.Procedure) {})
			if err != nil || !slices.Equal(w.orders, []procedure.Order{procedure.TestCall}) {
				t.Errorf("found %q: %v, ordered %q", found, err, w.orders)
			}
			steps := g.Latest().Steps
			if last := steps[len(steps)-1]; last.State != "done" || (last.Found != nil) != (found != "") {
				t.Errorf("found %q: shown as %+v", found, last)
			}
		})
	}
}

// What cannot begin changes nothing.
func TestWhatMayNotBegin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := mirrored()
		for name, c := range map[string]struct {
			other bool
			cause error
		}{"nothing-such": {false, guide.ErrUnknown}, "mirror-rebuild": {true, guide.ErrRunning}, "return": {false, guide.ErrNotAllowed}} {
			w.otherRuns = c.other
			if err := guide.New(w, guide.OpenPast("")).Run(t.Context(), view.Wish{Name: name}, takeover.Return{}, func(view.Procedure) {}); !errors.Is(err, c.cause) {
				t.Errorf("%s is refused with %v, expected %v", name, err, c.cause)
			}
		}
		if len(w.orders) != 0 {
			t.Errorf("ordered %q", w.orders)
		}
	})
}

// A procedure is data: of package procedure the guide names what all of them are made of,
// none of them, and no order.
func TestTheGuideKnowsNoProcedureByName(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok {
				if room, ok := s.X.(*ast.Ident); ok && room.Name == "procedure" {
					named++
					if !slices.Contains([]string{"All", "Procedure", "Step", "Site", "Order"}, s.Sel.Name) {
						t.Errorf("%s names procedure.%s", name, s.Sel.Name)
					}
				}
			}
			return true
		})
	}
	if named < 5 {
		t.Errorf("only %d names were looked at", named)
	}
}

// An operator's word stands in for a study where the level is raised, and is kept when that begins:
// not in a rehearsal, nor where nothing rests on it.
func TestAWordForALevelIsKept(t *testing.T) {
	for story, c := range map[string]struct {
		wish   view.Wish
		papers procedure.Papers
		kept   string
		met    bool
	}{
		"nobody answers":   {view.Wish{Name: "level-high-availability", DryRun: true}, procedure.Papers{}, "", false},
		"a rehearsal":      {view.Wish{Name: "level-high-availability", DryRun: true, WithoutStudy: "A"}, procedure.Papers{}, "", true},
		"somebody answers": {view.Wish{Name: "level-high-availability", WithoutStudy: "A"}, procedure.Papers{}, "high-availability A", true},
		"a study is there": {view.Wish{Name: "level-high-availability", WithoutStudy: "A"}, procedure.Papers{Study: procedure.Need{Met: true}}, "", true},
		"the level falls":  {view.Wish{Name: "level-base", WithoutStudy: "A"}, procedure.Papers{}, "", false},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := mirrored()
			c.papers.Licence.Met = true
			for seat, s := range w.site {
				s.Level, s.PBXFor = releve.Mirroring, time.Hour
				s.Lacks = map[releve.Level][]string{releve.Base: nil, releve.HighAvailability: nil}
				s.Papers = map[releve.Level]procedure.Papers{releve.HighAvailability: c.papers}
				w.site[seat] = s
			}
			var last view.Procedure
			w.refuses = errors.New("enough")
			_ = guide.New(w, guide.OpenPast("")).Run(t.Context(), c.wish, takeover.Return{}, func(p view.Procedure) { last = p })
			if got := strings.Join(w.vouched, ", "); got != c.kept {
				t.Errorf("%s: kept %q, not %q (%+v)", story, got, c.kept, last.Failed)
			}
			study := last.Needs[len(last.Needs)-1]
			if study.Met != c.met && study.What.Code == "need-study" {
				t.Errorf("%s: shown %+v", story, last.Needs)
			}
		})
	}
}

// The end of the other server's procedure is heard a moment after it: who comes then is not told that one runs.
func TestAProcedureWaitsForTheEndOfTheOtherServers(t *testing.T) {
	for ends, want := range map[time.Duration]error{500 * time.Millisecond: nil, 5 * time.Second: guide.ErrRunning} {
		synctest.Test(t, func(t *testing.T) {
			w := mirrored()
			w.otherUntil = time.Now().Add(ends)
			if err := guide.New(w, guide.OpenPast("")).Run(t.Context(), view.Wish{Name: "mirror-rebuild"}, takeover.Return{}, func(view.Procedure) {}); !errors.Is(err, want) {
				t.Errorf("one that ends after %v: %v", ends, err)
			}
		})
	}
}
