package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"releve"
	"releve/adapters/journal"
	"releve/adapters/witness"
	"releve/config"
	"releve/config/site"
	"releve/doors/account"
	"releve/doors/identity"
	"releve/rules/takeover"
	"releve/screen/words"
)

// newWitness is the third machine of a site (RULES R5).
func newWitness(s *settings) *cobra.Command {
	c := &cobra.Command{
		Use: "witness", Args: s.noArgs,
		Example: "  releve witness -c witness.toml\n  releve witness show -c main.toml\n  releve witness init --dir site --listen 192.0.2.30:7444",
		RunE:    func(c *cobra.Command, _ []string) error { return s.runWitness(c) },
	}
	c.AddCommand(newWitnessShow(s), newWitnessInit(s))
	return c
}

func (s *settings) runWitness(c *cobra.Command) error {
	if err := s.textOnly(c); err != nil {
		return err
	}
	conf, borne, err := loadBearing(s, config.LoadWitness)
	if err != nil {
		return err
	}
	log := newLog(c.ErrOrStderr(), slog.LevelInfo)
	s.warn(log, borne)
	rights := witnessRights(conf, log)
	unlock, err := witness.Lock(conf.Witness.Data)
	if err != nil {
		return s.witnessTrouble(conf, err)
	}
	defer unlock()
	listen, err := netip.ParseAddrPort(conf.Witness.Listen)
	if err != nil {
		return err
	}
	var server *witness.Server
	err = rights.ForPort(listen.Port(), func() (err error) {
		server, err = newWitnessServer(conf, listen, log)
		return err
	})
	if err == nil {
		err = rights.Drop()
	}
	if err == nil {
		err = server.Run(c.Context())
	}
	return s.witnessTrouble(conf, err)
}

// witnessRights makes a witness that root has started act as its account. Where that
// cannot be it stays root: a register that does not answer holds up both servers.
func witnessRights(conf config.WitnessFile, log *slog.Logger) *account.Rights {
	if os.Geteuid() != 0 {
		return nil
	}
	w := conf.Witness
	who, rights, err := account.Program{
		Dir: w.Data, Accounts: []string{w.Account, "postgres"}, Keep: account.Keep{Entries: []string{"lock", "journal", "journal.*"}},
		Files: account.Files{Secret: []string{w.Key}, Public: []string{w.CA, w.Certificate}},
	}.StepDown()
	if err != nil {
		log.Warn("this witness stays root", "err", words.Say(conf.Site.Language, account.StaysRoot(err)))
		return nil
	}
	log.Info("root is given up", "account", who.Name)
	return rights
}

func newWitnessServer(conf config.WitnessFile, listen netip.AddrPort, log *slog.Logger) (*witness.Server, error) {
	record, err := journal.Open(conf.Witness.Data, conf.Site.ID, identity.Witness)
	if err != nil {
		return nil, err
	}
	return witness.NewServer(witness.ServerOptions{
		Listen: listen, Site: conf.Site.ID, Record: record, Log: log,
		CA: conf.Witness.CA, Cert: conf.Witness.Certificate, Key: conf.Witness.Key,
	})
}

// loadWitness reads the configuration of a witness; its mistakes are one error, but for those
// with which it runs.
func (s *settings) loadWitness() (config.WitnessFile, error) {
	conf, _, err := loadBearing(s, config.LoadWitness)
	return conf, err
}

// witnessTrouble says why a witness does not run, and what to do about it.
func (s *settings) witnessTrouble(conf config.WitnessFile, err error) error {
	dir := conf.Witness.Data
	switch sentence, _ := portTrouble(err); {
	case err == nil, sentence != "":
		return err
	case errors.Is(err, witness.ErrTaken):
		return s.complaint(codeForbidden, "witness-taken", "dir", dir)
	case errors.Is(err, journal.ErrOtherSite), errors.Is(err, journal.ErrOtherSeat):
		return s.complaint(codeForbidden, "register-foreign", "dir", dir, "file", s.file)
	case errors.Is(err, journal.ErrDamaged):
		return s.complaint(codeForbidden, "register-damaged", "dir", dir)
	case errors.Is(err, witness.ErrUnsure):
		return s.complaint(codeMissing, "register-unsure", "dir", dir, "detail", s.detail(err))
	}
	return s.complaint(codeMissing, "missing", "detail", s.detail(err))
}

func newWitnessInit(s *settings) *cobra.Command {
	w := site.Defaults().Witness
	var dir, listen string
	c := &cobra.Command{
		Use: "init", Args: s.noArgs,
		Example: "  releve witness init --dir site --listen 192.0.2.30:7444",
		RunE: func(c *cobra.Command, _ []string) error {
			at, err := s.addressPort("--listen", listen)
			if err != nil {
				return err
			}
			w.At = at
			written, err := site.AddWitness(dir, w)
			if err != nil {
				if errors.Is(err, site.ErrRekeying) {
					return s.complaint(codeForbidden, "renew-rekeying")
				}
				return s.initMistakes(s.certificateTrouble(err))
			}
			return s.showWitness(c, written, at)
		},
	}
	c.Flags().StringVar(&dir, "dir", "site", "")
	c.Flags().StringVar(&listen, "listen", "", "")
	c.Flags().StringVar(&w.Data, "data", w.Data, "")
	return c
}

// showWitness says what is on the disk now, and what comes next.
func (s *settings) showWitness(c *cobra.Command, w site.Written, at netip.AddrPort) error {
	if s.output == "json" {
		return printJSON(c, writtenFiles{SiteID: w.SiteID, Witness: w.Witness, Files: w.Files})
	}
	for _, f := range w.Files {
		fmt.Fprintln(c.OutOrStdout(), f)
	}
	_, err := fmt.Fprintln(c.OutOrStdout(), s.say("witness-next", "file", w.Witness, "address", at.String()))
	return err
}

func newWitnessShow(s *settings) *cobra.Command {
	return &cobra.Command{
		Use: "show", Args: s.noArgs,
		Example: "  releve witness show -c main.toml\n  releve witness show -c witness.toml --output json",
		RunE: func(c *cobra.Command, _ []string) error {
			o, status, err := s.askWitness(c.Context())
			if err != nil {
				return err
			}
			return shown(s, c, status, nil, func(st witness.Status) string { return s.witnessText(o, st) })
		},
	}
}

// witnessOptions is the way to the witness from the machine of this
// configuration: a server, or the witness itself.
func (s *settings) witnessOptions() (witness.Options, error) {
	if config.IsWitness(s.file) {
		conf, err := s.loadWitness()
		at, _ := netip.ParseAddrPort(conf.Witness.Listen) // checked by loadWitness
		return witness.Options{
			Address: at, Site: conf.Site.ID,
			CA: conf.Witness.CA, Cert: conf.Witness.Certificate, Key: conf.Witness.Key,
		}, err
	}
	conf, err := s.load()
	if err != nil {
		return witness.Options{}, err
	}
	o := serversWitness(conf)
	if !o.Address.IsValid() {
		return witness.Options{}, s.complaint(codeForbidden, "no-witness", "file", s.file)
	}
	return o, nil
}

// serversWitness is a server's way to its witness, without an address where it has none.
func serversWitness(conf config.Config) witness.Options {
	at, from := conf.Witness.At()
	return witness.Options{
		Address: at, From: from, Site: conf.Site.ID,
		CA: conf.Peer.CA, Cert: conf.Peer.Certificate, Key: conf.Peer.Key,
	}
}

// askWitness asks the witness of this configuration what it knows.
func (s *settings) askWitness(ctx context.Context) (o witness.Options, status witness.Status, err error) {
	if o, err = s.witnessOptions(); err != nil {
		return o, status, err
	}
	client, err := witness.NewClient(o)
	if err != nil {
		return o, status, s.unheard(o, err)
	}
	defer client.Close()
	if status, err = client.Status(ctx); err != nil {
		return o, status, s.unheard(o, err)
	}
	return o, status, nil
}

func (s *settings) unheard(o witness.Options, err error) error {
	switch {
	case errors.Is(err, witness.ErrForeign):
		return s.certificateTrouble(err)
	case errors.Is(err, witness.ErrNotHeard):
		return s.complaint(codeUnreachable, "witness-unheard", "address", o.Address.String(),
			"detail", releve.Quote(s.lang(), err.Error())) // its own sentence would say the same again
	}
	return err
}

// certificateTrouble says what is wrong with a certificate in the reader's language.
func (s *settings) certificateTrouble(err error) error {
	fault, ok := identity.FaultOf(err)
	if !ok {
		return err
	}
	return &complaint{codeForbidden, words.Say(s.lang(), fault.Why)}
}

// witnessText is the register in words.
func (s *settings) witnessText(o witness.Options, st witness.Status) string {
	r, number := st.Register, func(n uint64) string { return strconv.FormatUint(n, 10) }
	rows := [][2]string{{"witness-arbiter", s.say("witness-at", "address", o.Address.String(), "site", r.Site)}}
	if r.Incarnation > 0 {
		rows = append(rows, [][2]string{
			{"witness-register", s.say("witness-version", "incarnation", number(r.Incarnation), "version", number(r.Version),
				"since", st.At.Local().Format(time.DateTime), "seat", words.Seat(s.lang(), st.By))},
			{"witness-owner", s.say("witness-term", "seat", words.Seat(s.lang(), r.Owner), "term", number(uint64(r.Term)))},
			{"witness-vote", s.whereVote(r)},
		}...)
	}
	rows = append(rows, [2]string{"witness-heard", s.whoWasHeard(st)})
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 3, ' ', 0)
	for _, row := range rows {
		fmt.Fprintf(table, "%s\t%s\n", s.say(row[0]), row[1])
	}
	_ = table.Flush() // into memory
	return text.String() + "\n" + s.meaning(r) + "\n"
}

func (s *settings) whereVote(r takeover.Register) string {
	if r.Alone {
		return s.say("vote-owner", "seat", words.Seat(s.lang(), r.Owner))
	}
	return s.say("vote-here", "number", strconv.FormatUint(r.Number, 10), "data", string(r.Candidate.DataID),
		"timeline", strconv.FormatUint(uint64(r.Candidate.Timeline), 10), "position", r.Candidate.Position.String())
}

// whoWasHeard tells of both servers, by the witness's clock alone.
func (s *settings) whoWasHeard(st witness.Status) string {
	var all []string
	for _, seat := range []releve.Seat{releve.Main, releve.Secondary} {
		name, at := words.Seat(s.lang(), seat), st.Heard[seat]
		if at.IsZero() {
			all = append(all, s.say("heard-never", "seat", name, "age", words.Duration(s.lang(), st.Now.Sub(st.Started))))
			continue
		}
		all = append(all, s.say("heard", "seat", name, "age", words.Duration(s.lang(), st.Now.Sub(at))))
	}
	return strings.Join(all, s.say("heard-between"))
}

// meaning is the register in one sentence.
func (s *settings) meaning(r takeover.Register) string {
	sentence := "means-in-sync"
	switch {
	case r.Incarnation == 0:
		sentence = "means-nothing"
	case r.Alone:
		sentence = "means-alone"
	}
	return s.say(sentence, "owner", words.Seat(s.lang(), r.Owner), "other", words.Seat(s.lang(), r.Owner.Other()))
}
