package cli

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"releve"
	"releve/adapters/peer"
	"releve/adapters/postgres"
	"releve/adapters/witness"
	"releve/config"
	"releve/config/site"
	"releve/doors/identity"
	"releve/screen/words"
)

func newCertificatesRekey(s *settings) *cobra.Command {
	var dir string
	var finish bool
	c := &cobra.Command{
		Use: "rekey", Args: s.noArgs,
		Example: "  releve certificates rekey --dir site\n  releve certificates rekey -c main.toml\n  releve certificates rekey --dir site --finish",
		RunE: func(c *cobra.Command, _ []string) error {
			switch {
			case (s.file == "") == (dir == ""), finish && dir == "":
				return s.complaint(codeUsage, "rekey-where")
			case finish:
				return s.rekeyEnd(c, dir)
			case dir != "":
				return s.rekeyBegin(c, dir)
			case config.IsWitness(s.file):
				return s.rekeyWitness(c)
			}
			return s.rekeyServer(c)
		},
	}
	c.Flags().StringVar(&dir, "dir", "", "")
	c.Flags().BoolVar(&finish, "finish", false, "")
	return c
}

// rekeyed is where a change of keys stands, for programs.
type rekeyed struct {
	SiteID  string              `json:"site_id,omitempty"`
	State   string              `json:"state"` // begun, under-way, done
	Until   time.Time           `json:"until,omitzero"`
	Files   []string            `json:"files"`              // that were changed
	Machine map[string][]string `json:"machines,omitempty"` // what each needs of it, below tls/
}

// rekeyBegin draws the new keys, or says again what is to be copied where.
func (s *settings) rekeyBegin(c *cobra.Command, dir string) error {
	made, err := site.Rekey(dir)
	if err != nil {
		return s.renewTrouble(err)
	}
	state, sentence := "under-way", "rekey-under-way"
	if made.Begun {
		state, sentence = "begun", "rekey-begun"
	}
	said := rekeyed{made.SiteID, state, made.Until, append([]string{}, made.Files...), made.Machines}
	return shown(s, c, said, nil, func(rekeyed) string {
		text := lines(made.Files) + s.say(sentence, "date", made.Until.Local().Format(time.DateOnly)) + "\n"
		for _, machine := range slices.Sorted(maps.Keys(made.Machines)) {
			text += s.say("rekey-copy", "machine", s.holder(machine), "files", strings.Join(made.Machines[machine], ", ")) + "\n"
		}
		return text + s.say("rekey-next", "dir", dir) + "\n"
	})
}

func lines(files []string) string {
	if len(files) == 0 {
		return ""
	}
	return strings.Join(files, "\n") + "\n"
}

// rekeyServer takes the former keys out of a server's files, once nobody needs them any more.
func (s *settings) rekeyServer(c *cobra.Command) error {
	conf, err := s.load()
	if err != nil {
		return err
	}
	return s.rekeyMachine(c, conf.Peer.Files(), func(held *identity.Credentials) error {
		return s.newKeysInUse(c.Context(), conf, held.Latest())
	})
}

// rekeyMachine takes the former keys out of a machine's files, once they are in nobody's
// use. Nothing is taken away before something new is there.
func (s *settings) rekeyMachine(c *cobra.Command, files identity.Files, disused func(*identity.Credentials) error) error {
	held, err := identity.Load(files)
	if err != nil {
		return s.certificateTrouble(err)
	}
	switch {
	case len(held.Generations()) > 1:
		err = disused(held)
	case held.OneForAll():
		err = s.complaint(codeForbidden, "rekey-not-begun")
	}
	if err != nil {
		return err
	}
	changed, err := site.Forget(files)
	return s.rekeyDone(c, changed, err)
}

// newKeysInUse asks whoever this server talks to, by its new keys alone.
func (s *settings) newKeysInUse(ctx context.Context, conf config.Config, latest *identity.Credentials) error {
	own, at := netip.MustParseAddrPort(conf.Peer.Listen), netip.MustParseAddrPort(conf.Peer.Other)
	other := words.Seat(s.lang(), conf.Site.Seat.Other())
	if err := peer.Try(ctx, latest, conf.Site.ID, conf.Site.Seat, own.Addr(), at); err != nil {
		return s.notYet("rekey-other-not-yet", other, at, err)
	}
	at = netip.MustParseAddrPort(conf.Database.Other)
	if err := postgres.Knock(ctx, at, latest.PostgresTLS()); err != nil {
		return s.notYet("rekey-database-not-yet", other, at, err)
	}
	way := serversWitness(conf)
	if !way.Address.IsValid() || conf.Site.Arbiter != releve.Witness {
		return nil
	}
	client, err := witness.NewClient(way)
	if err != nil {
		return s.certificateTrouble(err)
	}
	defer client.Close()
	client.Use(latest)
	if _, err := client.Status(ctx); err != nil {
		return s.notYet("rekey-witness-not-yet", "", way.Address, err)
	}
	return nil
}

// notYet: nothing was changed, and the same command is run again later.
func (s *settings) notYet(sentence, other string, at netip.AddrPort, err error) error {
	detail := s.detail(err)
	if fault, ok := identity.FaultOf(err); ok { // its own text is for logs
		detail, _ = words.Told(s.lang(), fault.Why)
	}
	return s.complaint(codeUnreachable, sentence, "seat", other, "address", at.String(), "detail", detail)
}

// rekeyWitness does it on the witness, which asks nobody: it knows by which certificates
// the servers came last.
func (s *settings) rekeyWitness(c *cobra.Command) error {
	conf, err := s.loadWitness()
	if err != nil {
		return err
	}
	return s.rekeyMachine(c, conf.Files(), func(held *identity.Credentials) error {
		_, status, err := s.askWitness(c.Context())
		if err != nil {
			return err
		}
		if seat, ok := stillOld(status, held.Generations()[0]); ok {
			return s.complaint(codeForbidden, "rekey-server-not-yet", "seat", words.Seat(s.lang(), seat))
		}
		return nil
	})
}

// stillOld is a server that the witness has not heard by its new certificate; where it has
// heard none at all, nobody asks it.
func stillOld(status witness.Status, latest string) (releve.Seat, bool) {
	if len(status.Heard) == 0 {
		return "", false
	}
	for _, seat := range []releve.Seat{releve.Main, releve.Secondary} {
		if status.Generations[seat] != latest {
			return seat, true
		}
	}
	return "", false
}

// rekeyEnd takes the former keys out of the directory that `releve init` wrote.
func (s *settings) rekeyEnd(c *cobra.Command, dir string) error {
	changed, err := site.ForgetIn(dir)
	return s.rekeyDone(c, changed, err)
}

func (s *settings) rekeyDone(c *cobra.Command, changed []string, err error) error {
	if err != nil {
		return s.renewTrouble(err)
	}
	said := rekeyed{State: "done", Files: append([]string{}, changed...)}
	return shown(s, c, said, nil, func(rekeyed) string {
		if len(changed) == 0 {
			return s.say("rekey-nothing") + "\n"
		}
		return lines(changed) + s.say("rekey-forgotten") + "\n"
	})
}
