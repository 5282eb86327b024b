// Package identity is who a certificate of a site belongs to, and whether it may
// be believed.
//
// Each site has a certificate authority of its own, made by `releve init`. A
// server's certificate names the site in its organisational unit and the seat in
// its common name, which is also the name that PostgreSQL maps to a role
// (manual §21.12). Host names and addresses are not looked at: a server may be
// given another address without a new certificate. The witness (RULES R5) bears
// the name [Witness] where a server bears its seat.
package identity

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"os"
	"time"

	"releve"
)

// Witness is the name in the certificate of a site's witness. It is no seat: who
// bears it has no duty and no vote, and no server takes it for the other one.
const Witness releve.Seat = "witness"

// Identity is a seat of a site, or its witness.
type Identity struct {
	Site string
	Seat releve.Seat
}

// Subject is the identity as a certificate carries it.
func (i Identity) Subject() pkix.Name {
	return pkix.Name{OrganizationalUnit: []string{i.Site}, CommonName: string(i.Seat)}
}

// Of reads the identity that a certificate carries, without believing it.
func Of(cert *x509.Certificate) (Identity, error) {
	units, seat := cert.Subject.OrganizationalUnit, releve.Seat(cert.Subject.CommonName)
	if len(units) != 1 || units[0] == "" || !seat.Valid() && seat != Witness {
		return Identity{}, fault(Nameless, "subject", cert.Subject.String())
	}
	return Identity{Site: units[0], Seat: seat}, nil
}

// Verify says whether cert was made for want by one of the authorities, and is
// valid at the moment now. The error is a [*Fault].
func Verify(cert *x509.Certificate, authorities *x509.CertPool, want Identity, now time.Time) error {
	// The dates come first: an expired certificate of the right site deserves a
	// better sentence than "unknown authority".
	if now.After(cert.NotAfter) {
		return fault(Expired, "seat", cert.Subject.CommonName, "date", cert.NotAfter.Format(time.DateOnly))
	}
	if now.Before(cert.NotBefore) {
		return fault(NotYetValid, "seat", cert.Subject.CommonName, "date", cert.NotBefore.Format(time.DateOnly))
	}
	err := chain(cert, authorities, now)
	if stale, ok := outOfDate(err); ok {
		return authorityFault(stale, now)
	}
	if err != nil {
		return fault(ForeignAuthority, "subject", cert.Subject.String(), "cause", err.Error())
	}
	return isOf(cert, want)
}

// Belongs says whether cert was made for want by one of the authorities, whatever
// the clock says: with a wrong clock, or dates that have passed, a server still knows
// whose its files are, and answers calls (SPEC K6). The error is a [*Fault].
func Belongs(cert *x509.Certificate, authorities *x509.CertPool, want Identity) error {
	err := chain(cert, authorities, cert.NotBefore)
	// The dates of an authority are looked at once its signature was found to be right.
	if _, stale := outOfDate(err); err != nil && !stale {
		return fault(ForeignAuthority, "subject", cert.Subject.String(), "cause", err.Error())
	}
	return isOf(cert, want)
}

func chain(cert *x509.Certificate, authorities *x509.CertPool, at time.Time) error {
	_, err := cert.Verify(x509.VerifyOptions{
		Roots: authorities, CurrentTime: at,
		// Each server is client and server of the other with the same certificate.
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	return err
}

// outOfDate is the authority, right but for its dates, that a chain ended at.
func outOfDate(err error) (*x509.Certificate, bool) {
	invalid, ok := errors.AsType[x509.CertificateInvalidError](err)
	if !ok || invalid.Reason != x509.Expired {
		return nil, false
	}
	return invalid.Cert, true
}

func authorityFault(authority *x509.Certificate, now time.Time) *Fault {
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

// Credentials are what a server shows and what it believes.
type Credentials struct {
	Authorities *x509.CertPool
	Certificate tls.Certificate
	Key         crypto.Signer
}

// Load reads a server's PEM files. The error joins a [*Fault] for each file.
func Load(authority, certificate, key string) (Credentials, error) {
	pool, errPool := LoadAuthorities(authority)
	pair, errPair := loadPair(certificate, key)
	if err := errors.Join(errPool, errPair); err != nil {
		return Credentials{}, err
	}
	signer, ok := pair.PrivateKey.(crypto.Signer)
	if !ok {
		return Credentials{}, fault(NoPair, "file", certificate, "key", key, "cause", "the key cannot sign")
	}
	return Credentials{Authorities: pool, Certificate: pair, Key: signer}, nil
}

// LoadAuthorities reads a PEM file of certificate authorities, whatever their dates:
// those are looked at when something is to be believed. The error is a [*Fault].
func LoadAuthorities(file string) (*x509.CertPool, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, unreadable(file, err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fault(NotPEM, "file", file, "cause", "it holds no certificate")
	}
	return pool, nil
}

// LoadCertificate reads the first certificate of a PEM file. The error is a [*Fault].
func LoadCertificate(file string) (*x509.Certificate, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, unreadable(file, err)
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, fault(NotPEM, "file", file, "cause", "it does not begin with a certificate")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fault(NotPEM, "file", file, "cause", err.Error())
	}
	return cert, nil
}

// CheckPair says whether the two files can be read and belong together. The error
// is a [*Fault].
func CheckPair(certificate, key string) error {
	_, err := loadPair(certificate, key)
	return err
}

func loadPair(certificate, key string) (tls.Certificate, error) {
	certText, err := os.ReadFile(certificate)
	if err != nil {
		return tls.Certificate{}, unreadable(certificate, err)
	}
	keyText, err := os.ReadFile(key)
	if err != nil {
		return tls.Certificate{}, unreadable(key, err)
	}
	pair, err := tls.X509KeyPair(certText, keyText)
	if err != nil {
		return pair, fault(NoPair, "file", certificate, "key", key, "cause", err.Error())
	}
	return pair, nil
}
