package seal

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/google/renameio/v2"
)

// Where a server keeps the certificate of its page, and its key: the site's own put there counts, at once.
const (
	CertificateFile = "certificate.pem"
	KeyFile         = "key.pem"
)

const (
	lasts       = 825 * 24 * time.Hour // what browsers bear
	renewBefore = 30 * 24 * time.Hour
	selfMade    = "Relève, made by this server"
	lookEach    = 2 * time.Second
)

// Certificate is the one that the page shows.
type Certificate struct {
	dir   string
	names []string

	mu     sync.Mutex
	pair   *tls.Certificate
	stamp  string // of the files that it was read from
	looked time.Time
}

// Keep has a server show the certificate in a directory. Where there is none, it makes one itself for these names and
// addresses, which a browser believes once somebody has told it to; one that it made itself and that ends soon is made anew.
func Keep(dir string, names []string) (*Certificate, error) {
	c := &Certificate{dir: dir, names: names}
	err := c.read()
	if errors.Is(err, fs.ErrNotExist) || err == nil && c.ends() {
		if err = c.make(); err == nil {
			err = c.read()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("the page's certificate in %s: %w", dir, err)
	}
	return c, nil
}

// Config is how connections are sealed.
func (c *Certificate) Config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.shown(), nil },
	}
}

// shown is the certificate in the directory, and the one before where that cannot be read: both files are seldom
// put there in the same moment.
func (c *Certificate) shown() *tls.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.looked) >= lookEach {
		_ = c.readLocked()
	}
	return c.pair
}

func (c *Certificate) read() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.readLocked()
}

func (c *Certificate) readLocked() error {
	c.looked = time.Now()
	stamp := ""
	for _, name := range []string{CertificateFile, KeyFile} {
		info, err := os.Stat(filepath.Join(c.dir, name))
		if err != nil {
			return err
		}
		stamp += fmt.Sprint(info.ModTime().UnixNano(), info.Size(), " ")
	}
	if stamp == c.stamp {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(c.dir, CertificateFile), filepath.Join(c.dir, KeyFile))
	if err == nil {
		c.pair, c.stamp = &pair, stamp
	}
	return err
}

// ends says that the certificate is one of ours and ends soon.
func (c *Certificate) ends() bool {
	leaf := c.pair.Leaf
	return leaf != nil && leaf.Subject.CommonName == selfMade && time.Until(leaf.NotAfter) < renewBefore
}

func (c *Certificate) make() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: selfMade}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(lasts),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
	}
	for _, name := range c.names {
		if ip := net.ParseIP(name); ip != nil && !ip.IsUnspecified() {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else if ip == nil {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return errors.Join(
		os.MkdirAll(c.dir, 0o700),
		put(filepath.Join(c.dir, KeyFile), "PRIVATE KEY", private),
		put(filepath.Join(c.dir, CertificateFile), "CERTIFICATE", der),
	)
}

func put(file, kind string, der []byte) error {
	return renameio.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}
