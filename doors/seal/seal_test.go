package seal_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"releve/doors/seal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func keep(t *testing.T, dir string, names ...string) *seal.Certificate {
	t.Helper()
	c, err := seal.Keep(dir, names)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// serve answers each request with whether it came sealed.
func serve(t *testing.T, c *seal.Certificate) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{
		ReadHeaderTimeout: 2 * time.Second, ErrorLog: log.New(io.Discard, "", 0),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, seal.Sealed(r.Context())) }),
	}
	seal.Attach(server)
	done := make(chan error, 1)
	go func() { done <- server.Serve(seal.Listen(l, c.Config())) }()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	return l.Addr().String()
}

// believing is a reader who believes the certificate in a directory.
func believing(t *testing.T, dir string) *http.Client {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, seal.CertificateFile))
	roots := x509.NewCertPool()
	if err != nil || !roots.AppendCertsFromPEM(text) {
		t.Fatalf("%s: %v", text, err)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func get(t *testing.T, c *http.Client, url string) string {
	t.Helper()
	response, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestOnePortIsSealedAndPlain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "page")
	address := serve(t, keep(t, dir, "127.0.0.1", "main.example"))
	reader := believing(t, dir)
	for range 3 {
		if got := get(t, reader, "https://"+address+"/"); got != "true" {
			t.Errorf("over TLS: %s", got)
		}
		if got := get(t, reader, "http://"+address+"/"); got != "false" {
			t.Errorf("without: %s", got)
		}
	}
	key, err := os.Stat(filepath.Join(dir, seal.KeyFile))
	if err != nil || key.Mode().Perm() != 0o600 {
		t.Errorf("the key: %v, %v", key.Mode(), err)
	}
}

// Who says nothing, or nothing that can be understood, keeps nobody else waiting, and is let go.
func TestWhoSaysNothingIsLetGo(t *testing.T) {
	dir := t.TempDir()
	address := serve(t, keep(t, dir, "127.0.0.1"))
	for _, said := range []string{"", "\x16", "\x16\x03\x01\xff\xff", "\x16GET / HTTP/1.1\r\n\r\n", "G", "\x00"} {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, said); err != nil {
			t.Fatal(err)
		}
		if got := get(t, believing(t, dir), "https://"+address+"/"); got != "true" {
			t.Errorf("beside %q: %s", said, got)
		}
		if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("who said %q is kept", said)
		}
	}
}

// The certificate that a site puts there counts without a restart, and the one before until both files go together.
func TestTheSitesOwnCertificateCounts(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	address := serve(t, keep(t, dir, "127.0.0.1"))
	keep(t, other, "127.0.0.1")
	if got := get(t, believing(t, dir), "https://"+address+"/"); got != "true" {
		t.Fatal(got)
	}
	before := believing(t, dir)
	put := func(name string) {
		text, err := os.ReadFile(filepath.Join(other, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	put(seal.KeyFile)
	if got := get(t, before, "https://"+address+"/"); got != "true" {
		t.Fatal(got)
	}
	put(seal.CertificateFile)
	after := believing(t, dir)
	for deadline := time.Now().Add(20 * time.Second); ; {
		response, err := after.Get("https://" + address + "/")
		if err == nil {
			_ = response.Body.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// It is made once, and is anybody's who knows the server by one of its names.
func TestACertificateIsMadeOnce(t *testing.T) {
	dir := t.TempDir()
	read := func() string {
		text, err := os.ReadFile(filepath.Join(dir, seal.CertificateFile))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	keep(t, dir, "127.0.0.1", "main.example", "0.0.0.0")
	first := read()
	keep(t, dir, "127.0.0.1")
	if read() != first {
		t.Error("it was made anew")
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, seal.CertificateFile), filepath.Join(dir, seal.KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"127.0.0.1": true, "main.example": true, "0.0.0.0": false, "elsewhere.example": false} {
		if got := pair.Leaf.VerifyHostname(name) == nil; got != want {
			t.Errorf("as %s: %t", name, got)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, seal.KeyFile), []byte("torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := seal.Keep(dir, nil); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a key that cannot be read: %v", err)
	}
	if read() != first {
		t.Error("what somebody put there was written over")
	}
}
