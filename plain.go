package releve

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Plain is a text that others wrote, as a terminal, a log or a page may show it: nothing in
// it moves the cursor, begins a line or turns the order of letters around (SPEC K9). The end
// of a line becomes a space; whatever else is not seen is written as its code.
func Plain(text string) string {
	if !strings.ContainsFunc(text, hidden) && utf8.ValidString(text) {
		return text
	}
	var b strings.Builder
	for i, r := range text {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(text[i:], string(utf8.RuneError)):
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case r == '\n', r == '\r', r == '\t', r == '\u0085', r == '\u2028', r == '\u2029':
			b.WriteByte(' ')
		case hidden(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// hidden are the characters that a screen acts on instead of showing: controls (C0, C1),
// format characters such as those of writing from right to left, line and paragraph
// separators. Joiners are letters' own and stay.
func hidden(r rune) bool {
	const nonJoiner, joiner = '\u200c', '\u200d'
	return r != nonJoiner && r != joiner && unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
}
