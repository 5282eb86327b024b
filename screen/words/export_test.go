package words

import (
	"maps"

	"releve"
)

// Catalogue is every text of a language, by code.
func Catalogue(lang releve.Language) map[string]string { return maps.Clone(in(lang).texts) }
