package cli

import (
	"slices"

	"github.com/spf13/cobra"

	"releve"
	"releve/screen/text"
	"releve/screen/view"
	"releve/screen/words"
)

// newNotify is about how alarms are sent to people who look at no screen (SPEC A3).
func newNotify(s *settings) *cobra.Command {
	c := &cobra.Command{
		Use: "notify", Args: s.noArgs,
		Example: "  releve notify show -c main.toml\n  releve notify test -c main.toml",
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newNotifyShow(s), newNotifyTest(s))
	return c
}

// serverOutlets are those of one server, for programs.
type serverOutlets struct {
	Seat    releve.Seat     `json:"seat"`
	Heard   bool            `json:"heard"` // false: what follows is old
	Outlets []releve.Outlet `json:"outlets"`
}

func newNotifyShow(s *settings) *cobra.Command {
	return &cobra.Command{
		Use: "show", Args: s.noArgs,
		Example: "  releve notify show -c main.toml\n  releve notify show -c main.toml --output json",
		RunE: func(c *cobra.Command, _ []string) error {
			site, err := s.site(c)
			var all []serverOutlets
			for _, server := range []view.Server{site.Main, site.Secondary} {
				all = append(all, serverOutlets{server.Seat, server.Heard, append([]releve.Outlet{}, server.Outlets...)})
			}
			width, _ := terminal(c)
			return shown(s, c, all, err, func([]serverOutlets) string { return text.Outlets(site, s.lang(), width) })
		},
	}
}

func newNotifyTest(s *settings) *cobra.Command {
	var outlet string
	var dryRun bool
	c := &cobra.Command{
		Use: "test", Args: s.noArgs,
		Example: "  releve notify test -c main.toml --dry-run\n  releve notify test -c main.toml\n  releve notify test -c secondary.toml --outlet mail",
		RunE: func(c *cobra.Command, _ []string) error {
			server, err := s.server()
			if err != nil {
				return err
			}
			answer, err := server.TestOutlets(c.Context(), outlet, dryRun)
			if err == nil && answer.Refused != nil {
				code := codeForbidden
				if answer.Unknown {
					code = codeUsage
				}
				err = &complaint{code, words.Say(s.lang(), *answer.Refused)}
			}
			err = shown(s, c, answer.Tests, err, func(all []view.OutletTest) string { return text.OutletTests(all, dryRun, s.lang()) })
			if err == nil && slices.ContainsFunc(answer.Tests, func(t view.OutletTest) bool { return t.Failed != nil }) {
				return s.complaint(codeDiffers, "outlet-differs", "file", s.file)
			}
			return err
		},
	}
	c.Flags().StringVar(&outlet, "outlet", "", "")
	c.Flags().BoolVar(&dryRun, "dry-run", false, "")
	return c
}
