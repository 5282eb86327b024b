package words

import (
	"embed"
	"fmt"
	"io/fs"
	"sync"

	"github.com/nicksnyder/go-i18n/v2/i18n"
	i18ntemplate "github.com/nicksnyder/go-i18n/v2/i18n/template"
	"github.com/pelletier/go-toml/v2"
	"golang.org/x/text/language"

	"releve"
)

// A file holds what one room says in one language. The tables of a file are parts of its
// codes: what stands below [certificate.expired] as what is "certificate.expired.what".
//
//go:embed *.toml
var files embed.FS

// catalogue says things in one language.
type catalogue struct {
	lang      releve.Language
	localizer *i18n.Localizer
	parser    i18ntemplate.Parser
}

// catalogues are read when the first sentence is said.
var catalogues = sync.OnceValue(func() map[releve.Language]*catalogue {
	bundle := i18n.NewBundle(language.English)
	bundle.RegisterUnmarshalFunc("toml", toml.Unmarshal)
	all := map[releve.Language]*catalogue{}
	for _, lang := range []releve.Language{releve.English, releve.French} {
		names, err := fs.Glob(files, "*."+string(lang)+".toml")
		for _, name := range names {
			if err == nil {
				_, err = bundle.LoadMessageFileFS(files, name)
			}
		}
		if err != nil || len(names) == 0 {
			panic(fmt.Sprintf("the words built into this program cannot be read: %v", err))
		}
		all[lang] = &catalogue{
			lang, i18n.NewLocalizer(bundle, string(lang)),
			parser{&i18ntemplate.TextParser{Funcs: helpers(lang), Option: "missingkey=zero"}},
		}
	}
	return all
})

// parser keeps what it parsed. The library's own parser, given functions, parses
// each sentence anew; ours are the same for the life of the program.
type parser struct{ *i18ntemplate.TextParser }

func (parser) Cacheable() bool { return true }

// in is the catalogue of a language; one that is not spoken is English.
func in(lang releve.Language) *catalogue {
	if c, ok := catalogues()[lang]; ok {
		return c
	}
	return catalogues()[releve.English]
}

// fill writes the text of a code with its values; false where no file has the code. What
// is not given is empty.
func (c *catalogue) fill(code string, args map[string]string) (string, bool) {
	said, err := c.localizer.Localize(&i18n.LocalizeConfig{MessageID: code, TemplateData: args, TemplateParser: c.parser})
	return said, err == nil && said != ""
}
