package identity

import (
	"crypto/x509"
	"slices"
	"strings"

	"releve"
)

// Purpose is the one thing that a certificate is good for (SPEC K8). Each door asks for
// its own, so that no certificate opens another's and none stands for another.
type Purpose string

// The purposes. Towards PostgreSQL and its mirror no authority has a say: each server
// has the very certificates of the other, and believes those alone. They have no end, for
// what ends them is another key (`releve certificates rekey`).
const (
	Link     Purpose = "link"     // a server to the other one, and what it signs
	Claim    Purpose = "claim"    // a server to the site's witness
	Register Purpose = "register" // the witness to the servers
	Postgres Purpose = "postgres" // a server's PostgreSQL to the other's mirror
	Mirror   Purpose = "mirror"   // a server's mirror and copies to the other's PostgreSQL

	// Any is that of the certificates of sites from before there were purposes: one for
	// everything. Only an authority of that time makes it believed.
	Any Purpose = ""
)

var (
	ofServer  = []Purpose{Link, Claim, Postgres, Mirror}
	ofWitness = []Purpose{Register}
)

func purposesOf(seat releve.Seat) []Purpose {
	if seat == Witness {
		return ofWitness
	}
	return ofServer
}

// usages are the sides of a TLS connection that a purpose takes (RFC 5280 §4.2.1.12):
// what OpenSSL, within PostgreSQL, looks at. The witness asks itself, for `witness show`.
func (p Purpose) usages() []x509.ExtKeyUsage {
	const server, client = x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth
	switch p {
	case Postgres:
		return []x509.ExtKeyUsage{server}
	case Claim, Mirror:
		return []x509.ExtKeyUsage{client}
	}
	return []x509.ExtKeyUsage{server, client}
}

// byAuthority says whether the site's authority makes it, or its own key.
func (p Purpose) byAuthority() bool { return p != Postgres && p != Mirror }

// Name is who it is and what for, in the form of a host name, which programs that know
// nothing of seats compare: libpq a server's, PostgreSQL that of a role.
func (i Identity) Name() string {
	if i.Purpose == Any {
		return string(i.Seat)
	}
	return strings.ToLower(string(i.Seat) + "." + string(i.Purpose) + "." + i.Site)
}

// named reads a Name of a site.
func named(name, site string) (releve.Seat, Purpose, bool) {
	seat, rest, dotted := strings.Cut(name, ".")
	if !dotted {
		return releve.Seat(seat), Any, true
	}
	purpose, of, _ := strings.Cut(rest, ".")
	return releve.Seat(seat), Purpose(purpose), of == strings.ToLower(site) && slices.Contains(slices.Concat(ofServer, ofWitness), Purpose(purpose))
}

// Generation is which of a site's authorities a certificate is of, whether it is believed or
// not, an authority's own included: a word drawn with the authority's key. "" is the one from
// before there were purposes.
func Generation(cert *x509.Certificate) string { return cert.Subject.SerialNumber }
