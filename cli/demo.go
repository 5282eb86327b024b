package cli

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"releve/proof/demo"
)

func newDemo(s *settings) *cobra.Command {
	var keep bool
	var account string
	c := &cobra.Command{
		Use: "demo", Args: s.noArgs,
		Example: "  releve demo\n  releve demo --keep --language fr",
		RunE: func(c *cobra.Command, _ []string) error {
			if err := s.textOnly(c); err != nil {
				return err
			}
			self, err := os.Executable()
			if err != nil {
				return fmt.Errorf("this program does not find itself: %w", err)
			}
			return demo.Run(c.Context(), demo.Options{
				Releve: self, Keep: keep, Language: s.lang(), Out: c.OutOrStdout(), Account: account,
			})
		},
	}
	c.Flags().BoolVar(&keep, "keep", false, "")
	c.Flags().StringVar(&account, "account", "postgres", "")
	return c
}
