package sip

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"strings"
	"time"

	"releve"
	"releve/doors/identity"
)

// Certificates are by which the PBX proves itself over TLS, and this server to the PBX.
type Certificates struct {
	// Names are those of which the PBX's certificate must bear one (RFC 5922 §7.1): its host, and the SIP domain.
	Names []string
	CA    string // file of who signs it; "": those whom the machine believes
	// Certificate and Key are our own. Without them the PBX cannot open a connection, and uses the one that we keep to it.
	Certificate, Key string
	// Anyway: calls go on over a certificate that proves nothing, and that is said (the site's choice).
	Anyway bool
}

// distrust is a certificate that proves nothing.
type distrust struct{ error }

func (d distrust) Unwrap() error { return d.error }

func distrusted(err error) bool {
	_, is := errors.AsType[distrust](err)
	return is
}

// client is how we call the PBX. The files are read each time: certificates are renewed. What the PBX shows is
// judged after the handshake, for the site may choose to go on.
func (c *Certificates) client() (*tls.Config, error) {
	settings, err := identity.Trusting(c.CA)
	if err != nil {
		return nil, err
	}
	settings.InsecureSkipVerify = true
	if len(c.Names) > 0 && strings.Trim(c.Names[0], "0123456789.:") != "" { // a name, and not an address
		settings.ServerName = c.Names[0]
	}
	if c.Certificate != "" {
		pair, err := tls.LoadX509KeyPair(c.Certificate, c.Key)
		if err != nil {
			return nil, err
		}
		settings.Certificates = []tls.Certificate{pair}
	}
	return settings, nil
}

// server is how the PBX calls us.
func (c *Certificates) server() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(c.Certificate, c.Key)
			return &pair, err
		},
	}
}

// judge says what is wrong with what the PBX showed.
func (c *Certificates) judge(s tls.ConnectionState, roots *x509.CertPool) error {
	leaf, between := s.PeerCertificates[0], x509.NewCertPool()
	for _, cert := range s.PeerCertificates[1:] {
		between.AddCert(cert)
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between}); err != nil {
		return distrust{untrusted(leaf, err)}
	}
	for _, name := range c.Names {
		if leaf.VerifyHostname(name) == nil {
			return nil
		}
	}
	names := strings.Join(c.Names, ", ")
	return distrust{releve.Known("the certificate of the PBX bears none of its names: "+names, "cause-pbx-certificate-name", "names", names)}
}

// untrusted is what is wrong with a certificate, in words.
func untrusted(leaf *x509.Certificate, err error) error {
	invalid, is := errors.AsType[x509.CertificateInvalidError](err)
	if is && invalid.Reason == x509.Expired {
		from, until := leaf.NotBefore.UTC().Format(time.RFC3339), leaf.NotAfter.UTC().Format(time.RFC3339)
		return releve.Explained(err, "the certificate of the PBX is out of its dates", "cause-pbx-certificate-dates", "from", from, "until", until)
	}
	if _, is := errors.AsType[x509.UnknownAuthorityError](err); is {
		return releve.Explained(err, "nobody that this server believes signed the certificate of the PBX", "cause-pbx-certificate-unknown")
	}
	return err
}

// endOf is why reading ended, in words.
func endOf(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errEnded
	}
	return err
}
