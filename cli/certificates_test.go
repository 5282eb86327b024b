package cli_test

import (
	"os"
	"path/filepath"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"releve"
	"releve/peer/identity"
)

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
		cert, err := identity.LoadCertificate(file)
		ts.Check(err)
		text, err := authority.Reissue(cert, releve.Seat(name), identity.Validity{From: time.Now().AddDate(-1, 0, 0), Until: until})
		ts.Check(err)
		ts.Check(os.WriteFile(file, text, 0o600))
	}
}
