package cli

import (
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"releve"
	"releve/config"
	"releve/config/site"
	"releve/doors/identity"
	"releve/screen/words"
)

// newCertificates is about how the machines of a site know each other.
func newCertificates(s *settings) *cobra.Command {
	c := &cobra.Command{
		Use: "certificates", Args: s.noArgs,
		Example: "  releve certificates show -c main.toml\n  releve certificates renew --dir site\n  releve certificates rekey --dir site",
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newCertificatesShow(s), newCertificatesRenew(s), newCertificatesRekey(s))
	return c
}

func newCertificatesShow(s *settings) *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use: "show", Args: s.noArgs,
		Example: "  releve certificates show -c main.toml\n  releve certificates show --dir site --output json",
		RunE: func(c *cobra.Command, _ []string) error {
			held, err := s.certificates(dir)
			if err != nil {
				return err
			}
			now := time.Now()
			return shown(s, c, dated(held, now), nil, func([]certificate) string { return s.certificatesText(held, now) })
		},
	}
	c.Flags().StringVar(&dir, "dir", "", "")
	return c
}

// certificates reads those that a configuration names, or those of a directory.
func (s *settings) certificates(dir string) ([]identity.Lasting, error) {
	if (s.file == "") == (dir == "") {
		return nil, s.complaint(codeUsage, "certificates-where")
	}
	if dir != "" {
		return s.look(site.Certificates(dir))
	}
	named, mistakes := certificatesOf(s.file)
	if named == nil {
		return nil, s.mistakes(mistakes)
	}
	files := make([]string, 0, len(named))
	for _, n := range named {
		files = append(files, n.file)
	}
	return s.look(files)
}

func (s *settings) look(files []string) (all []identity.Lasting, err error) {
	for _, file := range files {
		held, err := identity.Look(file)
		if err != nil {
			return nil, s.certificateTrouble(err)
		}
		all = append(all, held...)
	}
	return all, nil
}

// namedFile is a file of a certificate, and the key of the configuration that names it.
type namedFile struct{ key, file string }

// certificatesOf are the certificates that a file names, a server's or a witness's.
// Mistakes in it do not hide them: that one expired is itself a mistake. There are
// none when the file cannot be read, or does not name them all.
func certificatesOf(file string) ([]namedFile, []config.Mistake) {
	if config.IsWitness(file) {
		conf, mistakes := config.LoadWitness(file)
		w := conf.Witness
		return whole([]namedFile{{"witness.ca", w.CA}, {"witness.certificate", w.Certificate}}), mistakes
	}
	conf, mistakes := config.Load(file)
	p := conf.Peer
	return whole([]namedFile{{"peer.ca", p.CA}, {"peer.certificate", p.Certificate}, {"peer.other_certificate", p.OtherCertificate}}), mistakes
}

func whole(files []namedFile) []namedFile {
	for _, f := range files {
		if f.file == "" {
			return nil
		}
	}
	return files
}

// endings warns of certificates of a configuration that will expire before long, have
// expired, or are not valid yet by this machine's clock: the servers do not hear each
// other then, and answer calls all the same (SPEC K6). What cannot be read is a mistake
// of the file.
func endings(file string, now time.Time) (warnings []config.Mistake) {
	named, _ := certificatesOf(file)
	for _, n := range named {
		held, err := identity.Look(n.file)
		if err != nil {
			continue
		}
		for _, one := range held {
			if why := one.Ending(now); why != nil {
				warnings = append(warnings, config.Mistake{File: file, Key: n.key, Why: why.Why})
			}
		}
	}
	return warnings
}

// certificate is one of them, for programs.
type certificate struct {
	Name  string    `json:"name"` // main, secondary, witness or authority
	Site  string    `json:"site"`
	File  string    `json:"file"`
	From  time.Time `json:"from"`
	Until time.Time `json:"until"`
	State string    `json:"state"` // valid, or a code of certificate.*
}

func dated(held []identity.Lasting, now time.Time) []certificate {
	all := make([]certificate, 0, len(held))
	for _, h := range held {
		state := "valid"
		if why := h.Ending(now); why != nil {
			state = why.Why.Code
		}
		all = append(all, certificate{h.Name, h.Site, h.File, h.From, h.Until, state})
	}
	return all
}

// certificatesText is a line for each, and what is to be done if anything is.
func (s *settings) certificatesText(held []identity.Lasting, now time.Time) string {
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 3, ' ', 0)
	todo := ""
	for _, h := range held {
		fmt.Fprintf(table, "%s\t%s\t%s\n", s.holder(h.Name), s.lasts(h, now), h.File)
		if why := h.Ending(now); why != nil && todo == "" {
			_, todo = words.Told(s.lang(), why.Why)
		}
	}
	_ = table.Flush() // into memory
	if todo != "" {
		fmt.Fprintf(&text, "\n%s\n", s.say("certificates-todo", "todo", todo))
	}
	return text.String()
}

func (s *settings) holder(name string) string {
	switch name {
	case identity.AuthorityName:
		return s.say("certificate-authority")
	case string(identity.Witness):
		return s.say("certificate-witness")
	}
	return s.say("certificate-server", "seat", words.Seat(s.lang(), releve.Seat(name)))
}

// lasts is how long a certificate is believed.
func (s *settings) lasts(h identity.Lasting, now time.Time) string {
	sentence, left := "certificate-until", h.Until.Sub(now)
	switch {
	case now.Before(h.From):
		return s.say("certificate-from", "date", h.From.Local().Format(time.DateTime))
	case left < 0:
		sentence, left = "certificate-expired", -left
	}
	return s.say(sentence, "date", h.Until.Local().Format(time.DateTime), "left", words.Duration(s.lang(), left))
}

func newCertificatesRenew(s *settings) *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use: "renew", Args: s.noArgs,
		Example: "  releve certificates renew --dir site",
		RunE: func(c *cobra.Command, _ []string) error {
			made, err := site.Renew(dir)
			if err != nil {
				return s.renewTrouble(err)
			}
			return s.showRenewed(c, made)
		},
	}
	c.Flags().StringVar(&dir, "dir", "site", "")
	return c
}

// renewTrouble says why nothing was issued, or not all of it put in place.
func (s *settings) renewTrouble(err error) error {
	if errors.Is(err, identity.ErrNotAccepted) {
		return s.certificateTrouble(err)
	}
	if elsewhere, ok := errors.AsType[*site.KeyElsewhereError](err); ok {
		return s.complaint(codeMissing, "rekey-key-elsewhere", "file", elsewhere.File)
	}
	if errors.Is(err, site.ErrRekeying) {
		return s.complaint(codeForbidden, "renew-rekeying")
	}
	return s.complaint(codeMissing, "renew-unwritten", "detail", s.detail(err))
}

// renewed is what was issued, for programs.
type renewed struct {
	SiteID  string              `json:"site_id"`
	Until   time.Time           `json:"until"`
	Files   []string            `json:"files"`
	Machine map[string][]string `json:"machines"` // what each needs of it, below tls/
}

// showRenewed says what is on the disk now, and where it must go.
func (s *settings) showRenewed(c *cobra.Command, r site.Renewed) error {
	if s.output == "json" {
		machines := map[string][]string{string(releve.Main): r.Servers, string(releve.Secondary): r.Servers}
		if r.Witness != nil {
			machines[string(identity.Witness)] = r.Witness
		}
		return printJSON(c, renewed{r.SiteID, r.Until, r.Files, machines})
	}
	text := strings.Join(r.Files, "\n") + "\n" +
		s.say("renewed", "date", r.Until.Local().Format(time.DateOnly)) + "\n" +
		s.say("renewed-servers", "files", strings.Join(r.Servers, ", ")) + "\n"
	if r.Witness != nil {
		text += s.say("renewed-witness", "files", strings.Join(r.Witness, ", ")) + "\n"
	}
	_, err := fmt.Fprintln(c.OutOrStdout(), text+s.say("renewed-next"))
	return err
}
