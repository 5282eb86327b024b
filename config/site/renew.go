package site

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/google/renameio/v2"

	"releve"
	"releve/doors/identity"
)

// Renewed is what Renew made. The names are below the directory tls/.
type Renewed struct {
	SiteID  string
	Until   time.Time
	Files   []string // what was replaced
	Servers []string // what both servers need of it
	Witness []string // what the witness needs; nil: the site has none
}

// Renew issues the certificates of a site anew, in the directory that Init wrote and
// that still has the authority's key: those of both servers, of the witness where
// there is one, and of the authority itself. Keys and site stay, so that only
// certificates travel, and old and new ones are believed together meanwhile.
// All files are replaced or none; configurations are left as they are. A file that
// cannot be used, or that is another site's, is a [*releve.Fault]; while keys are being
// changed the error is ErrRekeying.
func Renew(dir string) (Renewed, error) {
	return renew(filepath.Join(dir, "tls"), time.Now())
}

func renew(tls string, now time.Time) (Renewed, error) {
	if err := notRekeying(tls); err != nil {
		return Renewed{}, err
	}
	valid := validity(now)
	authority, err := renewAuthority(tls, now, valid.Until)
	if err != nil {
		return Renewed{}, err
	}
	files := []file{{"ca.pem", authority.Certificate()}}
	made := Renewed{SiteID: authority.Site(), Until: valid.Until, Servers: []string{"ca.pem", "main.pem", "secondary.pem"}}
	if hasWitness(tls) {
		made.Witness = []string{"ca.pem", "witness.pem"}
	}
	for _, seat := range seatsIn(tls) {
		certificate, err := reissue(authority, tls, seat, valid)
		if err != nil {
			return Renewed{}, err
		}
		files = append(files, file{string(seat) + ".pem", certificate})
	}
	for _, f := range files {
		made.Files = append(made.Files, filepath.Join(tls, f.name))
	}
	return made, replaceAll(tls, files)
}

func renewAuthority(tls string, now, until time.Time) (*identity.Authority, error) {
	old, err := identity.LoadAuthority(filepath.Join(tls, "ca.pem"), filepath.Join(tls, "ca.key"))
	if err != nil {
		return nil, err
	}
	return old.Renew(now, until)
}

func hasWitness(tls string) bool { return isThere(filepath.Join(tls, "witness.pem")) }

// seatsIn are those of a site who have certificates.
func seatsIn(tls string) []releve.Seat {
	seats := []releve.Seat{releve.Main, releve.Secondary}
	if hasWitness(tls) {
		seats = append(seats, identity.Witness)
	}
	return seats
}

func isThere(file string) bool {
	_, err := os.Stat(file)
	return !errors.Is(err, fs.ErrNotExist)
}

// reissue makes the certificates of a seat anew, for the keys that they are for. Those
// may be on their machine only; where they are here, they must be the ones.
func reissue(authority *identity.Authority, tls string, seat releve.Seat, valid identity.Validity) ([]byte, error) {
	name, key := filepath.Join(tls, string(seat)+".pem"), filepath.Join(tls, string(seat)+".key")
	if isThere(key) {
		if err := identity.CheckPair(name, key); err != nil {
			return nil, err
		}
	}
	return authority.Reissue(name, seat, valid)
}

// Certificates are the files of certificates of a site, in a directory that Init
// wrote or in that of one machine.
func Certificates(dir string) []string {
	tls := filepath.Join(dir, "tls")
	files := []string{filepath.Join(tls, "ca.pem")}
	for _, seat := range seatsIn(tls) {
		files = append(files, filepath.Join(tls, string(seat)+".pem"))
	}
	return files
}

// replaceAll puts new text into files that are there. It writes and syncs all of it
// before it touches the first, so that what a disk refuses changes nothing.
func replaceAll(dir string, files []file) error {
	var ready []*renameio.PendingFile
	defer func() {
		for _, p := range ready {
			_ = p.Cleanup() // nothing is left to clean after a replacement
		}
	}()
	for _, f := range files {
		p, err := prepare(filepath.Join(dir, f.name), f.text)
		if err != nil {
			return err
		}
		ready = append(ready, p)
	}
	for _, p := range ready {
		if err := p.CloseAtomicallyReplace(); err != nil {
			return err
		}
	}
	return syncDir(dir)
}

// prepare writes what will replace a file, for the same owner and with its mode.
func prepare(path string, text []byte) (*renameio.PendingFile, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	p, err := renameio.NewPendingFile(path, renameio.WithTempDir(filepath.Dir(path)), renameio.WithStaticPermissions(info.Mode().Perm()))
	if err != nil {
		return nil, err
	}
	_, err = p.Write(text)
	if owner, ok := info.Sys().(*syscall.Stat_t); ok {
		err = errors.Join(err, p.Chown(int(owner.Uid), int(owner.Gid)))
	}
	if err = errors.Join(err, p.Sync()); err != nil {
		return nil, errors.Join(err, p.Cleanup())
	}
	return p, nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
