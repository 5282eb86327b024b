package cli_test

import (
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"releve"
	"releve/config"
	"releve/peer/identity"
	"releve/peer/identity/identitytest"
)

// one-for-all DIR: the files of tls/ there are as they were before there was a certificate
// for each purpose.
func (s *scene) oneForAll(args []string) error {
	conf, mistakes := config.Load(filepath.Join(args[0], "main.toml"))
	if len(mistakes) > 0 {
		return errors.New(mistakes[0].Text(releve.English))
	}
	identitytest.OneForAll(s.t, filepath.Join(args[0], "tls"), conf.Site.ID, identitytest.Everybody...)
	return nil
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
