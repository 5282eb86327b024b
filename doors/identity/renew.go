package identity

import (
	"crypto/x509"
	"time"

	"releve"
)

// Renew is the same authority, believed until another day. Name, key and key
// identifier stay (RFC 5280 §4.2.1.1): what it signed before is believed by who has
// its new certificate, and what it signs from now on by who still has the old one. So
// the machines of a site may be given their files one after the other. A clock that is
// behind the authority's own beginning is a [*releve.Fault]: what it dates would not be believed.
func (a *Authority) Renew(now, until time.Time) (*Authority, error) {
	if now.Before(a.cert.NotBefore) {
		return nil, fault(NotYetValid, "seat", AuthorityName, "date", a.cert.NotBefore.Format(time.DateOnly))
	}
	template := authorityTemplate(Validity{From: a.cert.NotBefore, Until: until})
	// Given, for another version of Go may derive it from the key in another way.
	template.RawSubject, template.SubjectKeyId = a.cert.RawSubject, a.cert.SubjectKeyId
	cert, err := create(template, template, a.key, a.key)
	return &Authority{cert: cert, key: a.key}, err
}

// Site is the site that the authority was made for.
func (a *Authority) Site() string {
	return a.cert.Subject.OrganizationalUnit[0] // LoadAuthority and NewAuthority see to it
}

// Reissue makes the certificates of a seat anew, as the PEM text of the file that they are
// in: the same names and keys, believed in another time. The private keys stay where they
// are, and so does what no authority makes. A certificate that this authority did not make,
// or of another seat, is refused with a [*releve.Fault]; one that expired is not.
func (a *Authority) Reissue(file string, seat releve.Seat, valid Validity) (text []byte, err error) {
	certs, err := loadCertificates(file)
	if err != nil {
		return nil, err
	}
	for _, cert := range certs {
		if cert, err = a.reissue(cert, Identity{Site: a.Site(), Seat: seat}, valid); err != nil {
			return nil, err
		}
		text = append(text, certificatePEM(cert)...)
	}
	return text, nil
}

func (a *Authority) reissue(cert *x509.Certificate, seat Identity, valid Validity) (*x509.Certificate, error) {
	if who, err := Of(cert); err == nil && !who.Purpose.byAuthority() {
		return cert, isOf(cert, seat)
	}
	if err := cert.CheckSignatureFrom(a.cert); err != nil {
		return nil, fault(ForeignAuthority, "subject", cert.Subject.String(), "cause", err.Error())
	}
	if err := isOf(cert, seat); err != nil {
		return nil, err
	}
	who, err := Of(cert)
	if err != nil {
		return nil, err
	}
	template := a.template(who, valid)
	template.IPAddresses = cert.IPAddresses
	return certify(template, a.cert, cert.PublicKey, a.key)
}
