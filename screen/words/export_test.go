package words

import (
	"fmt"
	"io/fs"

	"github.com/pelletier/go-toml/v2"

	"releve"
)

// Catalogue is every text of a language, by code, as its files have it. It panics where one
// stands in two files, or is no text: of two, the program would say either.
func Catalogue(lang releve.Language) map[string]string {
	names, err := fs.Glob(files, "*."+string(lang)+".toml")
	if err != nil || len(names) == 0 {
		panic(fmt.Sprintf("no words in %s: %v", lang, err))
	}
	texts := map[string]string{}
	for _, name := range names {
		file, err := files.ReadFile(name)
		if err != nil {
			panic(err)
		}
		var held map[string]any
		if err := toml.Unmarshal(file, &held); err != nil {
			panic(fmt.Sprintf("%s: %v", name, err))
		}
		gather(texts, "", held)
	}
	return texts
}

// gather takes {other = "…"} for the one text that it is to the library: so a code may end in
// a name that the library has taken, as a flag's does that is called other.
func gather(texts map[string]string, table string, held map[string]any) {
	for key, value := range held {
		code := table + key
		if whole, ok := value.(map[string]any); ok && len(whole) == 1 && whole["other"] != nil {
			if text, ok := whole["other"].(string); ok {
				value = text
			}
		}
		switch value := value.(type) {
		case map[string]any:
			gather(texts, code+".", value)
		case string:
			if _, ok := texts[code]; ok {
				panic(code + " is there twice")
			}
			texts[code] = value
		default:
			panic(code + " is no text")
		}
	}
}

// Finds says whether the program has words for a code: the library takes a table that has a
// key such as "other" or "description" for one message, and then there are none.
func Finds(lang releve.Language, code string) bool {
	_, ok := in(lang).fill(code, nil)
	return ok
}
