package identity

import (
	"crypto/tls"

	"releve"
)

// PostgresFiles is what a server's PostgreSQL shows and believes, as PEM.
type PostgresFiles struct {
	Shown, ShownKey   []byte // to the other server's mirror
	Mirror, MirrorKey []byte // by which this server's mirror and copies are known to the other
	Servers, Clients  []byte // the other's that are believed, PostgreSQL and mirror

	// ServerName is in the certificate of the other's PostgreSQL (sslmode=verify-full); "",
	// any: as long as one for everything is believed, which bears no name of a purpose.
	ServerName string
	// ClientNames are in those of the other's mirror (manual §21.12, common names).
	ClientNames []string
}

// ForPostgres is what the PostgreSQL of a seat is given. It shows what is of a generation
// that the other server believes, and believes all that the other may show.
func (c *Credentials) ForPostgres(site string, seat releve.Seat, generation string) (f PostgresFiles, err error) {
	s := c.of(generation)
	if f.Shown, f.ShownKey, err = pairPEM(s.shown(Postgres)); err != nil {
		return PostgresFiles{}, err
	}
	if f.Mirror, f.MirrorKey, err = pairPEM(s.shown(Mirror)); err != nil {
		return PostgresFiles{}, err
	}
	other := Identity{Site: site, Seat: seat.Other()}
	f.ServerName, f.ClientNames = other.For(Postgres).Name(), []string{other.For(Mirror).Name()}
	for i, s := range c.sets {
		if s.generation == "" {
			f.ServerName, f.ClientNames = "", append(f.ClientNames, other.Name())
			f.Servers, f.Clients = append(f.Servers, certificatePEM(c.authorities[i])...), append(f.Clients, certificatePEM(c.authorities[i])...)
			continue
		}
		f.Servers = append(f.Servers, certificatePEM(s.other[Postgres])...)
		f.Clients = append(f.Clients, certificatePEM(s.other[Mirror])...)
	}
	return f, nil
}

func pairPEM(pair tls.Certificate) (certificate, key []byte, err error) {
	key, err = keyPEM(pair.PrivateKey)
	return certificatePEM(pair.Leaf), key, err
}

// PostgresTLS is how the latest of these credentials reach the PostgreSQL of the other
// server, as its mirror would: it must show the very certificate that is held of it.
func (c *Credentials) PostgresTLS() *tls.Config {
	latest := c.Latest()
	return &tls.Config{
		MinVersion:         tls.VersionTLS13,
		Certificates:       []tls.Certificate{latest.sets[0].shown(Mirror)},
		InsecureSkipVerify: true,
		VerifyConnection: func(state tls.ConnectionState) error {
			if shown := state.PeerCertificates[0]; !latest.isPinned(shown, Postgres) {
				return fault(NotPinned, "subject", shown.Subject.CommonName)
			}
			return nil
		},
	}
}
