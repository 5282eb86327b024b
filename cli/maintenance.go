package cli

import (
	"cmp"
	"time"

	"github.com/spf13/cobra"

	"releve/screen/text"
	"releve/screen/view"
	"releve/screen/words"
)

// newMaintenance says that somebody works at a server or at the site, so that alarms of there are sent to nobody (SPEC A2).
func newMaintenance(s *settings) *cobra.Command {
	c := &cobra.Command{
		Use: "maintenance", Args: s.noArgs,
		Example: "  releve maintenance start secondary --for 2h --reason \"more memory\" -c main.toml\n" +
			"  releve maintenance show -c main.toml\n  releve maintenance end secondary -c main.toml",
	}
	c.AddCommand(newMaintenanceStart(s), newMaintenanceEnd(s), newMaintenanceShow(s))
	return c
}

func newMaintenanceStart(s *settings) *cobra.Command {
	var w view.Work
	c := &cobra.Command{
		Use: "start PLACE", Args: s.oneArg, ValidArgs: []string{"main", "secondary", "site"},
		Example: "  releve maintenance start secondary --for 2h --reason \"more memory\" --by \"A. Martin\" -c main.toml",
		RunE:    func(c *cobra.Command, args []string) error { return s.work(c, args[0], w) },
	}
	c.Flags().StringVar(&w.By, "by", "", "")
	c.Flags().StringVar(&w.Reason, "reason", "", "")
	c.Flags().DurationVar(&w.For, "for", 0, "")
	return c
}

func newMaintenanceEnd(s *settings) *cobra.Command {
	w := view.Work{Ends: true}
	c := &cobra.Command{
		Use: "end PLACE", Args: s.oneArg, ValidArgs: []string{"main", "secondary", "site"},
		Example: "  releve maintenance end secondary --by \"A. Martin\" -c main.toml",
		RunE:    func(c *cobra.Command, args []string) error { return s.work(c, args[0], w) },
	}
	c.Flags().StringVar(&w.By, "by", "", "")
	return c
}

// work orders it, and shows what is under maintenance then.
func (s *settings) work(c *cobra.Command, place string, w view.Work) error {
	server, err := s.server()
	if err != nil {
		return err
	}
	w.Place, w.By = place, cmp.Or(w.By, operator())
	answer, err := server.Maintain(c.Context(), w)
	if err == nil && answer.Refused != nil {
		code := codeForbidden
		if answer.Unknown {
			code = codeUsage
		}
		err = &complaint{code, words.Say(s.lang(), *answer.Refused)}
	}
	width, _ := terminal(c)
	return shown(s, c, answer, err, func(a view.Worked) string { return text.Maintained(a.Maintenance, time.Now(), s.lang(), width) })
}

func newMaintenanceShow(s *settings) *cobra.Command {
	return &cobra.Command{
		Use: "show", Args: s.noArgs,
		Example: "  releve maintenance show -c main.toml\n  releve maintenance show -c main.toml --output json",
		RunE: func(c *cobra.Command, _ []string) error {
			site, err := s.site(c)
			all := view.Worked{Maintenance: append([]view.Maintenance{}, site.Maintenance...)}
			width, _ := terminal(c)
			return shown(s, c, all, err, func(a view.Worked) string { return text.Maintained(a.Maintenance, site.At, s.lang(), width) })
		},
	}
}
