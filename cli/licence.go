package cli

import (
	"errors"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"releve"
	"releve/rules/licence"
	"releve/screen/text"
	"releve/screen/view"
	"releve/screen/words"
	"releve/server/licences"
)

// newLicence is about what a site may run (SPEC L1): for whoever runs one, and for whoever issues
// licences.
func newLicence(s *settings) *cobra.Command {
	c := &cobra.Command{
		Use: "licence", Args: s.noArgs,
		Example: "  releve licence show -c main.toml\n  releve licence install saint-luc.licence -c main.toml\n  releve licence verify saint-luc.licence",
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newLicenceShow(s), newLicenceInstall(s), newLicenceVerify(s), newLicenceIssue(s), newLicenceKey(s))
	return c
}

func newLicenceShow(s *settings) *cobra.Command {
	return &cobra.Command{
		Use: "show", Args: s.noArgs,
		Example: "  releve licence show -c main.toml\n  releve licence show -c main.toml --output json",
		RunE: func(c *cobra.Command, _ []string) error {
			server, err := s.server()
			if err != nil {
				return err
			}
			all, err := server.Licences(c.Context())
			width, _ := terminal(c)
			return shown(s, c, all, err, func(l view.Licences) string { return text.Licences(l, s.lang(), width) })
		},
	}
}

func newLicenceInstall(s *settings) *cobra.Command {
	var how view.Installing
	c := &cobra.Command{
		Use: "install FILE", Args: s.oneArg,
		Example: "  releve licence install saint-luc.licence -c main.toml --dry-run\n  releve licence install saint-luc.licence -c main.toml",
		RunE: func(c *cobra.Command, args []string) error {
			if err := s.answersFor(c, how.WithoutStudy); err != nil {
				return err
			}
			file, err := s.licenceFile(args[0])
			if err != nil {
				return err
			}
			server, err := s.server()
			if err != nil {
				return err
			}
			answer, err := server.InstallLicence(c.Context(), file, how)
			if err == nil && answer.Refused != nil {
				err = &complaint{codeForbidden, words.Say(s.lang(), *answer.Refused)}
			}
			return shown(s, c, answer, err, func(a view.Installed) string { return s.installedText(c, a) })
		},
	}
	c.Flags().BoolVar(&how.DryRun, "dry-run", false, "")
	c.Flags().StringVar(&how.WithoutStudy, "without-study", "", "")
	return c
}

func (s *settings) installedText(c *cobra.Command, a view.Installed) string {
	sentence := "licence-installed"
	switch {
	case a.Already:
		sentence = "licence-already"
	case a.DryRun:
		sentence = "licence-would"
	}
	width, _ := terminal(c)
	return s.say(sentence, "serial", a.Licence.Serial) + "\n\n" + text.Licences(a.After, s.lang(), width)
}

// licenceFile reads a file, and no more of it than shows that it is no licence.
func (s *settings) licenceFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, s.complaint(codeMissing, "licence-unopened", "file", path, "detail", s.detail(err))
	}
	defer f.Close()
	file, err := io.ReadAll(io.LimitReader(f, licence.Largest+1))
	if err != nil {
		return nil, s.complaint(codeMissing, "licence-unopened", "file", path, "detail", s.detail(err))
	}
	return file, nil
}

// verified is what a licence is worth by itself, for programs.
type verified struct {
	Valid   bool             `json:"valid"`
	Licence *view.Licence    `json:"licence,omitempty"` // as far as it can be read
	Why     *releve.Sentence `json:"why,omitempty"`     // it is not valid
}

func newLicenceVerify(s *settings) *cobra.Command {
	var site string
	c := &cobra.Command{
		Use: "verify FILE", Args: s.oneArg,
		Example: "  releve licence verify saint-luc.licence\n  releve licence verify saint-luc.licence -c main.toml",
		RunE: func(c *cobra.Command, args []string) error {
			file, err := s.licenceFile(args[0])
			if err != nil {
				return err
			}
			if s.file != "" {
				conf, err := s.load()
				if err != nil {
					return err
				}
				site = conf.Site.ID
			}
			return s.showVerified(c, verify(file, site, time.Now()))
		},
	}
	c.Flags().StringVar(&site, "site", "", "")
	return c
}

// verify judges a licence alone: that it is signed, for a site if one is named, and holds now
// by this machine's clock.
func verify(file []byte, site string, now time.Time) verified {
	l, err := licence.Built().Read(file)
	if err != nil {
		return verified{Why: whyOf(err)}
	}
	held := licence.Add([]licence.Licence{l}, now).All[0]
	v := licences.Shown(held)
	if site != "" && l.For(site) != nil {
		return verified{Licence: &v, Why: whyOf(l.For(site))}
	}
	if held.State == licence.Expired {
		return verified{Licence: &v, Why: &v.Why}
	}
	return verified{Valid: true, Licence: &v}
}

func whyOf(err error) *releve.Sentence {
	fault, _ := errors.AsType[*releve.Fault](err) // all that a licence is refused for is one
	return &fault.Why
}

// showVerified ends with the code of what differs where a licence is not valid.
func (s *settings) showVerified(c *cobra.Command, v verified) error {
	err := shown(s, c, v, nil, func(v verified) string {
		if v.Licence == nil {
			return ""
		}
		table := text.LicenceTable([]view.Licence{*v.Licence}, s.lang())
		if v.Valid {
			table += "\n" + s.say("licence-valid", "site", v.Licence.Site) + "\n"
		}
		return table
	})
	if err != nil || v.Valid {
		return err
	}
	return &complaint{codeDiffers, s.say("licence-invalid", "why", words.Say(s.lang(), *v.Why))}
}
