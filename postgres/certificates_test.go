package postgres

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"releve"
	"releve/peer/identity/identitytest"
)

// pairIn is a pair whose certificates are those of a directory.
func pairIn(t *testing.T, dir string) (main, secondary *Cluster) {
	t.Helper()
	mainAddress, secondaryAddress := freeAddress(t), freeAddress(t)
	first := optionsFor(t, releve.Main, mainAddress, secondaryAddress)
	second := optionsFor(t, releve.Secondary, secondaryAddress, mainAddress)
	first.TLS, second.TLS = certificatesIn(t, dir, releve.Main), certificatesIn(t, dir, releve.Secondary)
	return pairOf(t, newCluster(t, first), newCluster(t, second))
}

// Of all certificates of a site one lets a mirror in, and one is believed to be the main's
// PostgreSQL. Asked by libpq, as the mirror asks.
func TestOneCertificateReplicatesAndOneIsReplicatedFrom(t *testing.T) {
	dir := openDir(t)
	identitytest.New(t, dir, testSite)
	main, secondary := pairIn(t, dir)
	var enters, believed []string
	for name, shown := range identitytest.Every(t, dir) {
		stranger := newCluster(t, secondary.opts)
		stranger.opts.Dir = filepath.Join(openDir(t), "pg")
		stranger.opts.TLS.Mirror, stranger.opts.TLS.MirrorKey = inPEM(t, shown)
		if stranger.identifies(t, main) {
			enters = append(enters, name)
		}
		if secondary.believes(t, shown) {
			believed = append(believed, name)
		}
	}
	if want := []string{"secondary.mirror"}; !slices.Equal(enters, want) {
		t.Errorf("the main lets %q in, want %q", enters, want)
	}
	if want := []string{"main.postgres"}; !slices.Equal(believed, want) {
		t.Errorf("the mirror believes %q, want %q", believed, want)
	}
}

// identifies says whether a replication connection to an owner is let in.
func (c *Cluster) identifies(t *testing.T, owner *Cluster) bool {
	t.Helper()
	_, err := c.prepare()
	must(t, err)
	_, err = c.run(within(t), "", nil, "psql", "-X", "--command=IDENTIFY_SYSTEM", c.conninfo(owner.opts.Listen, RoleMirror, "test")+" dbname=postgres replication=true")
	return err == nil
}

// believes says whether the mirror would talk to what shows a certificate where the other's
// PostgreSQL should be: whether it says, encrypted, who it is.
func (c *Cluster) believes(t *testing.T, shown tls.Certificate) bool {
	t.Helper()
	at := freeAddress(t)
	l, err := net.Listen("tcp", at.String())
	must(t, err)
	defer l.Close()
	told := make(chan bool, 1)
	go func() { told <- impostor(l, shown) }()
	_, _ = c.run(within(t), "", nil, "psql", "-X", "--command=SELECT 1", c.conninfo(at, RoleMirror, "test")+" dbname=postgres")
	_ = l.Close()
	return <-told
}

// impostor takes one connection as PostgreSQL does (manual §55.2.10) and says whether the
// client went on after it had seen the certificate.
func impostor(l net.Listener, shown tls.Certificate) bool {
	raw, err := l.Accept()
	if err != nil {
		return false
	}
	defer raw.Close()
	if _, err := io.ReadFull(raw, make([]byte, 8)); err != nil { // SSLRequest
		return false
	}
	if _, err := raw.Write([]byte("S")); err != nil {
		return false
	}
	conn := tls.Server(raw, &tls.Config{Certificates: []tls.Certificate{shown}})
	n, err := conn.Read(make([]byte, 8)) // of its StartupMessage
	return err == nil && n > 0
}

func inPEM(t *testing.T, pair tls.Certificate) (certificate, key []byte) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	must(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Leaf.Raw}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// A site from before there was a certificate for each purpose goes on, and what lay in tls/
// then is gone.
func TestASiteOfOneCertificateForAllGoesOn(t *testing.T) {
	dir := openDir(t)
	identitytest.OneForAll(t, dir, testSite, identitytest.Everybody...)
	o := optionsFor(t, releve.Main, freeAddress(t), freeAddress(t))
	must(t, os.MkdirAll(filepath.Join(o.Dir, "tls"), 0o755))
	for _, name := range retired {
		must(t, os.WriteFile(filepath.Join(o.Dir, "tls", name), []byte("old"), 0o600))
	}
	second := optionsFor(t, releve.Secondary, o.Upstream, o.Listen)
	o.TLS, second.TLS = certificatesIn(t, dir, releve.Main), certificatesIn(t, dir, releve.Secondary)
	main, secondary := pairOf(t, newCluster(t, o), newCluster(t, second))
	inSync(t, main)
	if info := secondary.conninfo(main.opts.Listen, RoleMirror, "name"); !strings.Contains(info, "sslmode='verify-ca'") {
		t.Error(info)
	}
	for _, name := range retired {
		if _, err := os.Stat(filepath.Join(o.Dir, "tls", name)); !os.IsNotExist(err) {
			t.Errorf("%s is still there: %v", name, err)
		}
	}
}
