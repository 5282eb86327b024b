package cli

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/spf13/cobra"

	"releve/config"
	"releve/config/site"
)

func newInit(s *settings) *cobra.Command {
	o := site.Defaults()
	var pbx, mainHost, secondaryHost, evidence string
	c := &cobra.Command{
		Use: "init", Short: "Write the configurations and certificates of a new site, for both servers", Args: noArgs,
		Example: "  releve init --dir hospital --name \"Hôpital Saint-Luc\" --pbx 192.0.2.10:5060 --domain pbx.example \\\n" +
			"      --main-host 192.0.2.21 --secondary-host 192.0.2.22 --reception-number 9 \\\n" +
			"      --reception-password … --standby-password … --operator 1001",
		RunE: func(c *cobra.Command, _ []string) error {
			o.Language = s.lang()
			o.Evidence = config.Evidence(evidence)
			if err := addresses(&o, pbx, mainHost, secondaryHost); err != nil {
				return err
			}
			written, err := site.Init(o)
			var wrong *site.MistakesError
			if errors.As(err, &wrong) {
				fmt.Fprintln(c.ErrOrStderr(), wrong.Text(s.lang()))
				return errConfiguration
			}
			if err != nil {
				return err
			}
			if s.output == "json" {
				return printJSON(c, written)
			}
			for _, f := range written.Files {
				fmt.Fprintln(c.OutOrStdout(), f)
			}
			fmt.Fprintln(c.OutOrStdout(), s.say("cli-init-next", "main", written.Main, "secondary", written.Secondary))
			return nil
		},
	}
	f := c.Flags()
	f.StringVar(&o.Dir, "dir", "site", "directory to write to")
	f.StringVar(&o.Name, "name", "", "name of the establishment")
	f.StringVar(&pbx, "pbx", "", "host:port of the PBX")
	f.StringVar(&o.Domain, "domain", "", "domain of the SIP users; the PBX's address when not given")
	f.StringVar(&mainHost, "main-host", "", "address of the main server")
	f.StringVar(&secondaryHost, "secondary-host", "", "address of the secondary server")
	f.StringVar(&o.ReceptionNumber, "reception-number", "", "the published number, as the PBX dials it")
	f.StringVar(&o.ReceptionUser, "reception-user", o.ReceptionUser, "SIP user of the server on duty")
	f.StringVar(&o.ReceptionPassword, "reception-password", "", "its password")
	f.StringVar(&o.StandbyUser, "standby-user", o.StandbyUser, "SIP user that the PBX overflows to")
	f.StringVar(&o.StandbyPassword, "standby-password", "", "its password")
	f.TextVar(&o.Expires, "expires", o.Expires, "how long a binding lasts at the PBX")
	f.StringVar(&evidence, "overflow-evidence", string(o.Evidence), "diversion, history-info, to, request-uri or none")
	f.IntVar(&o.Channels, "channels", o.Channels, "calls at a time")
	f.IntVar(&o.ExtensionDigits, "extension-digits", o.ExtensionDigits, "digits of an extension")
	f.StringVar(&o.Operator, "operator", "", "extension of the operator")
	f.StringVar(&o.Binaries, "postgresql", "", "directory of PostgreSQL's programs; searched when not given")
	f.StringVar(&o.Account, "account", o.Account, "unix account of PostgreSQL when started as root")
	serverFlags(c, "main", &o.Main)
	serverFlags(c, "secondary", &o.Secondary)
	return c
}

func serverFlags(c *cobra.Command, seat string, s *site.Server) {
	f := c.Flags()
	f.StringVar(&s.Data, seat+"-data", s.Data, "data directory of the "+seat+" server")
	f.Uint16Var(&s.SIPPort, seat+"-sip-port", s.SIPPort, "SIP port of the "+seat+" server")
	f.Uint16Var(&s.PeerPort, seat+"-peer-port", s.PeerPort, "port of its link to the other server")
	f.Uint16Var(&s.DatabasePort, seat+"-database-port", s.DatabasePort, "port of its PostgreSQL, for the mirror")
	f.Uint16Var(&s.ConsolePort, seat+"-console-port", s.ConsolePort, "port of its page")
	f.IntVar(&s.RTPFirst, seat+"-rtp-first", s.RTPFirst, "first RTP port")
	f.IntVar(&s.RTPLast, seat+"-rtp-last", s.RTPLast, "last RTP port")
}

func addresses(o *site.Options, pbx, mainHost, secondaryHost string) error {
	var errPBX, errMain, errSecondary error
	o.PBX, errPBX = netip.ParseAddrPort(pbx)
	o.Main.Host, errMain = netip.ParseAddr(mainHost)
	o.Secondary.Host, errSecondary = netip.ParseAddr(secondaryHost)
	named := func(flag string, err error) error {
		if err == nil {
			return nil
		}
		return fmt.Errorf("%w: %s: %w", errUsage, flag, err)
	}
	return errors.Join(named("--pbx", errPBX), named("--main-host", errMain), named("--secondary-host", errSecondary))
}

// noArgs refuses words that mean nothing.
func noArgs(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%w: %q is not expected; `%s --help` shows how it is meant", errUsage, args[0], c.CommandPath())
	}
	return nil
}
