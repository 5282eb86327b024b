// Package messages is what the command line says by itself, in French and in
// English: the help of every command and option, and the sentences of its
// mistakes.
package messages

import (
	"embed"
	"fmt"
	"strings"
	"sync"

	"github.com/pelletier/go-toml/v2"

	"releve"
)

//go:embed en.toml fr.toml
var files embed.FS

// Command is the help of one command.
type Command struct {
	Short string            `toml:"short"` // one line
	Long  string            `toml:"long"`
	Flags map[string]string `toml:"flags"` // the option's value stands in backquotes, as pflag wants it
}

// Messages are all words of one language.
type Messages struct {
	Commands  map[string]Command `toml:"commands"`
	Headings  map[string]string  `toml:"headings"`  // of help
	Manual    map[string]string  `toml:"manual"`    // headings of manual pages, by the English ones
	Sentences map[string]string  `toml:"sentences"` // {name} stands for an argument
}

// all reads the words when the first command is built.
var all = sync.OnceValue(func() map[releve.Language]*Messages {
	return map[releve.Language]*Messages{releve.English: read("en.toml"), releve.French: read("fr.toml")}
})

func read(name string) *Messages {
	m := &Messages{}
	file, err := files.ReadFile(name)
	if err == nil {
		err = toml.Unmarshal(file, m)
	}
	if err != nil {
		panic(fmt.Sprintf("the words built into this program cannot be read: %s: %v", name, err))
	}
	return m
}

// In gives the words of a language; one that is not known is English.
func In(language releve.Language) *Messages {
	if m, ok := all()[language]; ok {
		return m
	}
	return all()[releve.English]
}

// Say gives a sentence with its arguments, named and given in pairs.
func (m *Messages) Say(code string, pairs ...string) string {
	named := make([]string, len(pairs))
	for i, text := range pairs {
		if i%2 == 0 {
			text = "{" + text + "}"
		}
		named[i] = text
	}
	return strings.NewReplacer(named...).Replace(m.Sentences[code])
}
