package cli

import (
	"github.com/spf13/cobra"

	"releve/screen/view"
)

// newCopy has a newer copy made at level backup (SPEC B1).
func newCopy(s *settings) *cobra.Command { return newProcedure(s, "copy") }

// newSwitchover moves the duty. At level backup it is the one procedure of permutation, on the
// operator's word where the other server is dead (SPEC B2).
func newSwitchover(s *settings) *cobra.Command {
	w := view.Wish{Name: "switchover"}
	c := &cobra.Command{
		Use: "switchover", Args: s.noArgs,
		Example: "  releve switchover -c main.toml --dry-run\n  releve switchover -c main.toml\n" +
			"  releve switchover -c secondary.toml --other-is-off --by \"A. Martin\"",
		RunE: func(c *cobra.Command, _ []string) error { return s.wish(c, w, "") },
	}
	c.Flags().BoolVar(&w.OtherIsOff, "other-is-off", false, "")
	c.Flags().StringVar(&w.By, "by", "", "")
	c.Flags().BoolVar(&w.DryRun, "dry-run", false, "")
	c.AddCommand(newCleared(s))
	return c
}

// newCleared is an operator's word that the PBX has no binding of the server that leaves (SPEC B3).
func newCleared(s *settings) *cobra.Command {
	w := view.Wish{Name: "binding-cleared"}
	c := &cobra.Command{
		Use: "cleared", Args: s.noArgs,
		Example: "  releve switchover cleared -c main.toml --by \"A. Martin\"",
		RunE: func(c *cobra.Command, _ []string) error {
			if w.By == "" {
				return s.complaint(codeUsage, "cleared-by", "command", c.CommandPath()+" -c "+s.file)
			}
			return s.wish(c, w, "")
		},
	}
	c.Flags().StringVar(&w.By, "by", "", "")
	return c
}
