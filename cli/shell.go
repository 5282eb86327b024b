package cli

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"releve"
	"releve/screen/words"
)

// What belongs to the shell around the command: completion and manual pages (U2).

// complete offers the values of options where they are known.
func complete(root *cobra.Command) {
	choices := map[string][]string{
		"output": {"text", "json"}, "language": {"en", "fr"}, "log": {"info", "debug"},
		"overflow-evidence": {"auto", "to", "diversion", "history-info", "request-uri", "none"},
	}
	for _, c := range append(root.Commands(), root) {
		for flag, values := range choices {
			if c.Flags().Lookup(flag) != nil || c.PersistentFlags().Lookup(flag) != nil {
				must(c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)))
			}
		}
		for _, flag := range []string{"dir", "main-data", "secondary-data", "postgresql"} {
			if c.Flags().Lookup(flag) != nil {
				must(c.MarkFlagDirname(flag))
			}
		}
	}
	must(root.MarkPersistentFlagFilename("config", "toml"))
}

// must is for what only a wrong line of this package can make fail.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

func newCompletion(s *settings) *cobra.Command {
	writers := map[string]func(*cobra.Command, io.Writer) error{
		"bash": func(root *cobra.Command, w io.Writer) error { return root.GenBashCompletionV2(w, true) },
		"zsh":  func(root *cobra.Command, w io.Writer) error { return root.GenZshCompletion(w) },
		"fish": func(root *cobra.Command, w io.Writer) error { return root.GenFishCompletion(w, true) },
	}
	return &cobra.Command{
		Use: "completion bash|zsh|fish", Args: s.oneArg, ValidArgs: []string{"bash", "zsh", "fish"},
		Example: "  releve completion bash > /etc/bash_completion.d/releve\n" +
			"  releve completion zsh > \"${fpath[1]}/_releve\"\n" +
			"  releve completion fish > ~/.config/fish/completions/releve.fish",
		RunE: func(c *cobra.Command, args []string) error {
			write, known := writers[args[0]]
			if !known {
				return s.oneOf("completion", args[0], "bash", "zsh", "fish")
			}
			if err := s.textOnly(c); err != nil {
				return err
			}
			return write(c.Root(), c.OutOrStdout())
		},
	}
}

// manualDirs are where man(1) looks for pages of a language, below a directory of
// its path.
var manualDirs = map[releve.Language]string{releve.English: "man1", releve.French: "fr/man1"}

func newManual(s *settings) *cobra.Command {
	return &cobra.Command{
		Use: "man DIRECTORY", Args: s.oneArg,
		Example: "  releve man /usr/local/share/man",
		RunE: func(c *cobra.Command, args []string) error {
			written := []string{}
			for _, language := range []releve.Language{releve.English, releve.French} {
				pages, err := writeManual(filepath.Join(args[0], manualDirs[language]), language)
				if err != nil {
					return err
				}
				written = append(written, pages...)
			}
			if s.output == "json" {
				return printJSON(c, written)
			}
			_, err := fmt.Fprintln(c.OutOrStdout(), strings.Join(written, "\n"))
			return err
		},
	}
}

// writeManual writes a page for each command, and gives their paths.
func writeManual(dir string, language releve.Language) ([]string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	root := newRoot(&settings{language: string(language)})
	header := &doc.GenManHeader{Source: "Relève", Manual: root.Short}
	if err := doc.GenManTreeFromOpts(root, doc.GenManTreeOptions{Header: header, Path: dir, CommandSeparator: "-"}); err != nil {
		return nil, err
	}
	pages, err := filepath.Glob(filepath.Join(dir, "releve*.1"))
	if err != nil {
		return nil, err
	}
	for _, page := range pages {
		if err := translateHeadings(page, language); err != nil {
			return nil, err
		}
	}
	return pages, nil
}

// translateHeadings turns the English headings that cobra writes into those of a
// language.
func translateHeadings(page string, language releve.Language) error {
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	lines := strings.Split(string(text), "\n")
	for i, line := range lines {
		english, ok := strings.CutPrefix(line, ".SH ")
		if heading := words.Text(language, "manual.heading "+english); ok && heading != "" {
			lines[i] = ".SH " + heading
		}
	}
	return os.WriteFile(page, []byte(strings.Join(lines, "\n")), 0o644)
}
