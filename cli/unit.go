package cli

import (
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"releve/config/site"
)

// newUnit writes what systemd needs to keep a server running.
func newUnit(s *settings) *cobra.Command {
	account := "releve"
	c := &cobra.Command{
		Use: "unit", Args: s.noArgs,
		Example: "  releve unit -c main.toml > /etc/systemd/system/releve-main.service",
		RunE: func(c *cobra.Command, _ []string) error {
			if err := s.textOnly(c); err != nil {
				return err
			}
			conf, err := s.load()
			if err != nil {
				return err
			}
			file, err := filepath.Abs(s.file)
			if err != nil {
				return err
			}
			program, err := os.Executable()
			if err != nil {
				return err
			}
			text, err := site.Unit(conf, program, file, account, s.lang())
			if err != nil {
				return err
			}
			_, err = c.OutOrStdout().Write(text)
			return err
		},
	}
	c.Flags().StringVar(&account, "account", account, "")
	return c
}
