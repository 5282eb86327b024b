package site

import (
	"path/filepath"
	"time"

	"releve"
	"releve/config"
	"releve/doors/identity"
)

// about is what a witness's file says of its site.
type about struct {
	ID, Name string
	Language releve.Language
}

// AddWitness writes the witness's configuration, certificate and key for a site
// that exists, into the directory that Init wrote and that still has the
// authority's key. The servers' files are left as they are. Nothing is written
// over: the error then wraps fs.ErrExist. A file of the authority that cannot be
// used is a [*releve.Fault], keys that are being changed ErrRekeying, a main.toml with mistakes a [*MistakesError].
func AddWitness(dir string, w Witness) (Written, error) {
	main, mistakes := config.Load(filepath.Join(dir, "main.toml"))
	if len(mistakes) > 0 {
		return Written{}, &MistakesError{mistakes}
	}
	if err := notRekeying(filepath.Join(dir, "tls")); err != nil {
		return Written{}, err
	}
	authority, err := identity.LoadAuthority(filepath.Join(dir, "tls/ca.pem"), filepath.Join(dir, "tls/ca.key"))
	if err != nil {
		return Written{}, err
	}
	valid := identity.Validity{From: time.Now().AddDate(0, 0, -1), Until: authority.Until()}
	files, err := w.files(about{main.Site.ID, main.Site.Name, main.Site.Language}, authority, valid)
	if err != nil {
		return Written{}, err
	}
	written := Written{SiteID: main.Site.ID, Witness: filepath.Join(dir, "witness.toml")}
	err = written.write(dir, files)
	return written, err
}

// files makes the configuration, the certificate and the key of the witness.
func (w Witness) files(site about, authority *identity.Authority, valid identity.Validity) ([]file, error) {
	id := identity.Identity{Site: site.ID, Seat: identity.Witness}
	certificate, key, err := authority.Issue(id, valid)
	if err != nil {
		return nil, err
	}
	toml, err := fillIn("witness", site.Language, struct {
		about
		Witness
	}{site, w})
	return []file{{"witness.toml", toml}, {"tls/witness.pem", certificate}, {"tls/witness.key", key}}, err
}
