package cli

import (
	"encoding/json"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"releve/app"
	"releve/config"
)

func newServe(s *settings) *cobra.Command {
	var found bool
	c := &cobra.Command{
		Use: "serve", Short: "Run this machine's server", Args: noArgs,
		Example: "  releve serve -c main.toml",
		RunE: func(c *cobra.Command, _ []string) error {
			conf, err := s.load(c)
			if err != nil {
				return err
			}
			log := slog.New(slog.NewTextHandler(c.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelInfo}))
			a, err := app.New(conf, found, log)
			if err != nil {
				return err
			}
			return a.Run(c.Context())
		},
	}
	c.Flags().BoolVar(&found, "found", false, "found a new site although the other server has not been heard: only where there is no other yet")
	return c
}

func newCheck(s *settings) *cobra.Command {
	return &cobra.Command{
		Use: "check", Short: "Report every mistake of a configuration at once", Args: noArgs,
		Example: "  releve check -c main.toml",
		RunE: func(c *cobra.Command, _ []string) error {
			if _, err := s.load(c); err != nil {
				return err
			}
			if s.output == "text" {
				fmt.Fprintln(c.OutOrStdout(), s.say("cli-check-ok", "file", s.file))
			}
			return nil
		},
	}
}

// load reads the configuration and prints its mistakes, if any, all of them.
func (s *settings) load(c *cobra.Command) (config.Config, error) {
	if s.file == "" {
		return config.Config{}, fmt.Errorf("%w: say which configuration with -c FILE", errUsage)
	}
	conf, mistakes := config.Load(s.file)
	if s.output == "json" && (len(mistakes) > 0 || c.Name() == "check") {
		if mistakes == nil {
			mistakes = []config.Mistake{}
		}
		if err := json.NewEncoder(c.OutOrStdout()).Encode(mistakes); err != nil {
			return conf, err
		}
	} else {
		for _, m := range mistakes {
			fmt.Fprintln(c.ErrOrStderr(), m.Text(s.lang()))
		}
	}
	if len(mistakes) > 0 {
		return conf, errConfiguration
	}
	return conf, nil
}
