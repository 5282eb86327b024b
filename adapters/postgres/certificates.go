package postgres

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	keys "releve/doors/identity"
)

// Certificates are what this PostgreSQL shows and believes; the zero value where it listens
// nowhere and follows nobody.
type Certificates = keys.PostgresFiles

// The files of tls/.
const (
	shownFile, shownKeyFile   = "server.pem", "server.key"
	mirrorFile, mirrorKeyFile = "mirror.pem", "mirror.key"
	serversFile, clientsFile  = "servers.pem", "clients.pem"
)

// retired are the files of tls/ from before there was a certificate for each purpose: a
// key that is no longer used lies nowhere.
var retired = []string{"ca.pem", "cert.pem", "key.pem"}

func (c *Cluster) certificates() Certificates {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tls
}

// Recertify goes on with other certificates: at once where PostgreSQL runs, without a
// restart, and else from the next start. A mirror that has to look for another name than
// before connects anew; who is connected by a certificate that is no longer believed is
// ended, and may come again by another. It waits for what changes the data directory.
func (c *Cluster) Recertify(ctx context.Context, t Certificates) error {
	end, err := c.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	c.mu.Lock()
	c.tls = t
	c.mu.Unlock()
	if p := c.postmaster(); p == nil || !p.running() {
		return nil
	}
	if err := c.configure(c.mode); err != nil {
		return err
	}
	if err := c.do(ctx, askLimit, "SELECT pg_reload_conf()"); err != nil {
		return fmt.Errorf("PostgreSQL does not take its certificates: %w", err)
	}
	return c.endStrangers(ctx, t)
}

// endStrangers ends sessions whose certificates are no longer believed. Where an authority
// is believed, all that it made is.
func (c *Cluster) endStrangers(ctx context.Context, t Certificates) error {
	var serials []string
	for block, rest := pem.Decode(t.Clients); block != nil; block, rest = pem.Decode(rest) {
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return err
		}
		if cert.IsCA {
			return nil
		}
		serials = append(serials, cert.SerialNumber.String())
	}
	return c.do(ctx, askLimit,
		"SELECT pg_terminate_backend(pid) FROM pg_stat_ssl WHERE ssl AND client_serial::text <> ALL($1::text[])", serials)
}

func (c *Cluster) writeCertificates(who account) error {
	t := c.certificates()
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
