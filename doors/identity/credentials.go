package identity

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// Files are the PEM files of one machine.
type Files struct {
	Authority   string // of those that it believes, the latest first
	Certificate string // its own, one for each purpose
	Key         string // their keys, in any order
	Other       string // a server's: those of the other one, the only ones that it believes of it; "": any that the authority made
}

func (f Files) all() []string {
	all := []string{f.Authority, f.Certificate, f.Key}
	if f.Other != "" {
		all = append(all, f.Other)
	}
	return all
}

// Credentials are what a machine shows and what it believes.
type Credentials struct {
	authorities Authorities // those that all that belongs to them is there of
	sets        []set       // one for each of them
	pins        bool        // the other's certificates are at hand, and no others are believed

	believed atomic.Pointer[belief] // the latest: it is the other server's, who asks several times a second
}

// belief is that a certificate is somebody's, and until when that needs no further proof: a
// signature that was right once stays so, and dates are compared again each time.
type belief struct {
	cert        *x509.Certificate
	want        Identity
	from, until time.Time
}

func (b *belief) holds(cert *x509.Certificate, want Identity, now time.Time) bool {
	return b != nil && b.want == want && b.cert.Equal(cert) && !now.Before(b.from) && !now.After(b.until)
}

// set is what a machine has of one generation.
type set struct {
	generation string
	own        map[Purpose]tls.Certificate
	other      map[Purpose]*x509.Certificate
}

// Load reads the files of a machine. What belongs to an authority is used once it is there
// whole, so that files may be copied while they are read. The error joins a [*releve.Fault] for
// each file, or says that there is no such authority.
func Load(f Files) (*Credentials, error) {
	authorities, errA := LoadAuthorities(f.Authority)
	pairs, errP := loadPairs(f.Certificate, f.Key)
	var others []*x509.Certificate
	var errO error
	if f.Other != "" {
		others, errO = loadCertificates(f.Other)
	}
	if err := errors.Join(errA, errP, errO); err != nil {
		return nil, err
	}
	c := &Credentials{pins: f.Other != ""}
	for _, authority := range authorities {
		s := set{Generation(authority), ownOf(authority, pairs), othersOf(authority, others)}
		if (whole(s.own, ofServer) || whole(s.own, ofWitness)) && (!c.pins || whole(s.other, ofServer)) {
			c.authorities, c.sets = append(c.authorities, authority), append(c.sets, s)
		}
	}
	if len(c.sets) == 0 {
		return nil, f.none(authorities, pairs)
	}
	return c, nil
}

// none says why there is no authority that could be used.
func (f Files) none(authorities Authorities, pairs []tls.Certificate) error {
	own := pairs[0].Leaf
	if _, err := authorities.chain(own, own.NotBefore); err != nil {
		if _, stale := outOfDate(err); !stale {
			return fault(ForeignAuthority, "subject", own.Subject.String(), "cause", err.Error())
		}
	}
	return fault(Incomplete, "file", strings.Join(f.all(), ", "))
}

func ownOf(authority *x509.Certificate, pairs []tls.Certificate) map[Purpose]tls.Certificate {
	own := map[Purpose]tls.Certificate{}
	for _, pair := range pairs {
		if madeWith(authority, pair.Leaf) {
			own[purposeOf(pair.Leaf)] = pair
		}
	}
	return own
}

func othersOf(authority *x509.Certificate, certs []*x509.Certificate) map[Purpose]*x509.Certificate {
	others := map[Purpose]*x509.Certificate{}
	for _, cert := range certs {
		if madeWith(authority, cert) {
			others[purposeOf(cert)] = cert
		}
	}
	return others
}

// madeWith says whether a certificate of a file was made by an authority, or beside what
// it made. Whose it is will be asked by who is shown it.
func madeWith(authority, cert *x509.Certificate) bool {
	return Generation(cert) == Generation(authority) &&
		(!purposeOf(cert).byAuthority() || cert.CheckSignatureFrom(authority) == nil)
}

// purposeOf is what a certificate says that it is for, whosever it is.
func purposeOf(cert *x509.Certificate) Purpose {
	_, rest, dotted := strings.Cut(cert.Subject.CommonName, ".")
	if !dotted {
		return Any
	}
	purpose, _, _ := strings.Cut(rest, ".")
	return Purpose(purpose)
}

// whole says whether nothing is missing of what has these purposes.
func whole[T any](of map[Purpose]T, purposes []Purpose) bool {
	_, everything := of[Any]
	return everything || !slices.ContainsFunc(purposes, func(p Purpose) bool { _, ok := of[p]; return !ok })
}

// OneForAll says that among what is believed there is still a certificate for everything.
func (c *Credentials) OneForAll() bool {
	return slices.ContainsFunc(c.sets, func(s set) bool { return s.generation == "" })
}

// Generations are those of the authorities that are believed, the latest first.
func (c *Credentials) Generations() (all []string) {
	for _, s := range c.sets {
		all = append(all, s.generation)
	}
	return all
}

// Are says whether what is shown is a machine's own, and what is believed of the other
// server that one's. The error is a [*releve.Fault].
func (c *Credentials) Are(who Identity) error {
	for _, s := range c.sets {
		for _, own := range s.own {
			if err := isOf(own.Leaf, who); err != nil {
				return err
			}
		}
		for _, other := range s.other {
			if err := isOf(other, Identity{Site: who.Site, Seat: who.Seat.Other()}); err != nil {
				return err
			}
		}
	}
	return nil
}

// of is the set of a generation, or the oldest: which whoever does not say what it believes
// has had longest.
func (c *Credentials) of(generation string) set {
	for _, s := range c.sets {
		if s.generation == generation {
			return s
		}
	}
	return c.sets[len(c.sets)-1]
}

// shown is what is shown in a purpose. The witness has one alone, and asks itself by it; a
// program that was given another's files shows one of those, and is told so.
func (s set) shown(p Purpose) tls.Certificate {
	for _, p := range []Purpose{p, Any, Register, Link} {
		if one, ok := s.own[p]; ok {
			return one
		}
	}
	return tls.Certificate{}
}

func (s set) pinned(p Purpose) *x509.Certificate {
	if one, ok := s.other[p]; ok {
		return one
	}
	return s.other[Any]
}

// Verify says whether a certificate is that of want, purpose included, and believed now;
// of the other server, whether it is the one that was given here: an authority's key that
// somebody else has as well is not enough (SPEC K8). The error is a [*releve.Fault].
func (c *Credentials) Verify(cert *x509.Certificate, want Identity) error {
	return c.verify(cert, want, time.Now())
}

func (c *Credentials) verify(cert *x509.Certificate, want Identity, now time.Time) error {
	if c.believed.Load().holds(cert, want, now) {
		return nil
	}
	root, err := c.authorities.verify(cert, want, now)
	if err != nil {
		return err
	}
	if c.pins && want.Seat.Valid() && !c.isPinned(cert, want.Purpose) {
		return fault(NotPinned, "subject", cert.Subject.CommonName)
	}
	c.believed.Store(&belief{cert, want, later(cert.NotBefore, root.NotBefore), sooner(cert.NotAfter, root.NotAfter)})
	return nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func sooner(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// isPinned compares keys: a certificate that was issued anew has the same.
func (c *Credentials) isPinned(cert *x509.Certificate, p Purpose) bool {
	return slices.ContainsFunc(c.sets, func(s set) bool {
		given := s.pinned(p)
		return given != nil && bytes.Equal(given.RawSubjectPublicKeyInfo, cert.RawSubjectPublicKeyInfo)
	})
}

// Signer is the key for what a server signs, of a generation that the other believes.
func (c *Credentials) Signer(generation string) (crypto.Signer, error) {
	signer, ok := c.of(generation).shown(Link).PrivateKey.(crypto.Signer)
	if !ok {
		return nil, errors.New("the key of this server's certificate cannot sign")
	}
	return signer, nil
}

// Signers are the other server's certificates whose signatures are believed now, the
// latest first. Without any, the error says why of the latest.
func (c *Credentials) Signers(want Identity) (all []*x509.Certificate, err error) {
	for _, s := range c.sets {
		cert := s.pinned(Link)
		if why := c.authorities.Verify(cert, want, time.Now()); why == nil {
			all = append(all, cert)
		} else if err == nil {
			err = why
		}
	}
	if len(all) > 0 {
		return all, nil
	}
	return nil, err
}

// CheckPair says whether the two files can be read and belong together. The error
// is a [*releve.Fault].
func CheckPair(certificate, key string) error {
	_, err := loadPairs(certificate, key)
	return err
}

// BelongsIn says whether a file holds a certificate of want's seat that one of the
// authorities made; what is beside it may be of an authority to come, or gone. The error
// is a [*releve.Fault].
func (a Authorities) BelongsIn(file string, want Identity) error {
	certs, err := loadCertificates(file)
	if err != nil {
		return err
	}
	err = fault(Incomplete, "file", file)
	for i, cert := range slices.DeleteFunc(certs, func(c *x509.Certificate) bool { return !purposeOf(c).byAuthority() }) {
		wrong := a.Belongs(cert, want)
		if wrong == nil {
			return nil
		}
		if i == 0 {
			err = wrong
		}
	}
	return err
}

// loadPairs are the certificates of a file whose keys are in the other: one at least.
func loadPairs(certificate, key string) (pairs []tls.Certificate, err error) {
	certs, err := loadCertificates(certificate)
	if err != nil {
		return nil, err
	}
	keyText, err := os.ReadFile(key)
	if err != nil {
		return nil, unreadable(key, err)
	}
	var why error
	for _, cert := range certs {
		for block, rest := pem.Decode(keyText); block != nil; block, rest = pem.Decode(rest) {
			pair, err := tls.X509KeyPair(certificatePEM(cert), pem.EncodeToMemory(block))
			if err == nil {
				pairs = append(pairs, pair)
				break
			}
			why = err
		}
	}
	if len(pairs) == 0 && why == nil {
		return nil, fault(NoKey, "file", key)
	}
	if len(pairs) == 0 {
		return nil, fault(NoPair, "file", certificate, "key", key, "cause", why.Error())
	}
	return pairs, nil
}
