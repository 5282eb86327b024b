package cli_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"releve"
	"releve/config"
	"releve/doors/identity"
	"releve/doors/identity/identitytest"
)

// one-for-all DIR: the files of tls/ there are as they were before there was a certificate
// for each purpose.
func (s *scene) oneForAll(args []string) error {
	conf, mistakes := config.Load(filepath.Join(args[0], "main.toml"))
	if len(mistakes) > 0 {
		return errors.New(mistakes[0].String())
	}
	identitytest.OneForAll(s.t, filepath.Join(args[0], "tls"), conf.Site.ID, identitytest.Everybody...)
	return nil
}

// rekeyLimit is what a machine may take until its new files count: it looks every two seconds,
// and PostgreSQL is given them when the other server was asked once more.
const rekeyLimit = 20 * time.Second

// rekeyed FILE [SAYS]: `releve certificates rekey -c FILE` ends well before long, or refuses with
// these words.
func (s *scene) rekeyed(args []string) error {
	return s.until(rekeyLimit, func() error {
		out, err := exec.Command("releve", "certificates", "rekey", "-c", args[0]).CombinedOutput()
		switch {
		case len(args) == 1 && err == nil:
			return nil
		case len(args) == 2 && err != nil && regexp.MustCompile(args[1]).Match(out):
			return nil
		}
		return fmt.Errorf("%w: %s", err, out)
	})
}

// goes-on SEAT EVENT: that server tells an event before long.
func (s *scene) goesOn(args []string) error {
	return s.until(rekeyLimit, func() error {
		out, err := exec.Command("releve", "explain", "-c", s.config(args[0]), "--limit", "10000", "--output", "json").CombinedOutput()
		if err == nil && !strings.Contains(string(out), "event-"+args[1]) {
			err = errors.New("it does not tell event-" + args[1])
		}
		return err
	})
}

// ends-in DURATION DIR NAME…: the certificates of these, main, secondary, witness or
// authority, in the site of that directory end so long from now, or before now.
func endsIn(ts *testscript.TestScript, _ bool, args []string) {
	left, err := time.ParseDuration(args[0])
	ts.Check(err)
	tls := filepath.Join(args[1], "tls")
	authority, err := identity.LoadAuthority(filepath.Join(tls, "ca.pem"), filepath.Join(tls, "ca.key"))
	ts.Check(err)
	until := time.Now().Add(left)
	for _, name := range args[2:] {
		if name == identity.AuthorityName {
			shorter, err := authority.Renew(time.Now(), until)
			ts.Check(err)
			ts.Check(os.WriteFile(filepath.Join(tls, "ca.pem"), shorter.Certificate(), 0o600))
			continue
		}
		file := filepath.Join(tls, name+".pem")
		text, err := authority.Reissue(file, releve.Seat(name), identity.Validity{From: time.Now().AddDate(-1, 0, 0), Until: until})
		ts.Check(err)
		ts.Check(os.WriteFile(file, text, 0o600))
	}
}
