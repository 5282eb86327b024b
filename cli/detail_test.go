package cli

import (
	"errors"
	"fmt"
	"testing"

	"releve"
	"releve/app"
)

func TestADetailIsInTheLanguageOfItsSentence(t *testing.T) {
	known := releve.Known("PostgreSQL does not answer", "cause-no-answer")
	for _, c := range []struct {
		err             error
		french, english string
	}{
		{fmt.Errorf("%w: looking: %w", app.ErrMissing, known), "PostgreSQL ne répond pas", "looking: PostgreSQL does not answer"},
		{fmt.Errorf("%w: %w", app.ErrMissing, errors.New("no such device")), "«\u00a0no such device\u00a0»", "no such device"},
	} {
		for language, want := range map[string]string{"fr": c.french, "en": c.english} {
			s := &settings{language: language}
			if got := s.detailOf(app.ErrMissing.Error()+": ", c.err); got != want {
				t.Errorf("in %s %q, want %q", language, got, want)
			}
		}
	}
}
