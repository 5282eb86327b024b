package cli

import (
	"slices"

	"github.com/spf13/cobra"

	"releve"
	"releve/screen/text"
	"releve/screen/view"
)

// serverLines are the analogue lines of one server, for programs.
type serverLines struct {
	Seat  releve.Seat   `json:"seat"`
	Heard bool          `json:"heard"` // false: what follows is old
	Lines []releve.Line `json:"lines"`
}

// newLines shows the analogue lines of a site (SPEC T2).
func newLines(s *settings) *cobra.Command {
	return &cobra.Command{
		Use: "lines", Args: s.noArgs,
		Example: "  releve lines -c main.toml\n  releve lines -c main.toml --output json",
		RunE: func(c *cobra.Command, _ []string) error {
			site, err := s.site(c)
			var all []serverLines
			wrong := false
			for _, server := range []view.Server{site.Main, site.Secondary} {
				all = append(all, serverLines{server.Seat, server.Heard, append([]releve.Line{}, server.Lines...)})
				wrong = wrong || slices.ContainsFunc(server.Lines, func(l releve.Line) bool { return server.Heard && l.Verdict.Wrong() })
			}
			err = shown(s, c, all, err, func([]serverLines) string { return text.Lines(site, s.lang()) })
			if err == nil && wrong {
				return s.complaint(codeDiffers, "lines-differ")
			}
			return err
		},
	}
}
