package site

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"releve"
	"releve/doors/identity"
)

// ErrRekeying: the keys of the site are being changed, and nothing else is issued meanwhile.
var ErrRekeying = errors.New("the keys of this site are being changed")

// KeyElsewhereError is a key that is on its own machine only.
type KeyElsewhereError struct{ File string }

func (e *KeyElsewhereError) Error() string { return e.File + " is on its own machine only" }

// Rekeyed is what Rekey made, or had made before. The names are below the directory tls/.
type Rekeyed struct {
	SiteID   string
	Until    time.Time
	Begun    bool                // by this call; else it was under way
	Files    []string            // what was replaced
	Machines map[string][]string // what each needs of it, by main, secondary and witness
}

// Rekey begins to change the keys of a site, in the directory that Init wrote: it draws
// another authority and other keys for each machine, and puts them into the same files,
// before those that are in use. With these files a machine believes both authorities, and
// shows the latest certificates to whoever believes them. It ends with [Forget] on each
// machine, and here. A site whose keys are being changed already is left as it is.
//
// All files are replaced or none, and ca.pem last: what came of an attempt that was cut off
// is drawn anew. A file that cannot be used is a [*releve.Fault], a key that is not here a
// [*KeyElsewhereError]: a machine needs its former keys beside the new ones.
func Rekey(dir string) (Rekeyed, error) {
	tls := filepath.Join(dir, "tls")
	seats := seatsIn(tls)
	old, err := identity.LoadAuthority(filepath.Join(tls, "ca.pem"), filepath.Join(tls, "ca.key"))
	if err != nil {
		return Rekeyed{}, err
	}
	made := Rekeyed{SiteID: old.Site(), Until: old.Until(), Machines: needs(seats)}
	switch err := notRekeying(tls); {
	case errors.Is(err, ErrRekeying):
		return made, nil
	case err != nil:
		return Rekeyed{}, err
	}
	valid := validity(time.Now())
	files, err := successors(old, tls, seats, valid)
	if err != nil {
		return Rekeyed{}, err
	}
	made.Begun, made.Until = true, valid.Until
	for _, f := range files {
		made.Files = append(made.Files, filepath.Join(tls, f.name))
	}
	return made, replaceAll(tls, files)
}

// notRekeying is ErrRekeying while a directory holds two authorities.
func notRekeying(tls string) error {
	generations, err := identity.Generations(filepath.Join(tls, "ca.pem"))
	if err == nil && len(generations) > 1 {
		return ErrRekeying
	}
	return err
}

// needs are the files of each machine, its own key and nobody else's.
func needs(seats []releve.Seat) map[string][]string {
	all := map[string][]string{}
	for _, seat := range seats {
		files := []string{"ca.pem", string(seat) + ".pem", string(seat) + ".key"}
		if seat.Valid() {
			files = append(files, string(seat.Other())+".pem")
		}
		all[string(seat)] = files
	}
	return all
}

// successors are the files of a site with other keys before those that it has.
func successors(old *identity.Authority, tls string, seats []releve.Seat, valid identity.Validity) (files []file, err error) {
	next, err := old.Successor(valid)
	if err != nil {
		return nil, err
	}
	var certificates []file
	for _, seat := range seats {
		certificate, key, err := next.Issue(identity.Identity{Site: old.Site(), Seat: seat}, valid)
		if err != nil {
			return nil, err
		}
		name := filepath.Join(tls, string(seat))
		if !isThere(name + ".key") {
			return nil, &KeyElsewhereError{name + ".key"}
		}
		oldCertificate, oldKey, err := identity.Kept(filepath.Join(tls, "ca.pem"), name+".pem", name+".key")
		if err != nil {
			return nil, err
		}
		files = append(files, file{string(seat) + ".key", slices.Concat(key, oldKey)})
		certificates = append(certificates, file{string(seat) + ".pem", slices.Concat(certificate, oldCertificate)})
	}
	key, errKey := next.Key()
	oldKey, errOld := old.Key()
	files = append(files, certificates...)
	files = append(files,
		file{"ca.key", slices.Concat(key, oldKey)},
		file{"ca.pem", slices.Concat(next.Certificate(), old.Certificate())})
	return files, errors.Join(errKey, errOld)
}

// pair is a file of certificates and that of their keys, "" where it is elsewhere.
type pair struct{ certificates, keys string }

// Forget ends the change of keys for a machine, of which it is known that nobody shows or
// believes the former ones any more: they are taken out of its files. It gives the files
// that it changed; none, when nothing was left to do. ca.pem comes first, so that what is
// cut off is gone on with.
func Forget(f identity.Files) (changed []string, err error) {
	pairs := []pair{{f.Authority, ""}, {f.Certificate, f.Key}}
	if f.Other != "" {
		pairs = append(pairs, pair{f.Other, ""})
	}
	return forget(f.Authority, pairs)
}

// ForgetIn is Forget for the directory that Init wrote, the authority's key included.
func ForgetIn(dir string) (changed []string, err error) {
	authority := filepath.Join(dir, "tls", "ca.pem")
	pairs := []pair{{authority, filepath.Join(dir, "tls", "ca.key")}}
	for _, certificate := range Certificates(dir)[1:] {
		key := strings.TrimSuffix(certificate, ".pem") + ".key"
		if !isThere(key) { // on its machine only
			key = ""
		}
		pairs = append(pairs, pair{certificate, key})
	}
	return forget(authority, pairs)
}

// forget reads all before it replaces the first.
func forget(authority string, pairs []pair) (changed []string, err error) {
	var files []file
	for _, p := range pairs {
		certificates, keys, err := identity.Kept(authority, p.certificates, p.keys)
		if err != nil {
			return nil, err
		}
		files = append(files, file{p.certificates, certificates})
		if p.keys != "" {
			files = append(files, file{p.keys, keys})
		}
	}
	return replaceChanged(files)
}

// replaceChanged replaces the files, given by their paths, whose text is another.
func replaceChanged(files []file) (changed []string, err error) {
	for _, f := range files {
		text, err := os.ReadFile(f.name)
		if err != nil {
			return changed, err
		}
		if bytes.Equal(text, f.text) {
			continue
		}
		if err := replaceAll(filepath.Dir(f.name), []file{{filepath.Base(f.name), f.text}}); err != nil {
			return changed, err
		}
		changed = append(changed, f.name)
	}
	return changed, nil
}
