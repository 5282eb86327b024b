package cli

import (
	"github.com/spf13/cobra"

	"releve"
	"releve/rules/study"
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
		c.AddCommand(newLevelUseOne(s, level))
	}
	return c
}

func newLevelUseOne(s *settings, level releve.Level) *cobra.Command {
	w := view.Wish{Name: "level-" + string(level)}
	path := "releve level use " + string(level)
	c := &cobra.Command{
		Use: string(level), Args: s.noArgs,
		Example: "  " + path + " -c main.toml --dry-run\n  " + path + " -c main.toml",
		RunE: func(c *cobra.Command, _ []string) error {
			if err := s.answersFor(c, w.WithoutStudy); err != nil {
				return err
			}
			return s.wish(c, w, "")
		},
	}
	c.Flags().BoolVar(&w.DryRun, "dry-run", false, "")
	if level != releve.Base { // which asks for nothing
		c.Flags().StringVar(&w.WithoutStudy, "without-study", "", "")
	}
	return c
}

// answersFor refuses what is no name of somebody who answers for going without a study.
func (s *settings) answersFor(c *cobra.Command, name string) error {
	if c.Flags().Changed("without-study") && !study.IsName(name) {
		return s.complaint(codeUsage, "no-name", "flag", "--without-study")
	}
	return nil
}
