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
// behind the authority's own beginning is a [*Fault]: what it dates would not be believed.
func (a *Authority) Renew(now, until time.Time) (*Authority, error) {
	if now.Before(a.cert.NotBefore) {
		return nil, fault(NotYetValid, "seat", AuthorityName, "date", a.cert.NotBefore.Format(time.DateOnly))
	}
	template := authorityTemplate(Validity{From: a.cert.NotBefore, Until: until})
	// Given, for another version of Go may derive it from the key in another way.
	template.RawSubject, template.SubjectKeyId = a.cert.RawSubject, a.cert.SubjectKeyId
	cert, err := create(template, template, a.key.Public(), a.key)
	return &Authority{cert: cert, key: a.key}, err
}

// Site is the site that the authority was made for.
func (a *Authority) Site() string {
	return a.cert.Subject.OrganizationalUnit[0] // LoadAuthority and NewAuthority see to it
}

// Reissue makes the certificate of a seat anew, as PEM: the same name, key and
// addresses, believed in another time. The private key stays where it is. One that
// this authority did not make, or of another seat, is refused with a [*Fault]; one
// that expired is not.
func (a *Authority) Reissue(cert *x509.Certificate, seat releve.Seat, valid Validity) ([]byte, error) {
	if err := cert.CheckSignatureFrom(a.cert); err != nil {
		return nil, fault(ForeignAuthority, "subject", cert.Subject.String(), "cause", err.Error())
	}
	who, err := Of(cert)
	if err != nil {
		return nil, err
	}
	if who.Site != a.Site() {
		return nil, fault(OtherSite, "site", who.Site, "expected", a.Site())
	}
	if who.Seat != seat {
		return nil, fault(WrongSeat, "seat", string(who.Seat), "expected", string(seat))
	}
	return a.certify(who, cert.PublicKey, cert.IPAddresses, valid)
}
