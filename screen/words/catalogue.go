package words

import (
	"embed"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"text/template"

	"github.com/pelletier/go-toml/v2"

	"releve"
)

// A file holds what one room says in one language. The tables of a file are parts of its
// codes: what stands below [certificate.expired] as what is "certificate.expired.what".
//
//go:embed *.toml
var files embed.FS

// catalogue is all that is said in one language. Each sentence is a template of
// text/template, parsed when it is first said: no run of the program says most of them.
type catalogue struct {
	lang    releve.Language
	texts   map[string]string // by code
	helpers template.FuncMap
	parsed  sync.Map // of code, *template.Template
}

// catalogues are read when the first sentence of their language is said.
var catalogues = map[releve.Language]func() *catalogue{
	releve.English: sync.OnceValue(func() *catalogue { return read(releve.English) }),
	releve.French:  sync.OnceValue(func() *catalogue { return read(releve.French) }),
}

// in is the catalogue of a language; one that is not spoken is English.
func in(lang releve.Language) *catalogue {
	if c, ok := catalogues[lang]; ok {
		return c()
	}
	return catalogues[releve.English]()
}

func read(lang releve.Language) *catalogue {
	c := &catalogue{lang: lang, texts: map[string]string{}, helpers: helpers(lang)}
	names, err := fs.Glob(files, "*."+string(lang)+".toml")
	for _, name := range names {
		if err == nil {
			err = c.add(name)
		}
	}
	if err != nil || len(names) == 0 {
		panic(fmt.Sprintf("the words built into this program cannot be read: %v", err))
	}
	return c
}

func (c *catalogue) add(name string) error {
	file, err := files.ReadFile(name)
	if err != nil {
		return err
	}
	var held map[string]any
	if err := toml.Unmarshal(file, &held); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if err := c.take("", held); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func (c *catalogue) take(table string, held map[string]any) error {
	for key, value := range held {
		code := table + key
		switch value := value.(type) {
		case map[string]any:
			if err := c.take(code+".", value); err != nil {
				return err
			}
		case string:
			if _, ok := c.texts[code]; ok {
				return fmt.Errorf("%s is there twice", code)
			}
			c.texts[code] = value
		default:
			return fmt.Errorf("%s is no text", code)
		}
	}
	return nil
}

// fill writes the text of a code with its values; false where no file has the code. What
// is not given is empty.
func (c *catalogue) fill(code string, args map[string]string) (string, bool) {
	text, ok := c.texts[code]
	if !ok || !strings.Contains(text, "{{") {
		return text, ok
	}
	t, err := c.template(code, text)
	if err != nil {
		return "", false
	}
	var b strings.Builder
	if err := t.Execute(&b, args); err != nil {
		return "", false
	}
	return b.String(), true
}

func (c *catalogue) template(code, text string) (*template.Template, error) {
	if t, ok := c.parsed.Load(code); ok {
		return t.(*template.Template), nil
	}
	t, err := template.New(code).Funcs(c.helpers).Option("missingkey=zero").Parse(text)
	if err == nil {
		c.parsed.Store(code, t)
	}
	return t, err
}
