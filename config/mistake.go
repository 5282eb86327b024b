package config

import (
	"fmt"
	"slices"

	"releve"
	"releve/config/words"
	"releve/peer/identity"
	"releve/view"
)

// Mistake is one thing wrong in a file, and the way to put it right.
type Mistake struct {
	File string        `json:"file"`
	Line int           `json:"line"` // from 1; 0: the file as a whole
	Key  string        `json:"key"`  // table.key, "" for the file as a whole
	Why  view.Sentence `json:"why"`  // a code of package words, or certificate.* of package identity
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

// What is wrong.
func (m Mistake) What(language releve.Language) string { what, _ := m.say(language); return what }

// Todo is what to do about it.
func (m Mistake) Todo(language releve.Language) string { _, todo := m.say(language); return todo }

// Text is the whole line that a person reads: where, what, and what to do.
func (m Mistake) Text(language releve.Language) string {
	what, todo := m.say(language)
	where := m.File
	if m.Line > 0 {
		where = fmt.Sprintf("%s:%d", m.File, m.Line)
	}
	if m.Key != "" {
		where += ": " + m.Key
	}
	return where + ": " + what + words.Colon(language) + todo
}

// String is the line in English.
func (m Mistake) String() string { return m.Text(releve.English) }

func (m Mistake) say(language releve.Language) (what, todo string) {
	if what, todo, ok := words.Say(language, m.Why); ok {
		return what, todo
	}
	return (&identity.Fault{Why: m.Why}).Text(language)
}

// inOrder sorts mistakes as a reader meets them in the file.
func inOrder(mistakes []Mistake) []Mistake {
	slices.SortStableFunc(mistakes, func(a, b Mistake) int { return a.Line - b.Line })
	return mistakes
}
