package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"releve/app"
	"releve/console/client"
	"releve/view"
	"releve/view/text"
	"releve/view/words"
)

func (s *settings) say(code string, pairs ...string) string {
	return words.Say(s.lang(), view.Say(code, pairs...))
}

// server is the one that runs with this configuration.
func (s *settings) server(c *cobra.Command) (*client.Client, error) {
	conf, err := s.load(c)
	if err != nil {
		return nil, err
	}
	return client.New(app.Socket(conf)), nil
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

func newStatus(s *settings) *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Show the site: would a failure now lose anything?", Args: noArgs,
		Example: "  releve status -c main.toml\n  releve status -c main.toml --output json",
		RunE: func(c *cobra.Command, _ []string) error {
			server, err := s.server(c)
			if err != nil {
				return err
			}
			site, err := server.Site(c.Context())
			if err != nil {
				return err
			}
			if s.output == "json" {
				return printJSON(c, site)
			}
			width, colour := terminal(c)
			_, err = fmt.Fprint(c.OutOrStdout(), text.Status(site, s.lang(), colour, width))
			return err
		},
	}
}

func newCalls(s *settings) *cobra.Command {
	var limit int
	c := &cobra.Command{
		Use: "calls", Short: "Show the latest calls", Args: noArgs,
		Example: "  releve calls -c main.toml --limit 20",
		RunE: func(c *cobra.Command, _ []string) error {
			server, err := s.server(c)
			if err != nil {
				return err
			}
			calls, err := server.Calls(c.Context(), limit)
			if err != nil {
				return err
			}
			if s.output == "json" {
				return printJSON(c, calls)
			}
			_, err = fmt.Fprint(c.OutOrStdout(), text.Calls(calls, s.lang()))
			return err
		},
	}
	c.Flags().IntVar(&limit, "limit", 50, "how many")
	return c
}

// around is how much of the diary `explain --at` shows on each side.
const around = 10 * time.Second

func newExplain(s *settings) *cobra.Command {
	var at string
	var limit int
	c := &cobra.Command{
		Use: "explain", Short: "Show the decisions of this server, and those not to act, with their evidence", Args: noArgs,
		Example: "  releve explain -c secondary.toml\n  releve explain -c secondary.toml --at 2026-11-24T03:00:00+01:00",
		RunE: func(c *cobra.Command, _ []string) error {
			server, err := s.server(c)
			if err != nil {
				return err
			}
			from, to, err := span(at)
			if err != nil {
				return err
			}
			entries, err := server.Diary(c.Context(), from, to, limit)
			if err != nil {
				return err
			}
			if s.output == "json" {
				return printJSON(c, entries)
			}
			_, err = fmt.Fprint(c.OutOrStdout(), text.Entries(entries, s.lang()))
			return err
		},
	}
	c.Flags().StringVar(&at, "at", "", "time of interest, as 2026-11-24T03:00:00+01:00 or 03:00:00 of today")
	c.Flags().IntVar(&limit, "limit", 100, "how many entries, the latest ones")
	return c
}

func span(at string) (from, to time.Time, err error) {
	if at == "" {
		return from, to, nil
	}
	t, err := time.Parse(time.RFC3339, at)
	if err != nil {
		clock, errClock := time.ParseInLocation(time.TimeOnly, at, time.Local)
		if errClock != nil {
			return from, to, fmt.Errorf("%w: --at %q is no time: write 2026-11-24T03:00:00+01:00, or 03:00:00 for today", errUsage, at)
		}
		now := time.Now()
		t = time.Date(now.Year(), now.Month(), now.Day(), clock.Hour(), clock.Minute(), clock.Second(), 0, time.Local)
	}
	return t.Add(-around), t.Add(around), nil
}

func newProcedure(s *settings, name, short string) *cobra.Command {
	var dryRun bool
	c := &cobra.Command{
		Use: name, Short: short, Args: noArgs,
		Example: "  releve " + name + " -c main.toml --dry-run\n  releve " + name + " -c main.toml",
		RunE: func(c *cobra.Command, _ []string) error {
			server, err := s.server(c)
			if err != nil {
				return err
			}
			return s.follow(c, server, name, dryRun)
		},
	}
	c.Flags().BoolVar(&dryRun, "dry-run", false, "show the steps and what forbids them, and change nothing")
	return c
}

// follow runs a procedure and prints each step when it changes, one line each.
func (s *settings) follow(c *cobra.Command, server *client.Client, name string, dryRun bool) error {
	var last view.Procedure
	printed := map[string]bool{}
	err := server.Procedure(c.Context(), name, dryRun, func(p view.Procedure) {
		last = p
		if s.output == "json" {
			return
		}
		for _, line := range text.Steps(p, s.lang()) {
			if !printed[line] {
				printed[line] = true
				fmt.Fprintln(c.OutOrStdout(), line)
			}
		}
	})
	if s.output == "json" && last.ID != "" {
		if errJSON := printJSON(c, last); errJSON != nil {
			return errJSON
		}
	}
	return err
}
