package study

import (
	"bytes"
	_ "embed"
	"html/template"

	"releve"
	"releve/screen/words"
)

//go:embed page.tmpl
var source string

// Page is a study as one file of HTML that needs nothing else, and prints on A4 with places to
// sign.
func Page(made releve.Study, lang releve.Language) ([]byte, error) {
	p := paper{made, lang}
	t, err := template.New("study").Funcs(template.FuncMap{
		"say": p.say, "value": p.value, "title": p.title, "verdict": p.verdict, "party": p.party, "feasible": p.feasible,
		"seat":    func(s releve.Seat) string { return words.Seat(lang, s) },
		"level":   func(l releve.Level) string { return words.Level(lang, l) },
		"bytes":   func(n int64) string { return words.Bytes(lang, n) },
		"what":    func(f releve.Finding) string { what, _ := p.why(f); return what },
		"change":  func(f releve.Finding) string { _, change := p.why(f); return change },
		"mark":    func(v releve.StudyVerdict) string { return marks[v] },
		"finding": func(i int) releve.Finding { return p.Findings[i] },
		"of":      p.of,
		"parties": func() []releve.Party {
			return []releve.Party{releve.Establishment, releve.Integrator, releve.PBXMaintainer}
		},
		"signature": p.signature, "digest": func() string { return p.say("study-digest", "digest", made.Digest()) },
		"lang": func() string { return string(lang) },
		"day":  func() string { return p.At.Local().Format("2006-01-02 15:04") },
	}).Parse(source)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = t.Execute(&b, made)
	return b.Bytes(), err
}
