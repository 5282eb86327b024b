package guide

import (
	"crypto/rand"
	"maps"
	"slices"
	"time"

	"releve"
	"releve/screen/view"
)

// Sheet is what is shown of something that goes step by step, while it runs and afterwards.
// It is of whoever runs it; what it has shown does not change any more.
type Sheet struct {
	shown view.Procedure
	show  func(view.Procedure)
}

// NewSheet has every step waiting. Nothing is shown yet.
func NewSheet(name string, steps []releve.Sentence, show func(view.Procedure)) *Sheet {
	s := &Sheet{shown: view.Procedure{ID: rand.Text()[:8], Name: name, Started: time.Now().UTC()}, show: show}
	for _, what := range steps {
		s.shown.Steps = append(s.shown.Steps, view.ProcedureStep{What: what, State: "waiting"})
	}
	return s
}

// Show shows it as it is.
func (s *Sheet) Show() {
	copied := s.shown
	copied.Steps = slices.Clone(s.shown.Steps)
	s.show(copied)
}

// Begin: the i-th step runs.
func (s *Sheet) Begin(i int) {
	s.shown.Steps[i].State, s.shown.Steps[i].Started = "running", time.Now().UTC()
	s.Show()
}

// Advance says how far the i-th step is.
func (s *Sheet) Advance(i int, p *releve.Progress) {
	s.shown.Steps[i].Progress = p
	s.Show()
}

// Found says what the i-th step has shown. It is shown with the step's end.
func (s *Sheet) Found(i int, what releve.Sentence) { s.shown.Steps[i].Found = &what }

// Waits says what the i-th step waits for that no order brings about, nothing where there is none.
func (s *Sheet) Waits(i int, what releve.Sentence) {
	step := &s.shown.Steps[i]
	if now := step.Found; what.Code == "" && now == nil || now != nil && now.Code == what.Code && maps.Equal(now.Args, what.Args) {
		return
	}
	step.Found = nil
	if what.Code != "" {
		step.Found = &what
	}
	s.Show()
}

// Finding adds something that is wrong to the i-th step.
func (s *Sheet) Finding(i int, what releve.Sentence) {
	step := &s.shown.Steps[i]
	step.Findings = append(slices.Clip(step.Findings), what)
	s.Show()
}

// Skip passes over the i-th step: what it is for is so already.
func (s *Sheet) Skip(i int) {
	s.shown.Steps[i].State = "skipped"
	s.Show()
}

// Done ends the i-th step.
func (s *Sheet) Done(i int) {
	s.over(i, "done")
	s.Show()
}

// Fail ends the i-th step; [Sheet.End] shows it.
func (s *Sheet) Fail(i int) { s.over(i, "failed") }

func (s *Sheet) over(i int, state string) {
	step := &s.shown.Steps[i]
	step.State, step.Finished, step.Progress = state, time.Now().UTC(), nil
	s.shown.Firm = false
}

// End ends the whole; failed is why it did not come to its end, nil when it did.
func (s *Sheet) End(failed *releve.Sentence) {
	s.shown.Failed, s.shown.Finished = failed, time.Now().UTC()
	s.Show()
}
