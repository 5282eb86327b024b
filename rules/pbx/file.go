package pbx

import (
	"embed"
	"strings"
)

// File is a piece of a PBX's configuration, filled with a site's values: it is copied as it is.
type File struct {
	Name string // as the PBX has it
	from string // its template, in this directory
}

// templates name values as {{number}}; what stands from {{each extension}} to {{end}} is written for each
// entry of the number plan, of which it names the {{pattern}}.
//
//go:embed asterisk
var templates embed.FS

// Fill is the file for a site.
func (f File) Fill(s Site) string {
	text, err := templates.ReadFile(f.from)
	if err != nil {
		panic(err) // it is built in
	}
	filled := repeated(string(text), Patterns(s.Extensions))
	values := s.values("")
	var pairs []string
	for i := 0; i+1 < len(values); i += 2 {
		pairs = append(pairs, "{{"+values[i]+"}}", values[i+1])
	}
	pairs = append(pairs, "{{reception password}}", secret(s.Reception, s.ReceptionSecret), "{{standby password}}", secret(s.Standby, s.StandbySecret))
	return strings.NewReplacer(pairs...).Replace(filled)
}

// repeated writes the lines of an extension for each pattern.
func repeated(text string, patterns []string) string {
	before, rest, found := strings.Cut(text, "{{each extension}}\n")
	if !found {
		return text
	}
	lines, after, _ := strings.Cut(rest, "{{end}}\n")
	for _, p := range patterns {
		before += strings.ReplaceAll(lines, "{{pattern}}", p)
	}
	return before + after
}

// secret is a password as Asterisk reads it: what follows a plain semicolon is a comment.
func secret(user, password string) string {
	if password == "" {
		return "PASSWORD-OF-" + strings.ToUpper(user)
	}
	return strings.ReplaceAll(password, ";", `\;`)
}
