package cli

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/mod/sumdb/note"

	"releve"
	"releve/rules/licence"
	"releve/screen/text"
	"releve/screen/view"
	"releve/server/licences"
)

// issuing is a licence as it is typed.
type issuing struct {
	key           string
	demonstration bool
	out           string
	level         string
	from, until   string
	licence.Licence
}

func newLicenceIssue(s *settings) *cobra.Command {
	var i issuing
	c := &cobra.Command{
		Use: "issue", Args: s.noArgs,
		Example: "  releve licence issue --key vendor.key --site 7YQ3LZ2M --to \"Hôpital Saint-Luc\" --level base --channels 30 --out base.licence\n" +
			"  releve licence issue --demonstration --site demo-7YQ3LZ2M --to Essai --level high-availability --channels 30",
		RunE: func(c *cobra.Command, _ []string) error {
			signer, err := s.signer(i)
			if err != nil {
				return err
			}
			if err := s.filledIn(&i); err != nil {
				return err
			}
			file, signed, err := signer.Sign(i.Licence)
			if err != nil {
				return s.unsigned(err)
			}
			return s.issued(c, i, file, signed)
		},
	}
	f := c.Flags()
	f.SortFlags = false // as a person would fill in a form
	f.StringVar(&i.key, "key", "", "")
	f.BoolVar(&i.demonstration, "demonstration", false, "")
	f.StringVar(&i.Site, "site", "", "")
	f.StringVar(&i.IssuedTo, "to", "", "")
	f.StringVar(&i.level, "level", "", "")
	f.IntVar(&i.Channels, "channels", 0, "")
	f.StringVar(&i.from, "from", "", "")
	f.StringVar(&i.until, "until", "", "")
	f.StringVar(&i.Serial, "serial", "", "")
	f.StringSliceVar(&i.Replaces, "replaces", nil, "")
	f.StringVar(&i.out, "out", "", "")
	return c
}

// signer is the issuer whose key was given: of a private file, or everybody's.
func (s *settings) signer(i issuing) (licence.Signer, error) {
	if (i.key == "") == !i.demonstration {
		return licence.Signer{}, s.complaint(codeUsage, "licence-which-key")
	}
	if i.demonstration {
		return licence.Demonstrator(), nil
	}
	info, err := os.Stat(i.key)
	if err != nil {
		return licence.Signer{}, s.complaint(codeMissing, "licence-unopened", "file", i.key, "detail", s.detail(err))
	}
	if info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
		return licence.Signer{}, s.complaint(codeForbidden, "licence-key-open", "file", i.key)
	}
	text, err := s.licenceFile(i.key)
	if err != nil {
		return licence.Signer{}, err
	}
	return licence.NewSigner(string(text))
}

// filledIn gives what was not typed the value that it mostly has.
func (s *settings) filledIn(i *issuing) (err error) {
	now := time.Now().UTC()
	i.Issued, i.Level = now.Truncate(time.Second), releve.Level(i.level)
	if i.Serial == "" {
		i.Serial = now.Format("20060102-") + strings.ToLower(rand.Text()[:6])
	}
	if i.from == "" {
		i.from = now.Format(time.DateOnly)
	}
	if i.until == "" && i.demonstration {
		i.until = now.Add(licence.DemonstrationLasts - 24*time.Hour).Format(time.DateOnly)
	}
	if i.From, err = s.date("--from", i.from); err != nil || i.until == "" {
		return err
	}
	last, err := s.date("--until", i.until)
	i.Until = last.AddDate(0, 0, 1)
	return err
}

func (s *settings) date(flag, typed string) (time.Time, error) {
	day, err := time.Parse(time.DateOnly, typed)
	if err != nil {
		return day, s.complaint(codeUsage, "licence-date", "flag", flag, "value", typed)
	}
	return day, nil
}

// flagsOf are the options by which the fields of a licence are given.
var flagsOf = map[string]string{"issued_to": "to", "serial": "serial", "site": "site", "level": "level", "channels": "channels", "from": "from", "until": "until", "replaces": "replaces"}

// unsigned names the option that says what no licence may say.
func (s *settings) unsigned(err error) error {
	fault, ok := errors.AsType[*releve.Fault](err)
	if !ok {
		return err
	}
	if flag := flagsOf[fault.Why.Args["field"]]; flag != "" {
		return s.complaint(codeUsage, "licence-option", "flag", "--"+flag)
	}
	return err
}

// issuedLicence is what was made, for programs.
type issuedLicence struct {
	Licence view.Licence `json:"licence"`
	Text    string       `json:"text"`           // the file
	File    string       `json:"file,omitempty"` // where it was written
}

// issued writes the licence: to a file that is not there yet, or to the output.
func (s *settings) issued(c *cobra.Command, i issuing, file []byte, signed licence.Licence) error {
	if i.out != "" {
		if err := s.writeNew(i.out, file, 0o644); err != nil {
			return err
		}
	}
	v := licences.Shown(licence.Add([]licence.Licence{signed}, signed.From).All[0])
	return shown(s, c, issuedLicence{v, string(file), i.out}, nil, func(issuedLicence) string {
		if i.out == "" {
			return string(file)
		}
		return text.LicenceTable([]view.Licence{v}, s.lang()) + "\n" + s.say("licence-issued", "file", i.out) + "\n"
	})
}

// writeNew writes a file whole, and over nothing, and says in the reader's language why it could not.
func (s *settings) writeNew(path string, content []byte, mode os.FileMode) error {
	switch err := writeNew(path, content, mode); {
	case errors.Is(err, os.ErrExist):
		return s.complaint(codeForbidden, "licence-there", "file", path)
	case err != nil:
		return s.complaint(codeMissing, "licence-unwritten", "file", path, "detail", s.detail(err))
	}
	return nil
}

func writeNew(path string, content []byte, mode os.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Sync(), f.Close())
}

// issuerKey is a new issuer, for programs: nothing of it is secret.
type issuerKey struct {
	Public string `json:"public"`
	File   string `json:"file"` // of the private key
}

func newLicenceKey(s *settings) *cobra.Command {
	var name, out string
	c := &cobra.Command{
		Use: "key", Args: s.noArgs,
		Example: "  releve licence key --name vendor.example --out vendor.key",
		RunE: func(c *cobra.Command, _ []string) error {
			if out == "" {
				return s.complaint(codeUsage, "licence-option", "flag", "--out")
			}
			private, public, err := note.GenerateKey(rand.Reader, name)
			if err != nil {
				return fmt.Errorf("a key cannot be drawn: %w", err)
			}
			if _, err := licence.NewSigner(private); err != nil { // for its name
				return s.complaint(codeUsage, "licence-option", "flag", "--name")
			}
			if err := s.writeNew(out, []byte(private+"\n"), 0o600); err != nil {
				return err
			}
			return shown(s, c, issuerKey{public, out}, nil, func(k issuerKey) string {
				return k.Public + "\n\n" + s.say("licence-key", "file", out) + "\n"
			})
		},
	}
	c.Flags().StringVar(&name, "name", "", "")
	c.Flags().StringVar(&out, "out", "", "")
	return c
}
