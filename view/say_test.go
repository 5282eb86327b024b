package view_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"releve/view"
)

func TestASentenceNamesTheBeginningOfALongValue(t *testing.T) {
	for text, want := range map[string]string{
		"":                             "",
		"short":                        "short",
		strings.Repeat("x", 1000):      strings.Repeat("x", 1000),
		strings.Repeat("x", 1001):      strings.Repeat("x", 1000) + "…",
		"x" + strings.Repeat("é", 700): "x" + strings.Repeat("é", 499) + "…",
		strings.Repeat("\x80", 5000):   "…", // no letter begins anywhere
	} {
		got := view.Say("code", "value", text).Args["value"]
		if got != want {
			t.Errorf("of %d bytes %d are named: %.20q", len(text), len(got), got)
		}
		if utf8.ValidString(text) && !utf8.ValidString(got) {
			t.Errorf("a letter was cut in half: %q", got)
		}
	}
}
