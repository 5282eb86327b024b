package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"releve"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"releve/rules/takeover"
	"releve/screen/console/client"
	"releve/screen/text"
	"releve/screen/view"
)

// server is the one that runs with this configuration.
func (s *settings) server() (*client.Client, error) {
	conf, err := s.load()
	if err != nil {
		return nil, err
	}
	return client.New(conf.Socket()).As(operator()), nil
}

func printJSON(c *cobra.Command, v any) error {
	e := json.NewEncoder(c.OutOrStdout())
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// terminal says how wide the output is and whether it may be coloured.
func terminal(c *cobra.Command) (width int, colour bool) {
	f, ok := c.OutOrStdout().(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 80, false
	}
	_, plain := os.LookupEnv("NO_COLOR")
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		width = 80
	}
	return width, !plain
}

// shown prints an answer of the server: as JSON, or as the text made of it.
func shown[T any](s *settings, c *cobra.Command, answer T, err error, text func(T) string) error {
	if err != nil {
		return err
	}
	if s.output == "json" {
		return printJSON(c, answer)
	}
	_, err = fmt.Fprint(c.OutOrStdout(), text(answer))
	return err
}

func newStatus(s *settings) *cobra.Command {
	return &cobra.Command{
		Use: "status", Args: s.noArgs,
		Example: "  releve status -c main.toml\n  releve status -c main.toml --output json",
		RunE: func(c *cobra.Command, _ []string) error {
			server, err := s.server()
			if err != nil {
				return err
			}
			site, err := server.Site(c.Context())
			width, colour := terminal(c)
			return shown(s, c, site, err, func(v view.Site) string { return text.Status(v, s.lang(), colour, width) })
		},
	}
}

// around is how much of the diary `explain --at` shows on each side.
const around = 10 * time.Second

func newExplain(s *settings) *cobra.Command {
	var at string
	var limit int
	var rules bool
	c := &cobra.Command{
		Use: "explain", Args: s.noArgs,
		Example: "  releve explain -c secondary.toml\n  releve explain -c secondary.toml --at 03:00:00\n" +
			"  releve explain -c secondary.toml --at 2026-11-24T03:00:00+01:00\n  releve explain --rules",
		RunE: func(c *cobra.Command, _ []string) error {
			if rules {
				return shown(s, c, takeover.Table(), nil, s.rulesPage)
			}
			from, to, err := s.span(at)
			if err := errors.Join(err, s.atLeastOne(limit)); err != nil {
				return err
			}
			server, err := s.server()
			if err != nil {
				return err
			}
			entries, err := server.Diary(c.Context(), from, to, limit)
			return shown(s, c, entries, err, func(all []releve.Entry) string { return text.Entries(all, s.lang()) })
		},
	}
	c.Flags().StringVar(&at, "at", "", "")
	c.Flags().IntVar(&limit, "limit", 100, "")
	c.Flags().BoolVar(&rules, "rules", false, "")
	return c
}

func (s *settings) atLeastOne(limit int) error {
	if limit < 1 {
		return s.complaint(codeUsage, "bad-limit", "value", fmt.Sprint(limit))
	}
	return nil
}

// span is the time around a moment; the zero times bound nothing.
func (s *settings) span(at string) (from, to time.Time, err error) {
	if at == "" {
		return from, to, nil
	}
	t, err := s.moment("--at", at)
	if err != nil {
		return from, to, err
	}
	return t.Add(-around), t.Add(around), nil
}

// moment is the time that a flag gives, on the clock of this machine where it names no zone: a
// moment, a day, which is its beginning, or a time of today. Without a text it is none.
func (s *settings) moment(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04:05", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return t, nil
		}
	}
	for _, layout := range []string{time.TimeOnly, "15:04"} {
		if clock, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			now := time.Now()
			return time.Date(now.Year(), now.Month(), now.Day(), clock.Hour(), clock.Minute(), clock.Second(), 0, time.Local), nil
		}
	}
	return time.Time{}, s.complaint(codeUsage, "bad-time", "flag", flag, "value", text)
}

func newProcedure(s *settings, name string) *cobra.Command {
	return newGuided(s, name, "releve "+name, name)
}

// newGuided is a command that runs a guided procedure.
func newGuided(s *settings, use, path, procedure string) *cobra.Command {
	var dryRun bool
	c := &cobra.Command{
		Use: use, Args: s.noArgs,
		Example: "  " + path + " -c main.toml --dry-run\n  " + path + " -c main.toml",
		RunE: func(c *cobra.Command, _ []string) error {
			return s.follow(c, func(f *follower) error {
				server, err := s.server()
				if err != nil {
					return err
				}
				return server.Procedure(c.Context(), procedure, dryRun, f.show)
			})
		},
	}
	c.Flags().BoolVar(&dryRun, "dry-run", false, "")
	return c
}

// follow prints what run shows, and says how it ended.
func (s *settings) follow(c *cobra.Command, run func(*follower) error) error {
	f := s.follower(c)
	err := run(f)
	return errors.Join(f.end(), f.ended(err))
}

func (s *settings) follower(c *cobra.Command) *follower {
	return &follower{settings: s, command: c, printed: map[string]bool{}}
}

// follower prints each step of a procedure when it changes, one line each.
type follower struct {
	*settings
	command *cobra.Command
	last    view.Procedure
	printed map[string]bool
}

func (f *follower) show(p view.Procedure) {
	f.last = p
	rehearsing := p.DryRun && p.Finished.IsZero() // its steps are worth a line when all are known
	if f.output == "json" || rehearsing {
		return
	}
	for _, line := range text.Steps(p, f.lang()) {
		if !f.printed[line] {
			f.printed[line] = true
			fmt.Fprintln(f.command.OutOrStdout(), line)
		}
	}
}

// end prints a procedure for programs: once, as it ended.
func (f *follower) end() error {
	if f.output != "json" || f.last.ID == "" {
		return nil
	}
	return printJSON(f.command, f.last)
}

// ended says what to do about a procedure that did not reach its end.
func (f *follower) ended(err error) error {
	again := f.command.CommandPath() + " -c " + f.file
	switch {
	case err == nil, errors.Is(err, releve.ErrForbidden), errors.Is(err, releve.ErrBusy):
		return err
	case errors.Is(err, context.Canceled):
		return f.complaint(codeInterrupted, "left")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return f.complaint(codeOther, "went-away", "command", again)
	case f.last.Failed != nil:
		return f.complaint(codeOther, "failed", "command", again)
	}
	return err
}
