package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"releve"
	"releve/cli/messages"
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
			c.Flags().VisitAll(func(f *pflag.Flag) {
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

func TestNoWordIsForACommandThatIsNotThere(t *testing.T) {
	for _, language := range languages {
		for name, said := range messages.In(language).Commands {
			c := newRoot(&settings{})
			if name != c.Name() {
				var err error
				if c, _, err = c.Find(strings.Fields(name)); err != nil {
					t.Errorf("%s: %s: %v", language, name, err)
					continue
				}
			}
			for flag := range said.Flags {
				if c.Flags().Lookup(flag) == nil && c.PersistentFlags().Lookup(flag) == nil {
					t.Errorf("%s: %s has no --%s", language, name, flag)
				}
			}
		}
	}
}

var argument = regexp.MustCompile(`\{\w+\}`)

func TestSentencesTakeTheSameInBothLanguages(t *testing.T) {
	english, french := messages.In(releve.English), messages.In(releve.French)
	for _, pair := range [][2]map[string]string{
		{english.Sentences, french.Sentences}, {english.Headings, french.Headings}, {english.Manual, french.Manual},
	} {
		if len(pair[0]) != len(pair[1]) {
			t.Errorf("%d words and %d", len(pair[0]), len(pair[1]))
		}
		for code, text := range pair[0] {
			a, b := argument.FindAllString(text, -1), argument.FindAllString(pair[1][code], -1)
			slices.Sort(a)
			slices.Sort(b)
			if pair[1][code] == "" || !slices.Equal(a, b) {
				t.Errorf("%s: %q and %q", code, text, pair[1][code])
			}
		}
	}
}

var said = regexp.MustCompile(`(?:\b[sf]\.(?:say|complaint)\((?:code\w+, )?|\bsay\()"([a-z-]+)"`)

func TestEverySentenceIsThereAndIsSaid(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var program strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(file, "_test.go") {
			program.Write(text)
		}
	}
	sentences := messages.In(releve.English).Sentences
	codes := said.FindAllStringSubmatch(program.String(), -1)
	if len(codes) < 10 {
		t.Fatalf("only %d sentences are said: this test no longer finds them", len(codes))
	}
	for _, code := range codes {
		if sentences[code[1]] == "" {
			t.Errorf("%s is said and is no sentence", code[1])
		}
	}
	for _, c := range causes {
		if sentences[c.sentence] == "" {
			t.Errorf("%s is said and is no sentence", c.sentence)
		}
	}
	for code := range sentences {
		if !strings.Contains(program.String(), `"`+code+`"`) {
			t.Errorf("nothing says %s", code)
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
