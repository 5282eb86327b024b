package identity

import (
	"crypto/x509"
	"slices"
)

// Generations are those of the authorities in a file, the latest first: two while keys are
// being changed. The error is a [*releve.Fault].
func Generations(authority string) (all []string, err error) {
	authorities, err := LoadAuthorities(authority)
	for _, a := range authorities {
		all = append(all, Generation(a))
	}
	return all, err
}

// Successor is another authority of the same site, with a key of its own.
func (a *Authority) Successor(valid Validity) (*Authority, error) {
	return NewAuthority(a.Site(), valid)
}

// Kept is what of a machine's files belongs to the latest authority of a file, as PEM: of
// certificates, and with a file of keys of those as well: something of each. The error is a
// [*releve.Fault].
func Kept(authority, certificate, key string) (certificates, keys []byte, err error) {
	authorities, err := LoadAuthorities(authority)
	if err != nil {
		return nil, nil, err
	}
	latest := authorities[0]
	belongs := func(cert *x509.Certificate) bool { return latest.Equal(cert) || madeWith(latest, cert) }
	certs, err := loadCertificates(certificate)
	if err != nil {
		return nil, nil, err
	}
	certificates = certificatePEM(slices.DeleteFunc(certs, func(c *x509.Certificate) bool { return !belongs(c) })...)
	if len(certificates) == 0 {
		return nil, nil, fault(Incomplete, "file", certificate+", "+authority)
	}
	if key == "" {
		return certificates, nil, nil
	}
	pairs, err := loadPairs(certificate, key)
	if err != nil {
		return nil, nil, err
	}
	for _, pair := range pairs {
		if !belongs(pair.Leaf) {
			continue
		}
		text, err := keyPEM(pair.PrivateKey)
		if err != nil {
			return nil, nil, err
		}
		keys = append(keys, text...)
	}
	if len(keys) == 0 {
		return nil, nil, fault(Incomplete, "file", key+", "+authority)
	}
	return certificates, keys, nil
}

// Latest are the credentials of the latest generation alone, as they will be when the others
// are no longer believed.
func (c *Credentials) Latest() *Credentials {
	return &Credentials{authorities: c.authorities[:1], sets: c.sets[:1], pins: c.pins}
}
