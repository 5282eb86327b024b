package cli

import (
	"github.com/spf13/cobra"

	"releve/screen/text"
	"releve/screen/view"
)

// newArbiter shows by what the site decides, and changes it (RULES R5).
func newArbiter(s *settings) *cobra.Command {
	c := &cobra.Command{
		Use: "arbiter", Args: s.noArgs,
		Example: "  releve arbiter -c main.toml\n  releve arbiter use witness -c main.toml",
		RunE: func(c *cobra.Command, _ []string) error {
			server, err := s.server()
			if err != nil {
				return err
			}
			now, err := server.Arbiter(c.Context())
			width, _ := terminal(c)
			return shown(s, c, now, err, func(a view.Arbiter) string { return text.Arbiter(a, s.lang(), width) })
		},
	}
	c.AddCommand(newArbiterUse(s))
	return c
}

func newArbiterUse(s *settings) *cobra.Command {
	c := &cobra.Command{
		Use: "use", Args: s.noArgs,
		Example: "  releve arbiter use witness -c main.toml --dry-run\n  releve arbiter use pair -c main.toml",
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	for _, name := range []string{"pair", "witness"} {
		c.AddCommand(newGuided(s, name, "releve arbiter use "+name, "arbiter-"+name))
	}
	return c
}
