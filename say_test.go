package releve_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"releve"
)

// A program's last words are long, in quotation marks and in sentences in one another: what
// people read is a sentence all the same, and how it begins.
func TestAReasonStaysASentenceHoweverLongItIs(t *testing.T) {
	for _, words := range []string{strings.Repeat("x", 5000), strings.Repeat("\"é\n", 2000), strings.Repeat("\x00<", 2000)} {
		err := releve.Known("ended", "cause-program", "program", "pg_rewind", "why", "exit status 1", "cause", words)
		for range 3 {
			argument := releve.Say("outer", "why", releve.Reason(err)).Args["why"]
			inner, ok := releve.Inner(argument)
			if !ok {
				t.Fatalf("of %d bytes: %q", len(argument), argument)
			}
			for deeper := ok; deeper; inner, deeper = releve.Inner(inner.Args["why"]) {
				if inner.Code == "cause-program" && (len(inner.Args["cause"]) < 20 || inner.Args["program"] != "pg_rewind") {
					t.Errorf("too little is named: %q", inner)
				}
			}
			err = releve.Because(err, "in vain", "cause-no-session")
		}
	}
}

func TestASentenceNamesTheBeginningOfALongValue(t *testing.T) {
	for text, want := range map[string]string{
		"":                             "",
		"short":                        "short",
		strings.Repeat("x", 1000):      strings.Repeat("x", 1000),
		strings.Repeat("x", 1001):      strings.Repeat("x", 1000) + "…",
		"x" + strings.Repeat("é", 700): "x" + strings.Repeat("é", 499) + "…",
		strings.Repeat("\x80", 5000):   "…", // no letter begins anywhere
	} {
		got := releve.Say("code", "value", text).Args["value"]
		if got != want {
			t.Errorf("of %d bytes %d are named: %.20q", len(text), len(got), got)
		}
		if utf8.ValidString(text) && !utf8.ValidString(got) {
			t.Errorf("a letter was cut in half: %q", got)
		}
	}
}
