package drill

import (
	"crypto/rand"
	"slices"
	"time"

	"releve"
	"releve/screen/view"
)

// sheet is what is shown of a drill: that it may begin, the steps of both halves as they show
// themselves, and that the site is as it was.
type sheet struct {
	shown  view.Procedure
	begins map[string]int   // where the steps of each half stand
	at     int              // the step that runs, or ran last
	barred *releve.Sentence // why a half was not begun
	emit   func(view.Procedure)
}

func newSheet(w wish) *sheet {
	s := &sheet{begins: map[string]int{}, emit: w.emit}
	s.shown = view.Procedure{ID: rand.Text()[:8], Name: Name, DryRun: w.dryRun, Started: time.Now().UTC()}
	s.add(releve.Say("step-drill-ready"))
	for _, half := range halves() {
		s.begins[half.Name] = len(s.shown.Steps)
		target := half.Target(nil, releve.Main)
		for _, step := range half.Steps {
			s.add(releve.Say(step.Code, "seat", string(target), "other", string(target.Other())))
		}
	}
	s.add(releve.Say("step-drill-restored"))
	return s
}

func (s *sheet) add(what releve.Sentence) {
	s.shown.Steps = append(s.shown.Steps, view.ProcedureStep{What: what, State: "waiting"})
}

func (s *sheet) last() int { return len(s.shown.Steps) - 1 }

// steps are a copy, in which nothing changes any more.
func (s *sheet) steps() []view.ProcedureStep { return slices.Clone(s.shown.Steps) }

func (s *sheet) show() {
	p := s.shown
	p.Steps = s.steps()
	s.emit(p)
}

func (s *sheet) begin(i int) {
	s.at = i
	s.shown.Steps[i].State, s.shown.Steps[i].Started = "running", time.Now().UTC()
	s.show()
}

func (s *sheet) done(i int) {
	s.shown.Steps[i].State, s.shown.Steps[i].Finished = "done", time.Now().UTC()
	s.show()
}

// take takes in how far a half is, and says whether a step is other than it was.
func (s *sheet) take(half string, p view.Procedure) (moved bool) {
	first := s.begins[half]
	s.barred = p.Failed
	for i, step := range p.Steps {
		own := &s.shown.Steps[first+i]
		moved = moved || own.State != step.State
		*own = step
		if step.State != "waiting" {
			s.at = first + i
		}
	}
	s.show()
	return moved
}

// why is why a half stopped: what forbade it, or what its step failed with.
func (s *sheet) why(err error) string {
	if s.barred != nil && s.barred.Code != "step-failed" {
		return releve.Inside(*s.barred)
	}
	return releve.Reason(err)
}

// step is the one that runs, or ran last, as an argument of a sentence.
func (s *sheet) step() releve.Sentence { return s.shown.Steps[s.at].What }

// refuse shows why a drill is not begun.
func (s *sheet) refuse(why []releve.Sentence) {
	s.shown.Steps[0].State, s.shown.Steps[0].Findings = "failed", why
	refused := releve.Say("drill-refused")
	s.end(&refused)
}

// rehearse shows what a drill would do, and how long the last one took.
func (s *sheet) rehearse(k kept) {
	s.shown.Costs = []releve.Sentence{releve.Say("drill-changes")}
	for _, d := range k.Last {
		if d.Good() {
			s.shown.Costs = append(s.shown.Costs, releve.Say("drill-lasted", "lasted", d.Finished.Sub(d.Started).String(),
				"there", d.Takeover.Answered.String(), "back", d.Return.Answered.String()))
			break
		}
	}
	s.shown.Steps[0].State = "done"
	s.end(nil)
}

// end ends the whole; failed is why it did not come to a good end.
func (s *sheet) end(failed *releve.Sentence) {
	if i := s.last(); failed != nil && s.shown.Steps[i].State == "running" {
		s.shown.Steps[i].State, s.shown.Steps[i].Finished = "failed", time.Now().UTC()
	}
	s.shown.Failed, s.shown.Finished = failed, time.Now().UTC()
	s.show()
}

// measured are the times of both halves.
func (s *sheet) measured() (there, back view.Measured) {
	all := halves()
	return s.measure(all[0].Name, len(all[0].Steps)), s.measure(all[1].Name, len(all[1].Steps))
}

// measure counts from the order to give the duty. What was reached before anybody looked was
// reached when the step before was done at the latest.
func (s *sheet) measure(half string, steps int) (m view.Measured) {
	var from, until time.Time
	for _, step := range s.shown.Steps[s.begins[half]:][:steps] {
		if !step.Finished.IsZero() {
			until = step.Finished
		}
		over := step.State == "done" || step.State == "skipped"
		switch code := step.What.Code; {
		case code == "step-drill-duty":
			from = step.Started
		case from.IsZero() || !over:
		case code == "step-first-call" && step.Found != nil:
			if at, err := time.Parse(time.RFC3339Nano, step.Found.Args["at"]); err == nil {
				m.Answered = at.Sub(from)
			}
		case code == "step-recording":
			m.Recording = until.Sub(from)
		case code == "step-mirror":
			m.Whole = until.Sub(from)
		}
	}
	return m
}
