package cli

import (
	"github.com/spf13/cobra"

	"releve/screen/text"
)

// newMirror proves the mirror, and makes one again where there is none (SPEC M5, M7).
func newMirror(s *settings) *cobra.Command {
	c := &cobra.Command{
		Use: "mirror", Args: s.noArgs,
		Example: "  releve mirror verify -c main.toml\n  releve mirror resume -c main.toml\n  releve mirror rebuild -c main.toml --dry-run",
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newMirrorVerify(s),
		newGuided(s, "rebuild", "releve mirror rebuild", "mirror-rebuild"), newGuided(s, "resume", "releve mirror resume", "mirror-resume"))
	return c
}

func newMirrorVerify(s *settings) *cobra.Command {
	return &cobra.Command{
		Use: "verify", Args: s.noArgs,
		Example: "  releve mirror verify -c main.toml\n  releve mirror verify -c main.toml --output json",
		RunE: func(c *cobra.Command, _ []string) error {
			return s.follow(c, func(f *follower) error {
				server, err := s.server()
				if err != nil {
					return err
				}
				if err := server.VerifyMirror(c.Context(), f.show); err != nil {
					return err
				}
				if n := text.Findings(f.last); n > 0 {
					return s.complaint(codeDiffers, "differs", "command", "releve mirror rebuild -c "+s.file)
				}
				return nil
			})
		},
	}
}
