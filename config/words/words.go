// Package words says what is wrong in a configuration, in French and in English.
package words

import (
	"embed"
	"fmt"
	"maps"
	"strings"
	"sync"

	"github.com/pelletier/go-toml/v2"

	"releve"
)

//go:embed en.toml fr.toml
var files embed.FS

// Text is one kind of mistake. {name} stands for an argument of the sentence.
type Text struct {
	What string `toml:"what"`
	Todo string `toml:"todo"`
}

// catalogue reads the words when they are first needed: a good file needs none.
var catalogue = sync.OnceValue(func() map[releve.Language]map[string]Text {
	return map[releve.Language]map[string]Text{
		releve.English: read("en.toml"),
		releve.French:  read("fr.toml"),
	}
})

func read(name string) map[string]Text {
	texts := map[string]Text{}
	file, err := files.ReadFile(name)
	if err == nil {
		err = toml.Unmarshal(file, &texts)
	}
	if err != nil {
		panic(fmt.Sprintf("the words built into this program cannot be read: %s: %v", name, err))
	}
	return texts
}

// Catalogue is every kind of mistake with its text in one language.
func Catalogue(language releve.Language) map[string]Text {
	if texts, ok := catalogue()[language]; ok {
		return texts
	}
	return catalogue()[releve.English]
}

// Say gives what is wrong and what to do about it; ok is false for a code that
// is not of this package.
func Say(language releve.Language, why releve.Sentence) (what, todo string, ok bool) {
	text, ok := Catalogue(language)[why.Code]
	args := why.Args
	if cause := args["cause"]; cause != "" { // the text of the kernel or of a parser
		args = maps.Clone(args)
		args["cause"] = releve.Quote(language, cause)
	}
	return fill(text.What, args), fill(text.Todo, args), ok
}

// Colon is how a language sets a colon: French puts a no-break space before it.
func Colon(language releve.Language) string {
	if language == releve.French {
		return "\u00a0: "
	}
	return ": "
}

func fill(text string, args map[string]string) string {
	pairs := make([]string, 0, 2*len(args))
	for name, value := range args {
		pairs = append(pairs, "{"+name+"}", value)
	}
	return strings.NewReplacer(pairs...).Replace(text)
}
