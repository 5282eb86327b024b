package guide_test

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"releve"
	"releve/rules/takeover"
	"releve/screen/view"
	"releve/server/guide"
)

// took is a procedure whose steps took so long; a step without a time was passed over.
func took(name string, steps map[string]time.Duration) view.Procedure {
	began := time.Date(2026, 11, 30, 3, 0, 0, 0, time.UTC)
	p := view.Procedure{Name: name}
	for code, d := range steps {
		s := view.ProcedureStep{What: releve.Say(code), State: "skipped"}
		if d > 0 {
			s.State, s.Started, s.Finished = "done", began, began.Add(d)
		}
		p.Steps = append(p.Steps, s)
	}
	return p
}

func TestWhatIsExpectedIsWhatWasSeen(t *testing.T) {
	file := filepath.Join(t.TempDir(), "procedures.json")
	past := guide.OpenPast(file)
	if got := past.Expected("return", []string{"copy"}); got != nil {
		t.Errorf("before the first run %v is expected", got)
	}
	for _, seconds := range []int{900, 2, 4, 3, 60, 5} { // the first is one too many
		run := map[string]time.Duration{"copy": time.Duration(seconds) * time.Second, "duty": 0}
		if err := past.Remember(took("return", run)); err != nil {
			t.Fatal(err)
		}
	}
	for name, past := range map[string]*guide.Past{"as it runs": past, "after a restart": guide.OpenPast(file)} {
		if got := past.Expected("return", []string{"copy", "duty"}); got["copy"] != 4*time.Second || got["duty"] != 0 || len(got) != 2 {
			t.Errorf("%s: %v is expected, the median of 2, 4, 3, 60 and 5 s", name, got)
		}
		if got := past.Expected("return", []string{"copy", "another"}); got != nil {
			t.Errorf("%s: %v is expected of a step that was never seen", name, got)
		}
		if got := past.Expected("switchover", []string{"copy"}); got != nil {
			t.Errorf("%s: %v is expected of another procedure", name, got)
		}
	}
}

func TestAPastThatCannotBeReadIsNone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "procedures.json")
	for _, text := range []string{"", "{", "null", "[1]", `{"return": 3}`} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		past := guide.OpenPast(file)
		if got := past.Expected("return", []string{"copy"}); got != nil {
			t.Errorf("of %q %v is expected", text, got)
		}
		if err := past.Remember(took("return", map[string]time.Duration{"copy": time.Second})); err != nil {
			t.Errorf("after %q: %v", text, err)
		}
		if got := guide.OpenPast(file).Expected("return", []string{"copy"}); got["copy"] != time.Second {
			t.Errorf("after %q a run is not kept: %v", text, got)
		}
	}
}

// The second run of a procedure says how long it is to take, from its rehearsal on, and what is left.
func TestASecondRunSaysHowLongItTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		past := guide.OpenPast("")
		run := func(dryRun bool) (all []view.Procedure) {
			g := guide.New(mirrored(), past)
			wish := view.Wish{Name: "mirror-rebuild", DryRun: dryRun}
			if err := g.Run(t.Context(), wish, takeover.Return{}, func(p view.Procedure) { all = append(all, p) }); err != nil {
				t.Fatal(err)
			}
			return all
		}
		first := run(false)
		for _, p := range first {
			if lasts := p.Expected(); lasts != 0 {
				t.Fatalf("the first run expects to last %s", lasts)
			}
		}
		ended := first[len(first)-1]
		lasted := ended.Steps[0].Finished.Sub(ended.Steps[0].Started)
		for _, p := range append(run(true), run(false)...) {
			if p.Expected() != lasted || lasted <= 0 {
				t.Errorf("it lasted %s, and %s is expected", lasted, p.Expected())
			}
			if left := p.Left(time.Now()); p.Steps[0].State == "running" && (left > lasted || left < 0) || p.Steps[0].State == "done" && left != 0 {
				t.Errorf("%s of %s is left while the first step is %s", left, lasted, p.Steps[0].State)
			}
		}
	})
}
