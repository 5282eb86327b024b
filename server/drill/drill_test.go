package drill_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"releve"
	"releve/screen/view"
	"releve/server/drill"
)

func ignore(view.Procedure) {}

// A drill moves the duty there and back, is measured, and both servers know its report.
func TestADrillGoesThereAndBack(t *testing.T) {
	play(t, drill.Schedule{}, func(ctx context.Context, w *world) {
		var last view.Procedure
		if err := w.aside.Drill(ctx, "A. Martin"+strings.Repeat(" ", 200), false, func(p view.Procedure) { last = p }); err != nil {
			t.Fatal(err)
		}
		told, asked, standing := w.heard()
		if !slices.Equal(asked, []string{"drill-takeover", "drill-return"}) || len(standing) > 0 ||
			!slices.Equal(told, []string{"info event-drill-began", "cleared event-drill-passed"}) {
			t.Errorf("asked %q, told %q, standing %v", asked, told, standing)
		}
		if last.Finished.IsZero() || last.Failed != nil || len(last.Steps) != 16 || slices.ContainsFunc(last.Steps, func(s view.ProcedureStep) bool { return s.State != "done" }) {
			t.Errorf("shown as %+v", last)
		}
		time.Sleep(6 * time.Second)
		d := w.leader.Drills()
		if d.Open != nil || len(d.Last) != 1 || !d.Last[0].Good() || len(d.Last[0].By) != 100 || !strings.HasPrefix(d.Last[0].By, "A. Martin") || d.Good.IsZero() {
			t.Fatalf("%+v", d)
		}
		want := view.Measured{Answered: 1700 * time.Millisecond, Recording: 3 * time.Second, Whole: 5 * time.Second}
		if d.Last[0].Takeover != want || d.Last[0].Return != want {
			t.Errorf("measured %+v there and %+v back", d.Last[0].Takeover, d.Last[0].Return)
		}
		if aside := w.aside.Drills(); len(aside.Last) != 1 || !aside.Last[0].Good() || aside.Last[0].Takeover != want || aside.Open != nil {
			t.Errorf("the secondary knows %+v", aside)
		}
	})
}

// What forbids a drill is named, and nothing is begun.
func TestWhatForbidsADrill(t *testing.T) {
	reason := releve.Say("ready-mirror-broken")
	for says, spoil := range map[string]func(*view.Site){
		"ready-mirror-broken": func(s *view.Site) {
			s.Readiness = &view.Readiness{Reasons: []view.Reason{{About: "mirror", State: "broken", What: reason}}}
		},
		"drill-level":             func(s *view.Site) { s.Level = releve.Mirroring },
		"drill-not-normal":        func(s *view.Site) { s.Owner = releve.Secondary },
		"drill-unlooked":          func(s *view.Site) { s.Readiness = nil },
		"ready-procedure-pending": func(s *view.Site) { s.Procedure = &view.Procedure{Name: "return"} },
		"why-alone":               func(s *view.Site) { s.Word, s.Why = view.NotProtected, releve.Say("why-alone") },
	} {
		play(t, drill.Schedule{}, func(ctx context.Context, w *world) {
			w.locked(func() { spoil(&w.site) })
			for _, asked := range []*drill.Leader{w.leader, w.aside} {
				var last view.Procedure
				err := asked.Drill(ctx, "", false, func(p view.Procedure) { last = p })
				if !errors.Is(err, releve.ErrForbidden) || last.Failed == nil || len(last.Steps[0].Findings) != 1 || last.Steps[0].Findings[0].Code != says {
					t.Errorf("%s: %v, %+v", says, err, last)
				}
			}
			if _, asked, _ := w.heard(); len(asked) > 0 || len(w.leader.Drills().Last) > 0 {
				t.Errorf("%s: asked %q", says, asked)
			}
		})
	}
}

// A drill of which nobody would know after a crash is not begun.
func TestADrillThatCannotBeKeptIsNotBegun(t *testing.T) {
	play(t, drill.Schedule{}, func(ctx context.Context, w *world) {
		if err := os.RemoveAll(filepath.Dir(w.file)); err != nil {
			t.Fatal(err)
		}
		var last view.Procedure
		err := w.leader.Drill(ctx, "", false, func(p view.Procedure) { last = p })
		if !errors.Is(err, releve.ErrForbidden) || len(last.Steps[0].Findings) != 1 || last.Steps[0].Findings[0].Code != "drill-unkept" {
			t.Errorf("%v, %+v", err, last)
		}
		if _, asked, _ := w.heard(); len(asked) > 0 || w.leader.Drills().Open != nil {
			t.Errorf("asked %q", asked)
		}
	})
}

// A rehearsal changes nothing.
func TestARehearsal(t *testing.T) {
	play(t, drill.Schedule{}, func(ctx context.Context, w *world) {
		var last view.Procedure
		if err := w.aside.Drill(ctx, "", true, func(p view.Procedure) { last = p }); err != nil || !last.DryRun || len(last.Costs) != 1 || len(last.Steps) != 16 {
			t.Errorf("%v, %+v", err, last)
		}
		if told, asked, _ := w.heard(); len(asked)+len(told) > 0 {
			t.Errorf("asked %q, told %q", asked, told)
		}
	})
}

// A drill stops at the first thing that is not as expected, and the site is brought back.
func TestADrillThatStopsIsBroughtBack(t *testing.T) {
	for _, half := range []string{"drill-takeover", "drill-return"} {
		play(t, drill.Schedule{}, func(ctx context.Context, w *world) {
			w.locked(func() { w.fails[half] = true })
			var last view.Procedure
			err := w.aside.Drill(ctx, "", false, func(p view.Procedure) { last = p })
			if err == nil || errors.Is(err, releve.ErrForbidden) || last.Failed == nil || last.Failed.Code != "drill-failed" {
				t.Errorf("%s: %v, %+v", half, err, last.Failed)
			}
			told, _, standing := w.heard()
			d := w.leader.Drills()
			if d.Open != nil || len(d.Last) != 1 || d.Last[0].Good() || !d.Last[0].Restored || len(standing) > 0 ||
				!slices.Contains(told, "major drill-failed") || w.View().Owner != releve.Main {
				t.Errorf("%s: %+v, told %q, standing %v", half, d, told, standing)
			}
		})
	}
}

// A site that cannot be brought back is open, which is said plainly; it is brought back as soon as
// that can be.
func TestWhatCannotBeBroughtBackStaysOpen(t *testing.T) {
	play(t, drill.Schedule{}, func(ctx context.Context, w *world) {
		w.locked(func() { w.fails["drill-takeover"], w.lost = true, true })
		var last view.Procedure
		err := w.leader.Drill(ctx, "", false, func(p view.Procedure) { last = p })
		if err == nil || last.Failed == nil || last.Failed.Code != "drill-open" {
			t.Fatalf("%v, %+v", err, last.Failed)
		}
		if _, _, standing := w.heard(); standing["drill"] != "notice-drill-open" || w.leader.Drills().Open == nil {
			t.Fatalf("standing %v", standing)
		}
		if err := w.leader.Drill(ctx, "", false, ignore); !errors.Is(err, releve.ErrForbidden) {
			t.Errorf("another meanwhile: %v", err)
		}
		w.locked(func() { w.lost = false })
		time.Sleep(6 * time.Minute)
		if _, _, standing := w.heard(); len(standing) > 0 || w.leader.Drills().Open != nil || w.View().Owner != releve.Main {
			t.Errorf("standing %v, %+v", standing, w.leader.Drills())
		}
	})
}

// A main that ends in the middle finds its drill open when it starts again, and brings the site
// back. The secondary says meanwhile what is open.
func TestAMainThatEndsInTheMiddle(t *testing.T) {
	play(t, drill.Schedule{}, func(ctx context.Context, w *world) {
		reader, leave := context.WithCancel(ctx)
		done := make(chan error, 1)
		go func() { done <- w.leader.Drill(reader, "", false, ignore) }()
		time.Sleep(3500 * time.Millisecond)
		w.endMain()
		leave()
		<-done
		if w.View().Owner != releve.Secondary {
			t.Fatal("it ended too early")
		}
		w.locked(func() { w.main = false })
		time.Sleep(6 * time.Second)
		if _, _, standing := w.heard(); standing["drill"] != "notice-drill-main-silent" {
			t.Errorf("standing %v", standing)
		}
		w.locked(func() { w.main = true })
		again := drill.New(w.options(drill.Schedule{}))
		end := w.run(ctx, again)
		time.Sleep(30 * time.Second)
		d := again.Drills()
		if d.Open != nil || len(d.Last) != 1 || d.Last[0].Failed == nil || d.Last[0].Failed.Code != "drill-interrupted" || w.View().Owner != releve.Main {
			t.Errorf("%+v", d)
		}
		end()
	})
}

// A drill goes on when its reader leaves, and one at a time.
func TestADrillGoesOnWithoutItsReader(t *testing.T) {
	play(t, drill.Schedule{}, func(ctx context.Context, w *world) {
		reader, leave := context.WithCancel(ctx)
		done := make(chan error, 1)
		go func() { done <- w.leader.Drill(reader, "", false, ignore) }()
		time.Sleep(3 * time.Second)
		if err := w.aside.Drill(ctx, "", false, ignore); !errors.Is(err, releve.ErrBusy) {
			t.Errorf("another: %v", err)
		}
		leave()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("the reader: %v", err)
		}
		time.Sleep(time.Minute)
		if d := w.leader.Drills(); len(d.Last) != 1 || !d.Last[0].Good() {
			t.Errorf("%+v", d)
		}
	})
}

// Drills of the schedule are made in the hours allowed, when the last good one is old enough; a
// site that is not ready makes none, and one that is overdue is an alarm each day. Virtual time
// begins at midnight in UTC.
func TestTheSchedule(t *testing.T) {
	const day = 24 * time.Hour
	s := drill.Schedule{Every: 3 * day, Begins: 20 * time.Hour, Ends: 22 * time.Hour, Overdue: 8 * day}
	play(t, s, func(ctx context.Context, w *world) {
		time.Sleep(7 * day)
		d := w.leader.Drills()
		if len(d.Last) != 2 || !d.Last[0].Good() || d.Last[0].By != "" {
			t.Fatalf("%d drills: %+v", len(d.Last), d)
		}
		for _, one := range d.Last {
			if hour := one.Started.Local().Hour(); hour != 20 && hour != 21 {
				t.Errorf("at %v", one.Started)
			}
		}
		w.locked(func() { w.site.Readiness = &view.Readiness{}; w.told = nil })
		time.Sleep(9 * day)
		told, _, standing := w.heard()
		if len(w.leader.Drills().Last) != 2 || !slices.Contains(told, "major event-drill-overdue") || standing["drill-overdue"] == "" || len(told) > 3 {
			t.Errorf("told %q, standing %v, %d drills", told, standing, len(w.leader.Drills().Last))
		}
		w.locked(func() { w.site.Readiness = &view.Readiness{Ready: true} })
		time.Sleep(day)
		if _, _, standing := w.heard(); len(w.leader.Drills().Last) != 3 || len(standing) > 0 {
			t.Errorf("standing %v, %d drills", standing, len(w.leader.Drills().Last))
		}
	})
}

// Hours may go over midnight.
func TestHoursOverMidnight(t *testing.T) {
	const day = 24 * time.Hour
	play(t, drill.Schedule{Every: day, Begins: 23 * time.Hour, Ends: time.Hour}, func(ctx context.Context, w *world) {
		time.Sleep(3 * day)
		d := w.leader.Drills()
		if len(d.Last) == 0 {
			t.Fatal("no drill was made")
		}
		for _, one := range d.Last {
			if hour := one.Started.Local().Hour(); hour != 23 && hour != 0 {
				t.Errorf("at %v", one.Started)
			}
		}
	})
}
