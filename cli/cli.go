// Package cli is the operator's command line: it starts a server, and is a client
// of the one that runs.
package cli

import (
	"cmp"
	"context"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"releve"
	"releve/config"
	"releve/screen/words"
)

// Run carries out one command and returns its exit code.
func Run(args []string, out, complain io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	asked := peek(args)
	root := newRoot(asked)
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(complain)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return codeOK
	}
	if isInterruption(ctx, err) {
		err = asked.complaint(codeInterrupted, "interrupted")
	}
	return asked.report(complain, err)
}

// settings are the options that every command shares.
type settings struct {
	file     string
	output   string
	language string
	help     bool
}

func (s *settings) add(flags *pflag.FlagSet) {
	flags.StringVarP(&s.file, "config", "c", "", "")
	flags.StringVarP(&s.output, "output", "o", "text", "")
	flags.StringVar(&s.language, "language", languageOf(os.Getenv("LC_ALL"), os.Getenv("LC_MESSAGES"), os.Getenv("LANG")), "")
	flags.BoolVarP(&s.help, "help", "h", false, "")
}

// peek reads the shared options before the commands are built: even the help, and
// what is said of a wrong option, depend on them.
func peek(args []string) *settings {
	s := &settings{}
	flags := pflag.NewFlagSet("releve", pflag.ContinueOnError)
	flags.ParseErrorsAllowlist.UnknownFlags = true
	s.add(flags)
	_ = flags.Parse(args) // what is wrong is told when the command reads them again
	if s.language == "" {
		s.language = cmp.Or(string(config.LanguageOf(s.file)), "en")
	}
	return s
}

// newRoot builds all commands, with their help in the language that was asked.
func newRoot(asked *settings) *cobra.Command {
	s := &settings{} // of the command when it has been read whole
	root := &cobra.Command{
		Use: "releve", Args: s.noSuchCommand, SuggestionsMinimumDistance: 2,
		Example:       "  releve demo\n  releve init --help\n  releve status -c main.toml",
		SilenceErrors: true, SilenceUsage: true, DisableAutoGenTag: true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		PersistentPreRunE: func(*cobra.Command, []string) error { return s.check() },
		RunE:              func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	s.add(root.PersistentFlags())
	s.language = asked.language
	root.PersistentFlags().Lookup("language").DefValue = asked.language
	root.SetFlagErrorFunc(asked.flagError)
	root.SetHelpFunc(func(c *cobra.Command, _ []string) { explain(c, asked.lang()) })
	root.SetUsageFunc(func(c *cobra.Command) error { explain(c, asked.lang()); return nil })
	root.AddCommand(
		newInit(s), newServe(s), newUnit(s), newCheck(s), newPBX(s), newCertificates(s), newStatus(s), newAlarms(s), newMaintenance(s), newNotify(s), newLines(s), newCalls(s), newExplain(s),
		newProcedure(s, "return"), newSwitchover(s), newCopy(s), newSalvage(s), newMirror(s), newWitness(s),
		newStudy(s), newSolo(s), newAbdicate(s), newTakeover(s), newProcedure(s, "restore"), newArbiter(s), newLevel(s), newLicence(s), newDrill(s), newUser(s), newScreen(s),
		newDemo(s), newCompletion(s), newManual(s), newVersion(s),
	)
	root.SetHelpCommand(newHelp(s))
	root.InitDefaultHelpCmd()
	addWords(root, asked.lang())
	complete(root)
	return root
}

func (s *settings) check() error {
	if err := s.oneOf("--output", s.output, "text", "json"); err != nil {
		return err
	}
	return s.oneOf("--language", s.language, "en", "fr")
}

// textOnly refuses an --output json that would change nothing.
func (s *settings) textOnly(c *cobra.Command) error {
	if s.output == "json" {
		return s.complaint(codeUsage, "text-only", "command", c.CommandPath())
	}
	return nil
}

func (s *settings) lang() releve.Language { return releve.Language(s.language) }

// say says a sentence of the command line's own.
func (s *settings) say(code string, pairs ...string) string {
	return words.Text(s.lang(), "cli."+code, pairs...)
}

// detail is an error within a sentence. In English it tells all it knows; in another language
// it is the sentence that it has, or stands in quotation marks.
func (s *settings) detail(err error) string { return s.detailOf("", err) }

// detailOf is a detail whose beginning the sentence around it says already.
func (s *settings) detailOf(beginning string, err error) string {
	why, known := releve.Inner(releve.Reason(err))
	if s.lang() == releve.English || !known {
		return releve.Quote(s.lang(), strings.TrimPrefix(err.Error(), beginning))
	}
	said, _ := words.Told(s.lang(), why)
	return strings.TrimSuffix(said, ".")
}

// languageOf reads the locale as programs do: the first that is set counts. The locale of
// no country (POSIX.1, 7.2) speaks no language, and then the configuration's counts.
func languageOf(locales ...string) string {
	for _, l := range locales {
		if l != "" {
			if strings.HasPrefix(l, "fr") {
				return "fr"
			}
			if language, _, _ := strings.Cut(l, "."); language == "C" || language == "POSIX" {
				return ""
			}
			return "en"
		}
	}
	return ""
}
