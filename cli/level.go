package cli

import (
	"github.com/spf13/cobra"

	"releve"
	"releve/screen/text"
	"releve/screen/view"
)

// newLevel shows at which level the site runs, and changes it (SPEC V1).
func newLevel(s *settings) *cobra.Command {
	c := &cobra.Command{
		Use: "level", Args: s.noArgs,
		Example: "  releve level -c main.toml\n  releve level use high-availability -c main.toml",
		RunE: func(c *cobra.Command, _ []string) error {
			server, err := s.server()
			if err != nil {
				return err
			}
			site, err := server.Site(c.Context())
			return shown(s, c, view.LevelsOf(site), err, func(l view.Levels) string { return text.Levels(l, s.lang()) })
		},
	}
	c.AddCommand(newLevelUse(s))
	return c
}

func newLevelUse(s *settings) *cobra.Command {
	c := &cobra.Command{
		Use: "use", Args: s.noArgs,
		Example: "  releve level use mirroring -c main.toml --dry-run\n  releve level use base -c main.toml",
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	for _, level := range releve.Levels() {
		c.AddCommand(newGuided(s, string(level), "releve level use "+string(level), "level-"+string(level)))
	}
	return c
}
