// Package identity is who a certificate of a site belongs to, what it is good for, and
// whether it may be believed.
//
// Each site has a certificate authority of its own, made by `releve init`. A machine's
// file holds a certificate for each [Purpose]: the site is in its organisational unit,
// seat and purpose are in its common name, which is also the name that PostgreSQL maps
// to a role (manual §21.12). Addresses are not looked at: a server may be given another
// one without a new certificate. The witness (RULES R5) bears the name [Witness] where a
// server bears its seat.
//
// While the keys of a site are changed (`releve certificates rekey`), each file holds
// those of two generations, and each machine shows the latest that the other side of the
// connection says it believes.
package identity

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"os"
	"strings"
	"time"

	"releve"
)

// Witness is the name in the certificate of a site's witness. It is no seat: who
// bears it has no duty and no vote, and no server takes it for the other one.
const Witness releve.Seat = "witness"

// Identity is a seat of a site, or its witness, in one of its purposes.
type Identity struct {
	Site    string
	Seat    releve.Seat
	Purpose Purpose
}

// For is the same machine in another purpose.
func (i Identity) For(p Purpose) Identity {
	i.Purpose = p
	return i
}

func (i Identity) subject(generation string) pkix.Name {
	return pkix.Name{OrganizationalUnit: []string{i.Site}, CommonName: i.Name(), SerialNumber: generation}
}

// Of reads the identity that a certificate carries, without believing it.
func Of(cert *x509.Certificate) (Identity, error) {
	nameless := fault(Nameless, "subject", cert.Subject.String())
	units := cert.Subject.OrganizationalUnit
	if len(units) != 1 || units[0] == "" {
		return Identity{}, nameless
	}
	seat, purpose, ok := named(cert.Subject.CommonName, units[0])
	if !ok || !seat.Valid() && seat != Witness {
		return Identity{}, nameless
	}
	return Identity{Site: units[0], Seat: seat, Purpose: purpose}, nil
}

// seatIn is what a certificate says whose it is, for a sentence.
func seatIn(cert *x509.Certificate) string {
	seat, _, _ := strings.Cut(cert.Subject.CommonName, ".")
	return seat
}

// Authorities are those that a machine believes, the latest first.
type Authorities []*x509.Certificate

// Verify says whether cert was made for want, purpose included, by one of the
// authorities, and is valid at the moment now. The error is a [*releve.Fault].
func (a Authorities) Verify(cert *x509.Certificate, want Identity, now time.Time) error {
	_, err := a.verify(cert, want, now)
	return err
}

// verify gives the authority that made it as well.
func (a Authorities) verify(cert *x509.Certificate, want Identity, now time.Time) (root *x509.Certificate, err error) {
	// The dates come first: an expired certificate of the right site deserves a
	// better sentence than "unknown authority".
	if now.After(cert.NotAfter) {
		return nil, fault(Expired, "seat", seatIn(cert), "date", cert.NotAfter.Format(time.DateOnly))
	}
	if now.Before(cert.NotBefore) {
		return nil, fault(NotYetValid, "seat", seatIn(cert), "date", cert.NotBefore.Format(time.DateOnly))
	}
	root, err = a.chain(cert, now)
	if stale, ok := outOfDate(err); ok {
		return nil, authorityFault(stale, now)
	}
	if err != nil {
		return nil, fault(ForeignAuthority, "subject", cert.Subject.String(), "cause", err.Error())
	}
	if err := isOf(cert, want); err != nil {
		return nil, err
	}
	return root, isFor(cert, root, want.Purpose)
}

// Belongs says whether cert was made for want, in whichever purpose, by one of the
// authorities, whatever the clock says: with a wrong clock, or dates that have passed, a
// server still knows whose its files are, and answers calls (SPEC K6). The error is a
// [*releve.Fault].
func (a Authorities) Belongs(cert *x509.Certificate, want Identity) error {
	got, err := Of(cert)
	if err == nil && !got.Purpose.byAuthority() {
		return isOf(cert, want)
	}
	root, err := a.chain(cert, cert.NotBefore)
	// The dates of an authority are looked at once its signature was found to be right.
	if stale, ok := outOfDate(err); ok {
		root, err = stale, nil
	}
	if err != nil {
		return fault(ForeignAuthority, "subject", cert.Subject.String(), "cause", err.Error())
	}
	if err := isOf(cert, want); err != nil {
		return err
	}
	return isFor(cert, root, got.Purpose)
}

func (a Authorities) chain(cert *x509.Certificate, at time.Time) (root *x509.Certificate, err error) {
	chains, err := cert.Verify(x509.VerifyOptions{
		Roots: a.pool(), CurrentTime: at,
		// Which side of a connection it may take goes with its purpose.
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return nil, err
	}
	return chains[0][len(chains[0])-1], nil
}

func (a Authorities) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	for _, authority := range a {
		pool.AddCert(authority)
	}
	return pool
}

// outOfDate is the authority, right but for its dates, that a chain ended at.
func outOfDate(err error) (*x509.Certificate, bool) {
	invalid, ok := errors.AsType[x509.CertificateInvalidError](err)
	if !ok || invalid.Reason != x509.Expired {
		return nil, false
	}
	return invalid.Cert, true
}

func authorityFault(authority *x509.Certificate, now time.Time) *releve.Fault {
	held := Lasting{File: authority.Subject.String(), Name: AuthorityName, From: authority.NotBefore, Until: authority.NotAfter}
	return held.Ending(now)
}

func isOf(cert *x509.Certificate, want Identity) error {
	got, err := Of(cert)
	switch {
	case err != nil:
		return err
	case got.Site != want.Site:
		return fault(OtherSite, "site", got.Site, "expected", want.Site)
	case got.Seat != want.Seat:
		return fault(WrongSeat, "seat", string(got.Seat), "expected", string(want.Seat))
	}
	return nil
}

// isFor: what an authority from before there were purposes made without one is good for
// all of them, as it always was, until that authority is no longer believed.
func isFor(cert, root *x509.Certificate, want Purpose) error {
	got, err := Of(cert)
	switch {
	case err != nil:
		return err
	case got.Purpose == Any && Generation(root) == "":
		return nil
	case got.Purpose != want || want == Any:
		return fault(WrongPurpose, "subject", cert.Subject.CommonName, "expected", string(want))
	}
	return nil
}

// LoadAuthorities reads a PEM file of certificate authorities, whatever their dates:
// those are looked at when something is to be believed. The error is a [*releve.Fault].
func LoadAuthorities(file string) (Authorities, error) {
	certs, err := loadCertificates(file)
	return certs, err
}

// LoadCertificate reads the first certificate of a PEM file. The error is a [*releve.Fault].
func LoadCertificate(file string) (*x509.Certificate, error) {
	certs, err := loadCertificates(file)
	if err != nil {
		return nil, err
	}
	return certs[0], nil
}

// loadCertificates reads all certificates of a PEM file, of which there is one at least.
func loadCertificates(file string) (certs []*x509.Certificate, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, unreadable(file, err)
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			return nil, fault(OtherPEM, "file", file)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fault(NotPEM, "file", file, "cause", err.Error())
		}
		certs = append(certs, cert)
	}
	if len(certs) == 0 {
		return nil, fault(NoCertificate, "file", file)
	}
	return certs, nil
}
