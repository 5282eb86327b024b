package docs_test

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"releve/cli"
	"releve/rules/pbx"
)

// pageOf is where a type has its page, and the other language's, below pbx/.
var pageOf = map[string][2]string{"en": {".md", ".fr.md"}, "fr": {".fr.md", ".md"}}

// made is what stands below the title of a page that a command printed.
var made = map[string]string{
	"en": "*[Lire en français](%s)* — what `releve pbx guide %s` prints, with the values of an example.",
	"fr": "*[Read in English](%s)* — ce qu'affiche `releve pbx guide %s`, avec les valeurs d'un exemple.",
}

// The pages of the PBXs are what the command prints, and no page is of a type that is not known.
func TestThePagesOfThePBXsAreThoseOfTheCommand(t *testing.T) {
	pages := map[string]bool{}
	for _, name := range pbx.Types() {
		for language, end := range pageOf {
			page := filepath.Join("pbx", name+end[0])
			pages[page] = true
			text := guide(t, name, language)
			title, rest, _ := strings.Cut(text, "\n")
			text = title + "\n\n" + fmt.Sprintf(made[language], name+end[1], name) + "\n" + rest
			holds(t, page, text, "ThePagesOfThePBXs")
		}
	}
	there, err := filepath.Glob("pbx/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range there {
		if !pages[page] {
			t.Errorf("%s is of no type", page)
		}
	}
}

func guide(t *testing.T, name, language string) string {
	t.Helper()
	var out strings.Builder
	if code := cli.Run([]string{"pbx", "guide", name, "--language", language}, &out, io.Discard); code != 0 {
		t.Fatalf("the guide of %s ends with %d", name, code)
	}
	return out.String()
}
