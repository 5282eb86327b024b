package pbx

import (
	"fmt"
	"strings"
)

// Patterns are the extensions of a number plan as a dial plan of Asterisk writes them: "1000-1999" is
// _1XXX, "1000-1249" is _10XX, _11XX, _12[0-4]X, and a number is itself.
func Patterns(entries []string) (all []string) {
	for _, entry := range entries {
		first, last, isRange := strings.Cut(entry, "-")
		if !isRange || first == last {
			all = append(all, first)
			continue
		}
		for _, p := range between(first, last) {
			all = append(all, "_"+p)
		}
	}
	return all
}

// between are the patterns that match the numbers from first to last, both of one length.
func between(first, last string) (all []string) {
	switch {
	case first == "":
		return []string{""}
	case strings.Trim(first, "0") == "" && strings.Trim(last, "9") == "":
		return []string{strings.Repeat("X", len(first))}
	case first[0] == last[0]:
		return behind(first[:1], between(first[1:], last[1:]))
	}
	n := len(first) - 1
	low, high := first[0], last[0]
	if strings.Trim(first[1:], "0") != "" { // the hundred that is begun in its middle
		all = behind(first[:1], between(first[1:], strings.Repeat("9", n)))
		low++
	}
	var end []string
	if strings.Trim(last[1:], "9") != "" { // and the one that is not ended
		end = behind(last[:1], between(strings.Repeat("0", n), last[1:]))
		high--
	}
	switch whole := strings.Repeat("X", n); {
	case low == high:
		all = append(all, string(low)+whole)
	case low < high:
		all = append(all, fmt.Sprintf("[%c-%c]%s", low, high, whole))
	}
	return append(all, end...)
}

func behind(front string, patterns []string) []string {
	for i, p := range patterns {
		patterns[i] = front + p
	}
	return patterns
}
