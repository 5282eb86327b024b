package config

import (
	"bytes"
	"errors"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// maxSyntaxErrors bounds how often a broken file is read again.
const maxSyntaxErrors = 20

// entry is one value of a file, or the head of a table.
type entry struct {
	key  string // dotted, from the root: sip.listen
	line int
	kind unstable.Kind
	text string // of a value that is no array and no table
	list []item // of an array
}

// item is one value of an array, which may stand on a line of its own.
type item struct {
	line int
	kind unstable.Kind
	text string
}

// syntaxError is a line that is no TOML.
type syntaxError struct {
	line    int
	key     string // that the line seems to set, or ""
	message string
}

// parse reads all entries of a file. Each line that is no TOML is blanked and
// the rest read again, so that one slip does not hide the mistakes after it.
func parse(text []byte) (entries []entry, wrong []syntaxError) {
	text = bytes.Clone(text)
	for range maxSyntaxErrors {
		var slip *syntaxError
		if entries, slip = parseOnce(text); slip == nil {
			break
		}
		wrong = append(wrong, *slip)
		if !blankLine(text, slip.line) {
			break
		}
	}
	return entries, wrong
}

// parseOnce walks the syntax tree. A decoder into a struct would be shorter, and
// would stop at the first value of a wrong type.
func parseOnce(text []byte) ([]entry, *syntaxError) {
	var p unstable.Parser
	var entries []entry
	table := ""
	p.Reset(text)
	for p.NextExpression() {
		node := p.Expression()
		if node.Kind == unstable.KeyValue {
			entries = appendValue(entries, &p, table, node)
			continue
		}
		key, line := keyOf(&p, node)
		table = key
		entries = append(entries, entry{key: key, line: line, kind: node.Kind})
	}
	var failed *unstable.ParserError
	if !errors.As(p.Error(), &failed) {
		return entries, nil
	}
	// A highlight is a part of text up to its end: its capacity tells its place.
	place := min(max(cap(text)-cap(failed.Highlight), 0), len(text))
	line := 1 + bytes.Count(text[:place], []byte{'\n'})
	return entries, &syntaxError{line: line, key: keyOnLine(text, line, table), message: failed.Message}
}

// keyOnLine guesses the key of a line that does not parse, so that it is not
// reported as missing too.
func keyOnLine(text []byte, number int, table string) string {
	name, _, found := strings.Cut(string(lineOf(text, number)), "=")
	if !found {
		return ""
	}
	return strings.TrimPrefix(table+"."+strings.TrimSpace(name), ".")
}

// appendValue adds a key and its value; an inline table adds those it holds.
func appendValue(entries []entry, p *unstable.Parser, table string, node *unstable.Node) []entry {
	key, line := keyOf(p, node)
	if table != "" {
		key = table + "." + key
	}
	value := node.Value()
	if value.Kind != unstable.InlineTable {
		e := entry{key: key, line: line, kind: value.Kind, text: string(value.Data)}
		if value.Kind == unstable.Array {
			e.list = itemsOf(p, value, line)
		}
		return append(entries, e)
	}
	entries = append(entries, entry{key: key, line: line, kind: unstable.Table})
	for inner := value.Children(); inner.Next(); {
		entries = appendValue(entries, p, key, inner.Node())
	}
	return entries
}

// itemsOf lists the values of an array. One that has no place of its own in the tree,
// such as an array within it, stands at the line of the key.
func itemsOf(p *unstable.Parser, array *unstable.Node, line int) (items []item) {
	for it := array.Children(); it.Next(); {
		node := it.Node()
		if node.Kind == unstable.Comment {
			continue
		}
		at := line
		if node.Raw.Length > 0 {
			at = p.Shape(node.Raw).Start.Line
		}
		items = append(items, item{line: at, kind: node.Kind, text: string(node.Data)})
	}
	return items
}

func keyOf(p *unstable.Parser, node *unstable.Node) (key string, line int) {
	var parts []string
	for it := node.Key(); it.Next(); {
		if line == 0 {
			line = p.Shape(it.Node().Raw).Start.Line
		}
		parts = append(parts, string(it.Node().Data))
	}
	return strings.Join(parts, "."), line
}

// blankLine overwrites a line with spaces; false when there is nothing on it,
// and blanking it would not help.
func blankLine(text []byte, number int) bool {
	line := lineOf(text, number)
	if len(bytes.TrimSpace(line)) == 0 {
		return false
	}
	copy(line, bytes.Repeat([]byte{' '}, len(line)))
	return true
}

// lineOf is a line of text, from 1, without its end.
func lineOf(text []byte, number int) []byte {
	for line := range bytes.Lines(text) {
		if number--; number == 0 {
			return bytes.TrimRight(line, "\r\n")
		}
	}
	return nil
}
