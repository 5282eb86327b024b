package identity

import (
	"regexp"
	"slices"
	"testing"

	"go.uber.org/goleak"

	"releve"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestBothLanguagesSayTheSameThings(t *testing.T) {
	for code, text := range words {
		if e, f := names(text.en), names(text.fr); !slices.Equal(e, f) {
			t.Errorf("%s: English names %q, French %q", code, e, f)
		}
		if text.fr.what == "" || text.fr.todo == "" || text.en.todo == "" {
			t.Errorf("%s is not said in full", code)
		}
	}
}

var placeholder = regexp.MustCompile(`\{\w+\}`)

func names(s said) []string {
	found := placeholder.FindAllString(s.what+s.todo, -1)
	slices.Sort(found)
	return slices.Compact(found)
}

func TestAFaultIsSaidWithItsValues(t *testing.T) {
	f := &Fault{Why: releve.Say(Expired, "seat", "main", "date", "2036-01-02")}
	what, _ := f.Text(releve.French)
	if what != "le certificat de main a expiré le 2036-01-02" {
		t.Errorf("got %q", what)
	}
}
