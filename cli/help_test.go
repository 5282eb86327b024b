package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"releve"
)

var languages = []releve.Language{releve.English, releve.French}

// everyCommand visits all that a reader can find, in a language.
func everyCommand(language releve.Language, visit func(*cobra.Command)) {
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		if !c.Hidden {
			visit(c)
		}
		for _, child := range c.Commands() {
			walk(child)
		}
	}
	walk(newRoot(&settings{language: string(language)}))
}

func TestEveryCommandIsExplainedInBothLanguages(t *testing.T) {
	for _, language := range languages {
		everyCommand(language, func(c *cobra.Command) {
			if c.Short == "" || c.Long == "" || c.Example == "" {
				t.Errorf("%s: %s has no help, or no example", language, c.CommandPath())
			}
			shown := page{nil, language}.options(c.Flags())
			c.Flags().VisitAll(func(f *pflag.Flag) {
				if f.Value.Type() == "bool" && !regexp.MustCompile(`(?m)^ +(-., )?--`+f.Name+`  `).MatchString(shown) {
					t.Errorf("%s: %s --%s is shown with a value:\n%s", language, c.CommandPath(), f.Name, shown)
				}
				value, _ := pflag.UnquoteUsage(f)
				if f.Usage == "" || f.Value.Type() != "bool" && !strings.Contains(f.Usage, "`"+value+"`") {
					t.Errorf("%s: %s --%s does not say what it takes: %q", language, c.CommandPath(), f.Name, f.Usage)
				}
			})
		})
	}
}

// An example that does not work is worse than none.
func TestExamplesAreWrittenAsTheCommandsAre(t *testing.T) {
	everyCommand(releve.English, func(c *cobra.Command) {
		for line := range strings.Lines(strings.ReplaceAll(c.Example, "\\\n", "")) {
			for _, word := range strings.Fields(line) {
				about, _, err := c.Root().Find(strings.Fields(line)[1:])
				name, isFlag := strings.CutPrefix(word, "--")
				if err != nil || isFlag && about.Flag(name) == nil {
					t.Errorf("%s: %s: %v", c.CommandPath(), strings.TrimSpace(line), err)
				}
			}
		}
	})
}

// That both languages have the same words, and each sentence its speaker, is seen to where
// the words are.
func TestNoWordIsForACommandThatIsNotThere(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "screen", "words", "cli.en.toml"))
	if err != nil {
		t.Fatal(err)
	}
	var said struct {
		Help map[string]struct{ Flags map[string]any }
	}
	if err := toml.Unmarshal(text, &said); err != nil || len(said.Help) < 30 {
		t.Fatalf("the help of %d commands: %v", len(said.Help), err)
	}
	for name, about := range said.Help {
		c := newRoot(&settings{})
		if name != c.Name() {
			if c, _, err = c.Find(strings.Fields(name)); err != nil || c.CommandPath() != "releve "+name {
				t.Errorf("%s: there is %q, %v", name, c.CommandPath(), err)
				continue
			}
		}
		for flag := range about.Flags {
			if c.Flags().Lookup(flag) == nil && c.PersistentFlags().Lookup(flag) == nil {
				t.Errorf("%s has no --%s", name, flag)
			}
		}
	}
}

func TestLanguageOfTheLocale(t *testing.T) {
	for _, c := range []struct {
		locales []string
		want    string
	}{
		{[]string{"", "", "fr_FR.UTF-8"}, "fr"}, {[]string{"C.UTF-8", "", "fr_FR.UTF-8"}, ""}, {[]string{"POSIX"}, ""}, {[]string{"", "", ""}, ""}, {[]string{"de_DE"}, "en"},
	} {
		if got := languageOf(c.locales...); got != c.want {
			t.Errorf("%q: %s", c.locales, got)
		}
	}
}
