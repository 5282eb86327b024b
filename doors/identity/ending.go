package identity

import (
	"crypto/x509"
	"time"

	"releve"
)

// AuthorityName stands for the site's authority where others have their seat.
const AuthorityName = "authority"

// WarnBefore is how long before its end a certificate begins to be spoken of: time
// for somebody to come who has the authority's key.
const WarnBefore = 30 * 24 * time.Hour

// Lasting is whose the certificates of one generation in a file are, and until when they
// are believed.
type Lasting struct {
	File        string
	Name        string // main, secondary, witness, or AuthorityName
	Site        string
	From, Until time.Time
	OneForAll   bool // from before there was one for each purpose
}

// Look reads of a file, believed or not, whose certificates it holds: one while no keys
// are being changed, then the latest first. What has no end is left out, and what ends
// with another. The error is a [*releve.Fault].
func Look(file string) (all []Lasting, err error) {
	certs, err := loadCertificates(file)
	if err != nil {
		return nil, err
	}
	for _, cert := range certs {
		if p := purposeOf(cert); p == Claim || !p.byAuthority() {
			continue
		}
		name, site, err := nameOf(cert)
		if err != nil {
			return nil, err
		}
		all = append(all, Lasting{file, name, site, cert.NotBefore, cert.NotAfter, Generation(cert) == ""})
	}
	if len(all) == 0 {
		return nil, fault(Incomplete, "file", file)
	}
	return all, nil
}

func nameOf(cert *x509.Certificate) (name, site string, err error) {
	if units := cert.Subject.OrganizationalUnit; cert.IsCA && len(units) == 1 {
		return AuthorityName, units[0], nil
	}
	who, err := Of(cert)
	return string(who.Seat), who.Site, err
}

// Ending is what is to be said of it at the moment now: that it expired, that it will
// before long, that it is not believed yet, of an authority that what it makes is good for
// everything, or nothing.
func (l Lasting) Ending(now time.Time) *releve.Fault {
	date := l.Until.Format(time.DateOnly)
	switch left := l.Until.Sub(now); {
	case now.Before(l.From):
		return fault(NotYetValid, "seat", l.Name, "date", l.From.Format(time.DateOnly))
	case left < 0 && l.Name == AuthorityName:
		return fault(AuthorityExpired, "file", l.File, "date", date)
	case left < 0:
		return fault(Expired, "seat", l.Name, "date", date)
	case left < WarnBefore && l.Name == AuthorityName:
		return fault(AuthorityEndsSoon, "file", l.File, "date", date)
	case left < WarnBefore:
		return fault(EndsSoon, "seat", l.Name, "date", date)
	case l.OneForAll && l.Name == AuthorityName:
		return fault(OneForAll)
	}
	return nil
}
