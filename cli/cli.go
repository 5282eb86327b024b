// Package cli is the operator's command line: it starts a server, and is a client
// of the one that runs.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"releve"
	"releve/app"
	"releve/console"
	"releve/console/client"
)

// Exit codes, by cause.
const (
	codeOK = iota
	codeOther
	codeUsage
	codeConfiguration // the configuration has mistakes
	codeMissing       // the machine lacks something, or a port is in use
	codeForbidden     // a precondition does not hold
	codeUnreachable   // no server answers
	codeNotBuilt      // not built yet
	codeBusy          // another procedure runs
)

var (
	errUsage         = errors.New("wrong use of the command")
	errConfiguration = errors.New("the configuration has mistakes")
	errNotBuilt      = errors.New("not built yet")
)

// Run carries out one command and returns its exit code.
func Run(args []string, out, complain io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(complain)
	err := root.ExecuteContext(ctx)
	if err != nil && !errors.Is(err, errConfiguration) { // its mistakes were printed one by one
		fmt.Fprintln(complain, "releve:", err)
	}
	return exitCode(err)
}

func exitCode(err error) int {
	causes := []struct {
		err  error
		code int
	}{
		{nil, codeOK}, {errUsage, codeUsage}, {errConfiguration, codeConfiguration}, {app.ErrMissing, codeMissing},
		{app.ErrForbidden, codeForbidden}, {console.ErrNotAllowed, codeForbidden}, {os.ErrExist, codeForbidden},
		{client.ErrUnreachable, codeUnreachable}, {errNotBuilt, codeNotBuilt}, {console.ErrRunning, codeBusy},
	}
	for _, c := range causes {
		if errors.Is(err, c.err) {
			return c.code
		}
	}
	if err != nil && strings.HasPrefix(err.Error(), "unknown command") { // cobra has no error of its own for it
		return codeUsage
	}
	return codeOther
}

// settings are the flags that every command of a running server shares.
type settings struct {
	file     string
	output   string
	language string
}

func newRoot() *cobra.Command {
	s := &settings{}
	root := &cobra.Command{
		Use:   "releve",
		Short: "Keep a telephone reception answering",
		Long: "Relève runs a voice attendant on a main server, mirrors its database on a second one,\n" +
			"and lets the second take over with the very call that found the first out of service.",
		SilenceErrors: true, SilenceUsage: true,
		PersistentPreRunE: func(*cobra.Command, []string) error { return s.check() },
	}
	flags := root.PersistentFlags()
	flags.StringVarP(&s.file, "config", "c", "", "configuration of the server on this machine")
	flags.StringVarP(&s.output, "output", "o", "text", "text or json")
	flags.StringVar(&s.language, "language", languageOf(os.Getenv("LC_ALL"), os.Getenv("LC_MESSAGES"), os.Getenv("LANG")), "en or fr")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return fmt.Errorf("%w: %w; `%s --help` shows how it is meant", errUsage, err, c.CommandPath())
	})
	root.AddCommand(
		newInit(s), newServe(s), newCheck(s), newStatus(s), newCalls(s), newExplain(s),
		newProcedure(s, "return", "Bring the site back to normal: the main on duty, the secondary its mirror"),
		newProcedure(s, "switchover", "Move the duty to the other server, both well"),
		newDemo(s),
	)
	for _, name := range []string{"solo", "takeover", "witness", "salvage", "restore", "mirror", "drill", "study", "copy", "licence"} {
		root.AddCommand(notBuilt(name))
	}
	return root
}

// notBuilt names what a later version will have, so that nobody takes its absence
// for a mistake of his own.
func notBuilt(name string) *cobra.Command {
	return &cobra.Command{
		Use: name, Hidden: true, DisableFlagParsing: true,
		RunE: func(*cobra.Command, []string) error { return fmt.Errorf("releve %s: %w", name, errNotBuilt) },
	}
}

func (s *settings) check() error {
	if s.output != "text" && s.output != "json" {
		return fmt.Errorf("%w: --output %s: choose text or json", errUsage, s.output)
	}
	if s.language != "en" && s.language != "fr" {
		return fmt.Errorf("%w: --language %s: choose en or fr", errUsage, s.language)
	}
	return nil
}

func (s *settings) lang() releve.Language { return releve.Language(s.language) }

// languageOf reads the locale as programs do: the first that is set counts.
func languageOf(locales ...string) string {
	for _, l := range locales {
		if l != "" {
			if strings.HasPrefix(l, "fr") {
				return "fr"
			}
			return "en"
		}
	}
	return "en"
}
