package identity

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"slices"
	"strings"
	"time"
)

// Authority makes the certificates of one site. Its key is needed for that only,
// and belongs on neither server.
type Authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// Validity is the time within which a certificate is believed.
type Validity struct{ From, Until time.Time }

// authorityTitle is the common name of every site's authority.
const authorityTitle = "Relève authority"

// NewAuthority draws the key of a site's authority: ECDSA P-256, which every
// OpenSSL that PostgreSQL 15 is built with accepts. Two authorities of one site bear
// different names, so that a machine can say which of them it believes.
func NewAuthority(site string, valid Validity) (*Authority, error) {
	const letters = 8
	return authorityOf(site, strings.ToLower(rand.Text()[:letters]), valid)
}

func authorityOf(site, generation string, valid Validity) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := authorityTemplate(valid)
	template.Subject = pkix.Name{OrganizationalUnit: []string{site}, CommonName: authorityTitle, SerialNumber: generation}
	cert, err := create(template, template, key, key)
	return &Authority{cert: cert, key: key}, err
}

func authorityTemplate(valid Validity) *x509.Certificate {
	return &x509.Certificate{
		NotBefore:             valid.From,
		NotAfter:              valid.Until,
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
}

// LoadAuthority reads the PEM files of an authority that was made before: of several,
// the latest. The error is a [*releve.Fault].
func LoadAuthority(certificate, key string) (*Authority, error) {
	pairs, err := loadPairs(certificate, key)
	if err != nil {
		return nil, err
	}
	latest := pairs[0]
	signer, ok := latest.PrivateKey.(*ecdsa.PrivateKey)
	if !ok || !latest.Leaf.IsCA || len(latest.Leaf.Subject.OrganizationalUnit) != 1 {
		return nil, fault(NoAuthority, "file", certificate, "key", key)
	}
	return &Authority{cert: latest.Leaf, key: signer}, nil
}

// Until is the last moment at which a certificate of this authority is believed.
func (a *Authority) Until() time.Time { return a.cert.NotAfter }

// oneForAll says that it is from before there were purposes.
func (a *Authority) oneForAll() bool { return Generation(a.cert) == "" }

// Issue draws the keys of a seat and makes its certificates, one for each purpose of a
// server or of the witness, as the PEM text of two files. An authority from before there
// were purposes makes one for everything, as it always did.
func (a *Authority) Issue(seat Identity, valid Validity) (certificates, keys []byte, err error) {
	purposes := purposesOf(seat.Seat)
	if a.oneForAll() {
		purposes = []Purpose{Any}
	}
	for _, p := range purposes {
		certificate, key, err := a.issue(seat.For(p), valid)
		if err != nil {
			return nil, nil, err
		}
		certificates, keys = append(certificates, certificate...), append(keys, key...)
	}
	return certificates, keys, nil
}

func (a *Authority) issue(who Identity, valid Validity) (certificate, private []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	template, parent, signer := a.template(who, valid), a.cert, a.key
	if !who.Purpose.byAuthority() {
		template.NotBefore, template.NotAfter = always.From, always.Until
		parent, signer = template, key
	}
	cert, err := create(template, parent, key, signer)
	if err != nil {
		return nil, nil, err
	}
	private, err = keyPEM(key)
	return certificatePEM(cert), private, err
}

// always is the time of a certificate whose date says nothing (RFC 5280 §4.1.2.5): who
// believes it has it before him.
var always = Validity{From: time.Unix(0, 0), Until: time.Date(9999, time.December, 31, 23, 59, 59, 0, time.UTC)}

func (a *Authority) template(who Identity, valid Validity) *x509.Certificate {
	t := &x509.Certificate{
		Subject:     who.subject(Generation(a.cert)),
		NotBefore:   valid.From,
		NotAfter:    valid.Until,
		ExtKeyUsage: who.Purpose.usages(),
	}
	if who.Purpose.byAuthority() {
		t.KeyUsage = x509.KeyUsageDigitalSignature // with it, OpenSSL does not take a certificate for its own issuer
	}
	if who.Purpose != Any {
		t.DNSNames = []string{who.Name()}
	}
	return t
}

// Certificate is the authority's own certificate, as PEM.
func (a *Authority) Certificate() []byte { return certificatePEM(a.cert) }

// Key is the authority's key, as PEM.
func (a *Authority) Key() ([]byte, error) { return keyPEM(a.key) }

func create(template, parent *x509.Certificate, key, signer *ecdsa.PrivateKey) (*x509.Certificate, error) {
	return certify(template, parent, &key.PublicKey, signer)
}

func certify(template, parent *x509.Certificate, key any, signer *ecdsa.PrivateKey) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key, signer)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func certificatePEM(certs ...*x509.Certificate) (text []byte) {
	for _, cert := range certs {
		text = slices.Concat(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}))
	}
	return text
}

func keyPEM(key any) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), err
}
