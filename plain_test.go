package releve

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestNothingThatOthersWroteMovesTheScreen(t *testing.T) {
	for text, want := range map[string]string{
		"":                             "",
		"Hôpital Sud · 04 92 03 · € 😀": "Hôpital Sud · 04 92 03 · € 😀",
		"a\u00a0: b":                   "a\u00a0: b", // as French is set
		"a\x1b[2Jb\x1b]0;title\ab":     `a\u001b[2Jb\u001b]0;title\u0007b`,
		"a\r\n07:00 taken over":        "a  07:00 taken over",
		"a\u009b31mb":                  `a\u009b31mb`, // CSI in one character
		"a\u202eb\u2066c\u200ed\u061c": `a\u202eb\u2066c\u200ed\u061c`,
		"a\u2028b\u2029c\u0085d":       "a b c d",
		"\ufeffa\x00b\x7f":             `\ufeffa\u0000b\u007f`,
		"a\xffb\x9b":                   `a\xffb\x9b`,
		"a\ufffdb":                     "a\ufffdb",
	} {
		if got := Plain(text); got != want {
			t.Errorf("%q is shown as %q, not %q", text, got, want)
		}
	}
}

func FuzzPlain(f *testing.F) {
	f.Add("a\x1b[2J\r\n\u202e\xff")
	f.Fuzz(func(t *testing.T, text string) {
		got := Plain(text)
		if !utf8.ValidString(got) || strings.ContainsFunc(got, hidden) || Plain(got) != got {
			t.Errorf("%q is shown as %q", text, got)
		}
	})
}
