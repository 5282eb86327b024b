package config

import "releve"

// LanguageOf is the language that a file says people read, "" where it says none. A file
// with mistakes is told its mistakes in its own language.
func LanguageOf(file string) releve.Language {
	text, err := readFile(file)
	if err != nil {
		return ""
	}
	entries, _ := parse(text)
	for _, e := range entries {
		said := releve.Language(e.text)
		if e.key == "site.language" && (said == releve.English || said == releve.French) {
			return said
		}
	}
	return ""
}
