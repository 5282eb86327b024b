package cli

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"releve"
	"releve/screen/words"
)

// addWords gives a command, its options and all below it their help. Help is kept
// apart from the commands so that both languages stand on one footing.
func addWords(c *cobra.Command, language releve.Language) {
	about := "help." + strings.TrimPrefix(c.CommandPath(), "releve ") + "."
	c.Short, c.Long = words.Text(language, about+"short"), strings.TrimSpace(words.Text(language, about+"long"))
	c.Use += " [options]" // the same word in both languages; cobra's own is English
	c.DisableFlagsInUseLine = true
	describe := func(f *pflag.Flag) { f.Usage = words.Text(language, about+"flags."+f.Name) }
	c.Flags().VisitAll(describe)
	c.PersistentFlags().VisitAll(describe)
	for _, child := range c.Commands() {
		addWords(child, language)
	}
}

// explain writes the help of a command. cobra's own says its headings in English.
func explain(c *cobra.Command, language releve.Language) {
	p := page{out: c.OutOrStdout(), language: language}
	fmt.Fprintf(p.out, "%s\n\n%s\n", c.Short, c.Long)
	p.section("usage", "  "+c.UseLine()+"\n")
	p.section("examples", c.Example+"\n")
	p.section("commands", commandList(c))
	p.section("options", p.options(c.NonInheritedFlags()))
	p.section("global", p.options(c.InheritedFlags()))
	if c.HasAvailableSubCommands() {
		fmt.Fprintln(p.out, "\n"+words.Text(language, "heading.more", "command", c.CommandPath()))
	}
}

// page is a page of help while it is written.
type page struct {
	out      io.Writer
	language releve.Language
}

func (p page) heading(name string) string { return words.Text(p.language, "heading."+name) }

func (p page) section(heading, text string) {
	if strings.TrimSpace(text) != "" {
		fmt.Fprintf(p.out, "\n%s%s\n%s", p.heading(heading), strings.TrimRight(p.heading("colon"), " "), text)
	}
}

func commandList(c *cobra.Command) string {
	return columns(func(table io.Writer) {
		for _, child := range c.Commands() {
			if child.IsAvailableCommand() {
				fmt.Fprintf(table, "  %s\t%s\n", child.Name(), child.Short)
			}
		}
	})
}

func (p page) options(flags *pflag.FlagSet) string {
	return columns(func(table io.Writer) {
		flags.VisitAll(func(f *pflag.Flag) {
			short := "    "
			if f.Shorthand != "" {
				short = "-" + f.Shorthand + ", "
			}
			value, usage := pflag.UnquoteUsage(f)
			if f.Value.Type() == "bool" {
				value, usage = "", f.Usage // what it has in backquotes is no value
			}
			if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "[]" {
				usage += " (" + p.heading("default") + " " + f.DefValue + ")"
			}
			fmt.Fprintf(table, "  %s%s\t%s\n", short, strings.TrimSpace("--"+f.Name+" "+value), usage)
		})
	})
}

func columns(fill func(io.Writer)) string {
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 3, ' ', 0)
	fill(table)
	_ = table.Flush() // into memory
	return text.String()
}

func newHelp(s *settings) *cobra.Command {
	return &cobra.Command{
		Use: "help [COMMAND]", Example: "  releve help status",
		RunE: func(c *cobra.Command, args []string) error {
			about, _, err := c.Root().Find(args)
			if err != nil || len(args) > 0 && about == c.Root() {
				return s.noSuchCommand(c.Root(), args)
			}
			return about.Help()
		},
	}
}
