package config

import (
	"fmt"
	"slices"
	"strings"

	"releve"
)

// Mistake is one thing wrong in a file, and the way to put it right.
type Mistake struct {
	File string          `json:"file"`
	Line int             `json:"line"` // from 1; 0: the file as a whole
	Key  string          `json:"key"`  // table.key, "" for the file as a whole
	Why  releve.Sentence `json:"why"`  // a code of this room, or certificate.* of package identity
}

// Borne are the mistakes that keep nobody from answering (SPEC K6), and the rest: a file with a
// secret that others can read is said until it is closed.
func Borne(all []Mistake) (borne, rest []Mistake) {
	for _, m := range all {
		if m.Why.Code == "secret.open" || m.Why.Code == "key.open" {
			borne = append(borne, m)
		} else {
			rest = append(rest, m)
		}
	}
	return borne, rest
}

// Where is the place of the mistake, as compilers write it.
func (m Mistake) Where() string {
	where := m.File
	if m.Line > 0 {
		where = fmt.Sprintf("%s:%d", m.File, m.Line)
	}
	if m.Key != "" {
		where += ": " + m.Key
	}
	return where
}

// Sentence is what is wrong and what to do about it. Programs read this room's codes by
// themselves; in the catalogue, which is everybody's, they stand below "config.".
func (m Mistake) Sentence() releve.Sentence {
	if strings.HasPrefix(m.Why.Code, "certificate.") {
		return m.Why
	}
	return releve.Sentence{Code: "config." + m.Why.Code, Args: m.Why.Args}
}

// String is the mistake for logs.
func (m Mistake) String() string { return fmt.Sprintf("%s: %s %v", m.Where(), m.Why.Code, m.Why.Args) }

// inOrder sorts mistakes as a reader meets them in the file.
func inOrder(mistakes []Mistake) []Mistake {
	slices.SortStableFunc(mistakes, func(a, b Mistake) int { return a.Line - b.Line })
	return mistakes
}
