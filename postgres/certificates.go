package postgres

import (
	"errors"
	"fmt"
)

// Certificates are what this PostgreSQL shows and believes, as PEM; the zero value where
// it listens nowhere and follows nobody.
type Certificates struct {
	Shown, ShownKey   []byte // to the other server's mirror
	Mirror, MirrorKey []byte // by which this server's mirror and copies are known to the other
	Servers, Clients  []byte // the other's that are believed, PostgreSQL and mirror

	ServerName  string   // that the other's PostgreSQL must bear; "": any that is believed
	ClientNames []string // common names of the other's mirror
}

// The files of tls/.
const (
	shownFile, shownKeyFile   = "server.pem", "server.key"
	mirrorFile, mirrorKeyFile = "mirror.pem", "mirror.key"
	serversFile, clientsFile  = "servers.pem", "clients.pem"
)

// retired are the files of tls/ from before there was a certificate for each purpose: a
// key that is no longer used lies nowhere.
var retired = []string{"ca.pem", "cert.pem", "key.pem"}

func (c *Cluster) writeCertificates(who account) error {
	t := c.opts.TLS
	if len(t.Shown) == 0 {
		return nil
	}
	for _, f := range []struct {
		name string
		text []byte
	}{
		{shownFile, t.Shown}, {shownKeyFile, t.ShownKey}, {mirrorFile, t.Mirror}, {mirrorKeyFile, t.MirrorKey},
		{serversFile, t.Servers}, {clientsFile, t.Clients},
	} {
		if err := who.writeFile(c.path("tls", f.name), f.text, 0o600); err != nil {
			return fmt.Errorf("cannot write a certificate for PostgreSQL: %w", err)
		}
	}
	var err error
	for _, name := range retired {
		err = errors.Join(err, removeFile(c.path("tls", name)))
	}
	return err
}
