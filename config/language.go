package config

import (
	"os"
	"strings"

	"releve"
)

// LanguageOf is the language that a file says people read, "" where it says none. It does
// not read the file whole: a file with mistakes is told its mistakes in its own language.
func LanguageOf(file string) releve.Language {
	text, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	table := ""
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(strings.TrimSpace(line), "#")
		if strings.HasPrefix(line, "[") {
			table = strings.Trim(strings.TrimSpace(line), "[] ")
		}
		name, value, found := strings.Cut(line, "=")
		if !found || table != "site" || strings.TrimSpace(name) != "language" {
			continue
		}
		switch said := releve.Language(strings.Trim(strings.TrimSpace(value), `"'`)); said {
		case releve.English, releve.French:
			return said
		}
	}
	return ""
}
