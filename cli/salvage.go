package cli

import (
	"context"
	"releve"
	"strconv"

	"github.com/spf13/cobra"

	"releve/screen/console/client"
	"releve/screen/text"
)

// newSalvage decides about what an old owner committed alone (SPEC M6).
func newSalvage(s *settings) *cobra.Command {
	c := &cobra.Command{
		Use: "salvage", Args: s.noArgs,
		Example: "  releve salvage list -c main.toml\n  releve salvage show 1 -c main.toml\n  releve salvage apply 1 -c main.toml --dry-run",
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newSalvageList(s), newSalvageShow(s), newSalvageExtract(s), newSalvageApply(s), newSalvageDiscard(s))
	return c
}

func newSalvageList(s *settings) *cobra.Command {
	return &cobra.Command{
		Use: "list", Args: s.noArgs,
		Example: "  releve salvage list -c main.toml\n  releve salvage list -c main.toml --output json",
		RunE: func(c *cobra.Command, _ []string) error {
			server, err := s.server()
			if err != nil {
				return err
			}
			all, err := server.Salvages(c.Context())
			return shown(s, c, all, err, func(all []releve.Salvage) string { return text.Salvages(all, s.lang()) })
		},
	}
}

func newSalvageExtract(s *settings) *cobra.Command {
	return &cobra.Command{
		Use: "extract", Args: s.noArgs,
		Example: "  releve salvage extract -c main.toml",
		RunE: func(c *cobra.Command, _ []string) error {
			server, err := s.server()
			if err != nil {
				return err
			}
			found, err := server.ExtractSalvage(c.Context())
			return shown(s, c, found, err, func(all []releve.Salvage) string { return text.Salvages(all, s.lang()) })
		},
	}
}

func newSalvageShow(s *settings) *cobra.Command {
	var limit int
	c := &cobra.Command{
		Use: "show NUMBER", Args: s.oneArg,
		Example: "  releve salvage show 1 -c main.toml\n  releve salvage show 1 -c main.toml --output json",
		RunE: func(c *cobra.Command, args []string) error {
			if err := s.atLeastOne(limit); err != nil {
				return err
			}
			return s.aboutSalvage(c, args[0], func(ctx context.Context, server *client.Client, id int64) (releve.Salvage, error) {
				return server.Salvage(ctx, id, limit)
			})
		},
	}
	c.Flags().IntVar(&limit, "limit", 1000, "")
	return c
}

func newSalvageApply(s *settings) *cobra.Command {
	var dryRun, replace bool
	c := &cobra.Command{
		Use: "apply NUMBER", Args: s.oneArg,
		Example: "  releve salvage apply 1 -c main.toml --dry-run\n  releve salvage apply 1 -c main.toml\n" +
			"  releve salvage apply 1 -c main.toml --replace",
		RunE: func(c *cobra.Command, args []string) error {
			return s.aboutSalvage(c, args[0], func(ctx context.Context, server *client.Client, id int64) (releve.Salvage, error) {
				return server.ApplySalvage(ctx, id, dryRun, replace)
			})
		},
	}
	c.Flags().BoolVar(&dryRun, "dry-run", false, "")
	c.Flags().BoolVar(&replace, "replace", false, "")
	return c
}

func newSalvageDiscard(s *settings) *cobra.Command {
	return &cobra.Command{
		Use: "discard NUMBER", Args: s.oneArg,
		Example: "  releve salvage discard 1 -c main.toml",
		RunE: func(c *cobra.Command, args []string) error {
			return s.aboutSalvage(c, args[0], func(ctx context.Context, server *client.Client, id int64) (releve.Salvage, error) {
				return server.DiscardSalvage(ctx, id)
			})
		},
	}
}

// aboutSalvage asks for one salvage, by its number, and shows it. A decision answers
// without the rows: those are shown as a line of the list.
func (s *settings) aboutSalvage(c *cobra.Command, number string, ask func(context.Context, *client.Client, int64) (releve.Salvage, error)) error {
	id, err := strconv.ParseInt(number, 10, 64)
	if err != nil || id < 1 {
		return s.complaint(codeUsage, "bad-salvage", "value", number)
	}
	server, err := s.server()
	if err != nil {
		return err
	}
	found, err := ask(c.Context(), server, id)
	return shown(s, c, found, err, func(v releve.Salvage) string {
		if v.Changes == nil {
			return text.Salvages([]releve.Salvage{v}, s.lang())
		}
		return text.Salvage(v, s.lang())
	})
}
