package identity

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
)

// Trusting is how a server that is not of the site proves itself: by the certificates of a PEM file, or those
// of the machine where there is none. The file is read each time: certificates are renewed.
func Trusting(file string) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if file == "" {
		return c, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if c.RootCAs = x509.NewCertPool(); !c.RootCAs.AppendCertsFromPEM(text) {
		return nil, errors.New("no certificate in PEM is there")
	}
	return c, nil
}
