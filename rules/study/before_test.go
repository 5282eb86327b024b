package study_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"releve"
	"releve/rules/study"
)

var (
	made = time.Date(2027, 1, 4, 12, 0, 0, 0, time.UTC)
	here = study.Place{Main: question.Main, Secondary: question.Secondary, Channels: 30}
)

// studied is a good study of the site, changed before both parties sign it.
func studied(changes ...func(*releve.Study)) releve.Study {
	s := releve.Study{Format: releve.StudyFormat, At: made, Question: question}
	s.Findings, s.Levels = study.Judge(question, good(question))
	for _, change := range changes {
		change(&s)
	}
	return both(s)
}

func both(s releve.Study) releve.Study {
	return study.Sign(study.Sign(s, releve.Establishment, "Marie Duval", made), releve.Integrator, "Paul Roy", made)
}

func why(err error) string {
	if fault, ok := errors.AsType[*releve.Fault](err); ok && errors.Is(err, releve.ErrForbidden) {
		return fault.Why.Code
	}
	return ""
}

func TestWhatComesBeforeALevel(t *testing.T) {
	lacking := func(v releve.Feasibility) func(*releve.Study) {
		return func(s *releve.Study) { s.Levels[len(s.Levels)-1].Verdict = v } // high availability
	}
	one := studied(func(s *releve.Study) { s.Signed = nil })
	one.Signed = one.Signed[:1]
	later := studied()
	later.Question.Channels++
	year := made.AddDate(1, 0, 0)
	for story, c := range map[string]struct {
		of    releve.Study
		level releve.Level
		at    study.Place
		now   time.Time
		why   string
	}{
		"a good one":                            {studied(), releve.HighAvailability, here, made, ""},
		"to the last day of its year":           {studied(), releve.HighAvailability, here, year, ""},
		"older":                                 {studied(), releve.HighAvailability, here, year.Add(time.Second), "study.old"},
		"from a clock that is behind":           {studied(), releve.HighAvailability, here, time.Unix(0, 0), ""},
		"not feasible":                          {studied(lacking(releve.NotFeasible)), releve.HighAvailability, here, made, "study.not-feasible"},
		"another level is":                      {studied(lacking(releve.NotFeasible)), releve.Mirroring, here, made, ""},
		"not decided":                           {studied(lacking(releve.NotDecided)), releve.HighAvailability, here, made, "study.not-decided"},
		"of a level that it does not know":      {studied(), "more", here, made, "study.not-decided"},
		"signed by one party":                   {one, releve.Base, here, made, "study.unsigned"},
		"changed since it was signed":           {later, releve.Base, here, made, "study.changed"},
		"of another main":                       {studied(), releve.Base, study.Place{Main: "192.0.2.1"}, made, "study.elsewhere"},
		"of another secondary":                  {studied(), releve.Mirroring, study.Place{Main: here.Main, Secondary: "192.0.2.1"}, made, "study.elsewhere"},
		"… which level base has nothing to do":  {studied(), releve.Base, study.Place{Main: here.Main, Secondary: "192.0.2.1"}, made, ""},
		"addresses that the site does not name": {studied(), releve.HighAvailability, study.Place{}, made, ""},
		"for fewer channels":                    {studied(), releve.Base, study.Place{Channels: 31}, made, "study.channels"},
	} {
		if got := why(study.Before(c.of, c.level, c.at, c.now)); got != c.why {
			t.Errorf("%s: %q, not %q", story, got, c.why)
		}
	}
}

// What is signed outlasts the file that it is kept in, and a party that signs again signs what
// stands there now.
func TestWhatIsSigned(t *testing.T) {
	raw, err := json.Marshal(studied(func(s *releve.Study) { s.At = time.Now() }))
	var read releve.Study
	if err := errors.Join(err, json.Unmarshal(raw, &read)); err != nil {
		t.Fatal(err)
	}
	if missing, changed := study.Unsigned(read); len(missing) > 0 || changed {
		t.Errorf("read again: %v %v", missing, changed)
	}
	read.Findings[0].Verdict = releve.StudyPoor
	if _, changed := study.Unsigned(read); !changed {
		t.Error("a finding was changed, and it is signed all the same")
	}
	if read = both(read); len(read.Signed) != 2 {
		t.Errorf("signed %d times", len(read.Signed))
	}
	if missing, changed := study.Unsigned(read); len(missing) > 0 || changed {
		t.Errorf("signed again: %v %v", missing, changed)
	}
	for name, well := range map[string]bool{"Zoë d'Arc": true, "": false, " x": false, "a\nb": false, "\x1b[2J": false, string(make([]rune, 101)): false} {
		if study.IsName(name) != well {
			t.Errorf("%q is a name: %v", name, !well)
		}
	}
}

// What came apart between two servers comes together, whoever hears first; a study takes the place
// of words, and a word that was taken back stays so.
func TestPapersComeTogether(t *testing.T) {
	var none study.Papers
	adopt := func(p study.Papers, s releve.Study, at time.Time) study.Papers {
		p, err := p.Adopt(s, here, at)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	hour := made.Add(time.Hour)
	mirrorOnly := studied(func(s *releve.Study) {
		for i := range s.Levels {
			if s.Levels[i].Level != releve.Mirroring {
				s.Levels[i].Verdict = releve.NotFeasible
			}
		}
	})
	vouched := none.Vouch(releve.HighAvailability, "A", made).Vouch(releve.Mirroring, "B", made)
	for story, c := range map[string]struct {
		x, y                study.Papers
		ha, mirroring, base string // what comes before it: a name, "study", or why nothing
	}{
		"nothing":                   {none, none, "study.none", "study.none", "study.none"},
		"a word on one":             {vouched, none, "A", "B", "study.none"},
		"a study on one":            {none, adopt(none, studied(), made), "study", "study", "study"},
		"a word, and a study later": {vouched, adopt(vouched, mirrorOnly, hour), "A", "study", "study.not-feasible"},
		"two studies":               {adopt(none, studied(), made), adopt(none, mirrorOnly, hour), "study.not-feasible", "study", "study.not-feasible"},
		"two at one moment":         {adopt(none, mirrorOnly, made), adopt(none, mirrorOnly, made), "study.not-feasible", "study", "study.not-feasible"},
		"two words":                 {vouched, none.Vouch(releve.HighAvailability, "C", hour), "C", "B", "study.none"},
		"two words at one moment":   {vouched, none.Vouch(releve.HighAvailability, "C", made), "C", "B", "study.none"},
		"a word taken back":         {vouched.Vouch(releve.HighAvailability, "", made), vouched, "study.none", "B", "study.none"},
	} {
		if x, y := c.x.With(c.y), c.y.With(c.x); x.ID() != y.ID() || x.With(y).ID() != x.ID() {
			t.Errorf("%s: apart they stay: %+v and %+v", story, x, y)
		}
		for level, want := range map[releve.Level]string{releve.HighAvailability: c.ha, releve.Mirroring: c.mirroring, releve.Base: c.base} {
			by, err := c.x.With(c.y).Clears(level, here, hour)
			got := by
			if err != nil {
				got = why(err)
			} else if by == "" {
				got = "study"
			}
			if got != want {
				t.Errorf("%s: before %s comes %q, not %q", story, level, got, want)
			}
		}
	}
	bad := studied(func(s *releve.Study) {
		for i := range s.Levels {
			s.Levels[i].Verdict = releve.NotDecided
		}
	})
	if p, err := vouched.Adopt(bad, here, made); why(err) != "study.none-feasible" || p.ID() != vouched.ID() {
		t.Errorf("a study that comes before nothing: %v", err)
	}
	if p, err := vouched.Adopt(studied(), study.Place{Channels: 99}, made); why(err) != "study.channels" || p.ID() != vouched.ID() {
		t.Errorf("a study of another site: %v", err)
	}
}
