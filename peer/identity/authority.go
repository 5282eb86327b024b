package identity

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"net"
	"net/netip"
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

// NewAuthority draws the key of a site's authority: ECDSA P-256, which every
// OpenSSL that PostgreSQL 15 is built with accepts.
func NewAuthority(site string, valid Validity) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := authorityTemplate(valid)
	template.Subject = pkix.Name{OrganizationalUnit: []string{site}, CommonName: "Relève authority"}
	cert, err := create(template, template, key.Public(), key)
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

// LoadAuthority reads the PEM files of an authority that was made before. The
// error is a [*Fault].
func LoadAuthority(certificate, key string) (*Authority, error) {
	pair, err := loadPair(certificate, key)
	if err != nil {
		return nil, err
	}
	signer, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok || !pair.Leaf.IsCA || len(pair.Leaf.Subject.OrganizationalUnit) != 1 {
		return nil, fault(NoPair, "file", certificate, "key", key, "cause", "it is not an authority that `releve init` made")
	}
	return &Authority{cert: pair.Leaf, key: signer}, nil
}

// Until is the last moment at which a certificate of this authority is believed.
func (a *Authority) Until() time.Time { return a.cert.NotAfter }

// Issue makes the certificate and the key of one seat, as PEM. The addresses are
// for programs that insist on them, such as libpq with sslmode=verify-full.
func (a *Authority) Issue(seat Identity, addresses []netip.Addr, valid Validity) (certificate, private []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	certificate, err = a.certify(seat, key.Public(), asIPs(addresses), valid)
	if err != nil {
		return nil, nil, err
	}
	private, err = keyPEM(key)
	return certificate, private, err
}

// certify makes the certificate of a seat for its public key, as PEM.
func (a *Authority) certify(seat Identity, key crypto.PublicKey, addresses []net.IP, valid Validity) ([]byte, error) {
	cert, err := create(&x509.Certificate{
		Subject:     seat.Subject(),
		NotBefore:   valid.From,
		NotAfter:    valid.Until,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IPAddresses: addresses,
	}, a.cert, key, a.key)
	if err != nil {
		return nil, err
	}
	return certificatePEM(cert), nil
}

// Certificate is the authority's own certificate, as PEM.
func (a *Authority) Certificate() []byte { return certificatePEM(a.cert) }

// Key is the authority's key, as PEM.
func (a *Authority) Key() ([]byte, error) { return keyPEM(a.key) }

func create(template, parent *x509.Certificate, key crypto.PublicKey, signer *ecdsa.PrivateKey) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key, signer)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func certificatePEM(cert *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
}

func keyPEM(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), err
}

func asIPs(addresses []netip.Addr) (ips []net.IP) {
	for _, a := range addresses {
		ips = append(ips, a.AsSlice())
	}
	return ips
}
