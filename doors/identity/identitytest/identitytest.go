// Package identitytest makes the certificates of a site for the tests of other rooms: as
// they are, and as they were before there was one for each purpose.
package identitytest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"releve"
	"releve/doors/identity"
)

// OneForAll writes an authority of that time and the files of these seats into a directory,
// over what is there.
func OneForAll(t testing.TB, dir, site string, seats ...releve.Seat) {
	t.Helper()
	valid := identity.Validity{From: time.Now().Add(-time.Hour), Until: time.Now().AddDate(1, 0, 0)}
	writeAuthority(t, dir, site, valid)
	authority, err := identity.LoadAuthority(filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca.key"))
	must(t, err)
	for _, seat := range seats {
		Issue(t, authority, dir, identity.Identity{Site: site, Seat: seat}, valid)
	}
}

// Until writes the certificates of a site into a new directory; the secondary's is good
// until then.
func Until(t testing.TB, site string, until time.Time) (dir string) {
	t.Helper()
	dir = t.TempDir()
	hourAgo, inAnHour := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	authority, err := identity.NewAuthority(site, identity.Validity{From: hourAgo, Until: inAnHour})
	must(t, err)
	write(t, filepath.Join(dir, "ca.pem"), authority.Certificate())
	for seat, end := range map[releve.Seat]time.Time{releve.Main: inAnHour, releve.Secondary: until} {
		certificate, key, err := authority.Issue(identity.Identity{Site: site, Seat: seat}, identity.Validity{From: hourAgo, Until: end})
		must(t, err)
		write(t, filepath.Join(dir, string(seat)+".pem"), certificate)
		write(t, filepath.Join(dir, string(seat)+".key"), key)
	}
	return dir
}

// writeAuthority: its name has no word of a generation.
func writeAuthority(t testing.TB, dir, site string, valid identity.Validity) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{OrganizationalUnit: []string{site}, CommonName: "Relève authority"},
		NotBefore: valid.From, NotAfter: valid.Until, IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	must(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	write(t, filepath.Join(dir, "ca.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}))
	write(t, filepath.Join(dir, "ca.key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
}

func write(t testing.TB, file string, text []byte) {
	t.Helper()
	must(t, os.WriteFile(file, text, 0o600))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// New writes an authority and the files of a site with a witness into a directory.
func New(t testing.TB, dir, site string) *identity.Authority {
	t.Helper()
	valid := identity.Validity{From: time.Now().Add(-time.Hour), Until: time.Now().AddDate(1, 0, 0)}
	authority, err := identity.NewAuthority(site, valid)
	must(t, err)
	key, err := authority.Key()
	must(t, err)
	write(t, filepath.Join(dir, "ca.pem"), authority.Certificate())
	write(t, filepath.Join(dir, "ca.key"), key)
	for _, seat := range Everybody {
		Issue(t, authority, dir, identity.Identity{Site: site, Seat: seat}, valid)
	}
	return authority
}

// Everybody has certificates in a site with a witness.
var Everybody = []releve.Seat{releve.Main, releve.Secondary, identity.Witness}

// Issue writes the files of one seat.
func Issue(t testing.TB, by *identity.Authority, dir string, who identity.Identity, valid identity.Validity) {
	t.Helper()
	certificates, keys, err := by.Issue(who, valid)
	must(t, err)
	write(t, filepath.Join(dir, string(who.Seat)+".pem"), certificates)
	write(t, filepath.Join(dir, string(who.Seat)+".key"), keys)
}

// Files are those of a seat in such a directory; the witness has nobody's beside its own.
func Files(dir string, seat releve.Seat) identity.Files {
	file := func(name string) string { return filepath.Join(dir, name) }
	f := identity.Files{Authority: file("ca.pem"), Certificate: file(string(seat) + ".pem"), Key: file(string(seat) + ".key")}
	if seat.Valid() {
		f.Other = file(string(seat.Other()) + ".pem")
	}
	return f
}

// Every is each certificate of such a directory, by whose it is and what for: main.link.
func Every(t testing.TB, dir string) map[string]tls.Certificate {
	t.Helper()
	all := map[string]tls.Certificate{}
	for _, seat := range Everybody {
		for purpose, pair := range Shown(t, filepath.Join(dir, string(seat)+".pem"), filepath.Join(dir, string(seat)+".key")) {
			all[string(seat)+"."+string(purpose)] = pair
		}
	}
	return all
}

// Shown are the certificates of a file with their keys, by purpose.
func Shown(t testing.TB, certificates, keys string) map[identity.Purpose]tls.Certificate {
	t.Helper()
	certText, err := os.ReadFile(certificates)
	must(t, err)
	keyText, err := os.ReadFile(keys)
	must(t, err)
	all := map[identity.Purpose]tls.Certificate{}
	for cert, certText := pem.Decode(certText); cert != nil; cert, certText = pem.Decode(certText) {
		for key, keyText := pem.Decode(keyText); key != nil; key, keyText = pem.Decode(keyText) {
			pair, err := tls.X509KeyPair(pem.EncodeToMemory(cert), pem.EncodeToMemory(key))
			if err != nil {
				continue
			}
			who, _ := identity.Of(pair.Leaf)
			all[who.Purpose] = pair
		}
	}
	return all
}

// Careless is a client that shows one certificate to whomever it talks to.
func Careless(shown tls.Certificate) *tls.Config {
	return &tls.Config{
		InsecureSkipVerify:   true,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &shown, nil },
	}
}

// Names are the files of a server of a seat.
func Names(seat releve.Seat) []string {
	return []string{"ca.pem", string(seat) + ".pem", string(seat) + ".key", string(seat.Other()) + ".pem"}
}

// Copy writes files of one directory over those of another.
func Copy(t testing.TB, from, to string, names ...string) {
	t.Helper()
	for _, name := range names {
		write(t, filepath.Join(to, name), read(t, filepath.Join(from, name)))
	}
}

// Both puts the text of files before that of those of another directory: what is new comes
// first.
func Both(t testing.TB, from, to string, names ...string) {
	t.Helper()
	for _, name := range names {
		file := filepath.Join(to, name)
		write(t, file, append(read(t, filepath.Join(from, name)), read(t, file)...))
	}
}

func read(t testing.TB, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	must(t, err)
	return text
}
