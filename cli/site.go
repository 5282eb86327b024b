package cli

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/spf13/cobra"

	"releve"
	"releve/config/site"
)

// places are the addresses of a new site as they were typed.
type places struct{ pbx, address, main, secondary, witness string }

func newInit(s *settings) *cobra.Command {
	o := site.Defaults()
	var p places
	var evidence, level, from string
	reception := password{flag: "--reception-password", into: &o.ReceptionPassword}
	standby := password{flag: "--standby-password", into: &o.StandbyPassword}
	c := &cobra.Command{
		Use: "init", Args: s.noArgs,
		Example: "  releve init --dir hospital --name \"Hôpital Saint-Luc\" --pbx 192.0.2.10:5060 --domain pbx.example \\\n" +
			"      --main-host 192.0.2.21 --secondary-host 192.0.2.22 --reception-number 9 \\\n" +
			"      --reception-password-file reception.txt --standby-password-file standby.txt --operator 1001",
		RunE: func(c *cobra.Command, _ []string) error {
			var err error
			if from != "" {
				if err := s.fit(c, from); err != nil {
					return err
				}
			}
			if o.Type, err = s.suit(c, &p); err != nil {
				return err
			}
			o.Language = s.lang()
			o.Evidence, o.Level = releve.Evidence(evidence), releve.Level(level)
			if err := s.place(&o, p); err != nil {
				return err
			}
			passwords := []password{reception, standby}
			if o.Level != releve.HighAvailability { // nobody is overflowed to
				passwords = passwords[:1]
			}
			if err := s.take(c, passwords...); err != nil {
				return err
			}
			written, err := site.Init(o)
			if err != nil {
				return s.initMistakes(err)
			}
			return s.showWritten(c, written)
		},
	}
	f := c.Flags()
	f.SortFlags = false // as a person would fill in a form
	f.StringVar(&o.Dir, "dir", "site", "")
	f.StringVar(&from, "from", "", "")
	f.StringVar(&o.Name, "name", "", "")
	f.StringVar(&level, "level", string(o.Level), "")
	f.BoolVar(&o.Demonstration, "demonstration", false, "")
	f.StringVar(&p.pbx, "pbx", "", "")
	f.StringVar(&p.address, "pbx-address", "", "")
	f.StringVar(&o.Domain, "domain", "", "")
	f.StringSliceVar(&o.Networks, "networks", nil, "")
	f.StringVar(&p.main, "main-host", "", "")
	f.StringVar(&p.secondary, "secondary-host", "", "")
	f.StringVar(&o.ReceptionNumber, "reception-number", "", "")
	f.StringVar(&o.ReceptionUser, "reception-user", o.ReceptionUser, "")
	f.StringVar(&o.ReceptionPassword, "reception-password", "", "")
	f.StringVar(&reception.file, "reception-password-file", "", "")
	f.StringVar(&o.StandbyUser, "standby-user", o.StandbyUser, "")
	f.StringVar(&o.StandbyPassword, "standby-password", "", "")
	f.StringVar(&standby.file, "standby-password-file", "", "")
	f.TextVar(&o.Expires, "expires", o.Expires, "")
	f.StringVar(&evidence, "overflow-evidence", string(o.Evidence), "")
	f.IntVar(&o.Channels, "channels", o.Channels, "")
	f.IntVar(&o.ExtensionDigits, "extension-digits", o.ExtensionDigits, "")
	f.StringVar(&o.Operator, "operator", "", "")
	f.StringSliceVar(&o.Extensions, "extensions", nil, "")
	f.StringVar(&o.Binaries, "postgresql", "", "")
	f.StringVar(&o.Account, "account", o.Account, "")
	f.StringVar(&p.witness, "witness", "", "")
	f.StringVar(&o.Witness.Data, "witness-data", o.Witness.Data, "")
	serverFlags(c, "main", &o.Main)
	serverFlags(c, "secondary", &o.Secondary)
	return c
}

func serverFlags(c *cobra.Command, seat string, s *site.Server) {
	f := c.Flags()
	f.StringVar(&s.Data, seat+"-data", s.Data, "")
	f.Uint16Var(&s.SIPPort, seat+"-sip-port", s.SIPPort, "")
	f.Uint16Var(&s.PeerPort, seat+"-peer-port", s.PeerPort, "")
	f.Uint16Var(&s.DatabasePort, seat+"-database-port", s.DatabasePort, "")
	f.Uint16Var(&s.ConsolePort, seat+"-console-port", s.ConsolePort, "")
	f.IntVar(&s.RTPFirst, seat+"-rtp-first", s.RTPFirst, "")
	f.IntVar(&s.RTPLast, seat+"-rtp-last", s.RTPLast, "")
}

// place reads the addresses, and says of all at once which are wrong.
func (s *settings) place(o *site.Options, p places) error {
	var errPBX, errMain, errSecondary error
	o.PBX, errPBX = pbxAddress(p.address)
	o.Main.Host, errMain = netip.ParseAddr(p.main)
	o.Secondary.Host, errSecondary = netip.ParseAddr(p.secondary)
	var text []string
	for _, typed := range []struct {
		flag, value, form string
		err               error
	}{
		{p.pbx, p.address, "form-address-port", errPBX},
		{"--main-host", p.main, "form-address", errMain},
		{"--secondary-host", p.secondary, "form-address", errSecondary},
	} {
		sentence := "address-bad"
		if typed.value == "" {
			sentence = "address-missing"
		}
		if typed.err != nil {
			text = append(text, s.say(sentence, "flag", typed.flag, "value", typed.value, "form", s.say(typed.form)))
		}
	}
	if text != nil {
		return &complaint{codeUsage, strings.Join(text, "\n")}
	}
	if p.witness == "" { // most sites have none
		return nil
	}
	at, err := s.addressPort("--witness", p.witness)
	o.Witness.At = at
	return err
}

func (s *settings) addressPort(flag, value string) (netip.AddrPort, error) {
	at, err := netip.ParseAddrPort(value)
	if err == nil {
		return at, nil
	}
	sentence := "address-bad"
	if value == "" {
		sentence = "address-missing"
	}
	return at, s.complaint(codeUsage, sentence, "flag", flag, "value", value, "form", s.say("form-address-port"))
}

// writtenFiles is what was written, for programs.
type writtenFiles struct {
	SiteID    string   `json:"site_id"`
	Main      string   `json:"main,omitempty"`
	Secondary string   `json:"secondary,omitempty"`
	Witness   string   `json:"witness,omitempty"`
	Derived   []string `json:"derived_extensions,omitempty"`
	Files     []string `json:"files"`
}

// showWritten says what is on the disk now, and what comes next.
func (s *settings) showWritten(c *cobra.Command, w site.Written) error {
	if s.output == "json" {
		return printJSON(c, writtenFiles{
			SiteID: w.SiteID, Main: w.Main, Secondary: w.Secondary, Witness: w.Witness, Derived: w.Derived, Files: w.Files,
		})
	}
	for _, f := range w.Files {
		fmt.Fprintln(c.OutOrStdout(), f)
	}
	next := s.say("init-next", "main", w.Main, "secondary", w.Secondary)
	if w.Derived != nil {
		next += "\n" + s.say("init-plan", "plan", strings.Join(w.Derived, ", "))
	}
	if w.Witness != "" {
		next += " " + s.say("init-witness", "witness", w.Witness)
	}
	_, err := fmt.Fprintln(c.OutOrStdout(), next)
	return err
}
