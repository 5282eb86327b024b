package cli

import (
	"cmp"
	"errors"
	"os"
	"os/user"

	"github.com/spf13/cobra"

	"releve"
	"releve/screen/text"
	"releve/screen/view"
)

// newDrill has the site try its takeover, and shows what was tried (SPEC H13).
func newDrill(s *settings) *cobra.Command {
	var dryRun bool
	var by string
	c := &cobra.Command{
		Use: "drill", Args: s.noArgs,
		Example: "  releve drill -c main.toml --dry-run\n  releve drill -c main.toml --by \"A. Martin\"\n  releve drill show -c main.toml",
		RunE: func(c *cobra.Command, _ []string) error {
			server, err := s.server()
			if err != nil {
				return err
			}
			f := s.follower(c)
			err = server.Drill(c.Context(), cmp.Or(by, operator()), dryRun, f.show)
			return errors.Join(f.end(), s.drilled(f, err))
		},
	}
	c.Flags().BoolVar(&dryRun, "dry-run", false, "")
	c.Flags().StringVar(&by, "by", "", "")
	c.AddCommand(newDrillShow(s))
	return c
}

// drilled is how a drill ended. One that ran, and met what was not as expected, has done what it is
// for: the site is to be looked at, and the drill not simply run again.
func (s *settings) drilled(f *follower, err error) error {
	if err == nil || f.last.Failed == nil || errors.Is(err, releve.ErrForbidden) || errors.Is(err, releve.ErrBusy) {
		return f.ended(err)
	}
	return s.complaint(codeDiffers, "drill-differs", "file", s.file)
}

func newDrillShow(s *settings) *cobra.Command {
	return &cobra.Command{
		Use: "show", Args: s.noArgs,
		Example: "  releve drill show -c main.toml\n  releve drill show -c main.toml --output json",
		RunE: func(c *cobra.Command, _ []string) error {
			server, err := s.server()
			if err != nil {
				return err
			}
			site, err := server.Site(c.Context())
			if err != nil {
				return err
			}
			drills, err := server.Drills(c.Context())
			width, _ := terminal(c)
			return shown(s, c, drillReport{site.Readiness, drills}, err, func(r drillReport) string {
				return text.Drills(r.Readiness, r.Drills, s.lang(), width)
			})
		},
	}
}

// drillReport is whether a takeover would go well now, and how those went that were tried.
type drillReport struct {
	Readiness *view.Readiness `json:"readiness"` // null at a level where nobody takes over
	view.Drills
}

// operator is who is at the keyboard, as far as this machine knows.
func operator() string {
	if who, err := user.Current(); err == nil {
		return cmp.Or(os.Getenv("SUDO_USER"), who.Username)
	}
	return ""
}
