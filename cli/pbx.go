package cli

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"releve"
	"releve/config"
	"releve/rules/pbx"
	"releve/screen/words"
)

func newPBX(s *settings) *cobra.Command {
	c := &cobra.Command{
		Use: "pbx", Args: s.noSuchCommand,
		Example: "  releve pbx list\n  releve pbx guide asterisk -c main.toml",
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newPBXList(s), newPBXGuide(s))
	return c
}

// listedPBX is one type, for programs.
type listedPBX struct {
	Type  pbx.Type `json:"type"`
	Name  string   `json:"name"`
	Tried bool     `json:"tried"` // on a real one
}

func newPBXList(s *settings) *cobra.Command {
	return &cobra.Command{
		Use: "list", Args: s.noArgs,
		Example: "  releve pbx list\n  releve pbx list --output json",
		RunE: func(c *cobra.Command, _ []string) error {
			var all []listedPBX
			for _, p := range pbx.All() {
				all = append(all, listedPBX{p.Type, p.Name, p.Tried != ""})
			}
			return shown(s, c, all, nil, s.pbxTable)
		},
	}
}

func (s *settings) pbxTable(all []listedPBX) string {
	var rows strings.Builder
	for _, p := range all {
		tried := "guide-list-untried"
		if p.Tried {
			tried = "guide-list-tried"
		}
		fmt.Fprintf(&rows, "%-12s%-40s%s\n", p.Type, p.Name, words.Text(s.lang(), tried))
	}
	return rows.String()
}

func newPBXGuide(s *settings) *cobra.Command {
	var save string
	c := &cobra.Command{
		Use: "guide [TYPE]", ValidArgs: pbx.Types(),
		Example: "  releve pbx guide asterisk\n  releve pbx guide -c main.toml\n  releve pbx guide asterisk -c main.toml --save pbx",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 && s.file != "" {
				return nil
			}
			return s.oneArg(c, args)
		},
		RunE: func(c *cobra.Command, args []string) error {
			site, conf, err := s.siteOf()
			if err != nil {
				return err
			}
			profile, err := pbx.Find(pbx.Type(append(args, conf.PBX.Type)[0]))
			if err != nil {
				return err
			}
			if save != "" {
				return s.saveGuide(c, profile, site, save)
			}
			return shown(s, c, s.guide(profile, site, conf.Site.Level), nil, s.guideText)
		},
	}
	c.Flags().StringVar(&save, "save", "", "")
	return c
}

// siteOf is what a page is filled with: the values of the file that was named, or an example's. A file at a level
// at which nothing overflows is read as for high availability, as far as it goes.
func (s *settings) siteOf() (pbx.Site, config.Config, error) {
	example := pbx.Example()
	if s.file == "" {
		return example, config.Config{PBX: config.PBX{Type: string(pbx.Generic)}}, nil
	}
	conf, err := s.load()
	if err != nil {
		return example, conf, err
	}
	level := conf.Site.Level
	if whole, mistakes := config.LoadAt(s.file, releve.HighAvailability); len(mistakes) == 0 {
		conf = whole
	}
	conf.Site.Level = level
	return siteFrom(conf, example), conf, nil
}

// siteFrom is a configuration as a PBX sees it, whichever seat it is of; what it does not say is the example's.
func siteFrom(conf config.Config, site pbx.Site) pbx.Site {
	if conf.PBX.Address == "" { // a secondary that has no telephone
		return site
	}
	site.PBX, site.Domain, site.Number = conf.PBX.Address, conf.PBX.Domain, conf.PBX.ReceptionNumber
	site.MainSIP, site.SecondarySIP = conf.SIP.Listen, cmp.Or(conf.SIP.Other, site.SecondarySIP)
	if conf.Site.Seat == releve.Secondary {
		site.MainSIP, site.SecondarySIP = site.SecondarySIP, site.MainSIP
	}
	site.Main, site.Secondary = config.Address(site.MainSIP).Addr().String(), config.Address(site.SecondarySIP).Addr().String()
	site.RTPFirst, site.RTPLast = conf.SIP.RTPFirst, conf.SIP.RTPLast
	site.Reception, site.ReceptionSecret = conf.PBX.ReceptionUser, conf.PBX.ReceptionPassword
	if conf.PBX.StandbyUser != "" {
		site.Standby, site.StandbySecret = conf.PBX.StandbyUser, conf.PBX.StandbyPassword
	}
	site.Refusal, site.Busy, site.Expires = conf.PBX.RefusalCode, conf.PBX.BusyCode, conf.PBX.Expires.Std()
	t := conf.Takeover
	site.Verdict = pbx.Verdict(t.Rounds, t.Limit.Std(), t.Pause.Std())
	site.Extensions = conf.Attendant.Extensions
	return site
}

// saveGuide writes the files of a profile: they hold passwords. Nothing is written over.
func (s *settings) saveGuide(c *cobra.Command, p pbx.Profile, site pbx.Site, dir string) error {
	if len(p.Files) == 0 {
		return &complaint{codeUsage, words.Text(s.lang(), "guide-saved-none", "name", p.Name)}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	names := []string{}
	for _, f := range p.Files {
		name := filepath.Join(dir, f.Name)
		if err := writeNew(name, []byte(f.Fill(site)), 0o600); err != nil {
			return err
		}
		names = append(names, name)
	}
	return shown(s, c, names, nil, func(names []string) string {
		return fmt.Sprintln(words.Text(s.lang(), "guide-saved", "files", strings.Join(names, ", ")))
	})
}
