package identity

import (
	"crypto/x509"
	"time"
)

// AuthorityName stands for the site's authority where others have their seat.
const AuthorityName = "authority"

// WarnBefore is how long before its end a certificate begins to be spoken of: time
// for somebody to come who has the authority's key.
const WarnBefore = 30 * 24 * time.Hour

// Lasting is whose the certificate in a file is, and until when it is believed.
type Lasting struct {
	File        string
	Name        string // main, secondary, witness, or AuthorityName
	Site        string
	From, Until time.Time
}

// Look reads of a file, believed or not, whose certificate it holds. The error is a
// [*Fault].
func Look(file string) (Lasting, error) {
	cert, err := LoadCertificate(file)
	if err != nil {
		return Lasting{}, err
	}
	name, site, err := nameOf(cert)
	return Lasting{File: file, Name: name, Site: site, From: cert.NotBefore, Until: cert.NotAfter}, err
}

func nameOf(cert *x509.Certificate) (name, site string, err error) {
	if units := cert.Subject.OrganizationalUnit; cert.IsCA && len(units) == 1 {
		return AuthorityName, units[0], nil
	}
	who, err := Of(cert)
	return string(who.Seat), who.Site, err
}

// Believed says whether its dates hold at the moment now.
func (l Lasting) Believed(now time.Time) bool { return !now.Before(l.From) && !now.After(l.Until) }

// Ending is what is to be said of its dates at the moment now: that it expired, that
// it will before long, that it is not believed yet, or nothing.
func (l Lasting) Ending(now time.Time) *Fault {
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
	}
	return nil
}
