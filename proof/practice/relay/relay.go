// Package relay is a mail server for tests, a real one: Debian's Exim, set up as establishments have theirs.
package relay

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// FreePort is one of the loopback that nobody has now.
func FreePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// Relay has files of its own: its configuration is at the usual place for it alone.
type Relay struct {
	Port int
	CA   string // the file with its certificate, which signs itself

	dir string
	end func()
}

// Plan is how one is set up. The zero Plan takes every mail, and offers STARTTLS.
type Plan struct {
	Port int    // 0: any that is free
	More string // lines of its configuration
	Rcpt string // … and of what it asks before it takes a receiver
}

// exim is its configuration: it takes every mail, once it believes the sender, and keeps it.
const exim = `
keep_environment =
spool_directory = DIR/spool
log_file_path = DIR/log-%s
primary_hostname = relay.test
local_interfaces = 127.0.0.1
daemon_smtp_ports = PORT
tls_certificate = DIR/relay.pem
tls_privatekey = DIR/relay.key
auth_advertise_hosts = ${if def:tls_in_cipher{*}{}}
acl_smtp_rcpt = rcpt
MORE
begin acl
rcpt:
  deny  recipients = gone@hopital.test
        message = 5.1.1 no such user
RCPT
  accept
begin routers
all:
  driver = accept
  transport = keep
begin transports
keep:
  driver = appendfile
  directory = DIR/in
  maildir_format
  user = Debian-exim
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${if and{{eq{$auth2}{releve}}{eq{$auth3}{a secret}}}}
  server_set_id = $auth2
xoauth2:
  driver = plaintext
  public_name = XOAUTH2
  server_prompts = :
  server_condition = ${if eq{$auth1}{user=releve\x01auth=Bearer ${readfile{DIR/token}{}}\x01\x01}}
  server_set_id = releve
`

// What a Plan may have as More and as Rcpt.
const (
	NoTLS     = "tls_advertise_hosts ="
	FromStart = "tls_on_connect_ports = PORT"
	Secret    = "  deny !authenticated = *\n message = 5.7.0 authenticate first"
	Closed    = "  deny !encrypted = *\n message = 5.7.0 STARTTLS first"
	// Greylist puts off whoever comes first.
	Greylist = "  defer condition = ${if exists{DIR/seen}{no}{yes}}\n set acl_m_seen = ${run{/usr/bin/touch DIR/seen}}\n message = 4.7.1 Greylisted"
	Slow     = "  accept delay = 1h"
)

// Start starts one, which ends with the test or before.
func Start(t testing.TB, plan Plan) *Relay {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "rlv-mail-") // the account that delivers may enter it
	if err == nil {
		t.Cleanup(func() { _ = os.RemoveAll(dir) })
		err = os.Chmod(dir, 0o777)
	}
	if err != nil {
		t.Fatal(err)
	}
	if plan.Port == 0 {
		plan.Port = FreePort(t)
	}
	r := &Relay{dir: dir, Port: plan.Port, CA: Certify(t, dir)}
	text := strings.NewReplacer("MORE", plan.More, "RCPT", plan.Rcpt).Replace(exim)
	text = strings.NewReplacer("DIR", dir, "PORT", strconv.Itoa(r.Port)).Replace(text)
	if err := os.WriteFile(filepath.Join(dir, "exim4.conf"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	script := `mount -t tmpfs tmpfs /etc/exim4 && cp "$0/exim4.conf" /etc/exim4/ && exec exim4 -bdf`
	cmd := exec.Command("unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script, dir)
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r.end = sync.OnceFunc(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
	})
	t.Cleanup(func() {
		r.end()
		if t.Failed() {
			log, _ := os.ReadFile(dir + "/log-main")
			t.Logf("%s\n%s", said.String(), log)
		}
	})
	r.await(t)
	return r
}

// Certify makes a certificate for this machine's own address, which signs itself: relay.pem in a directory,
// and its key, relay.key.
func Certify(t testing.TB, dir string) (file string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	about := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "relay"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, about, about, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(dir, "relay.pem")
	for name, block := range map[string]*pem.Block{
		file: {Type: "CERTIFICATE", Bytes: cert}, filepath.Join(dir, "relay.key"): {Type: "PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return file
}

// Believe has it take a token from now on, and no other, of who comes by XOAUTH2.
func (r *Relay) Believe(t testing.TB, token string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(r.dir, "token"), []byte(token), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Stop ends it. What was delivered stays.
func (r *Relay) Stop() { r.end() }

// Delivered are the mails that came, whole, each line of their text as it was sent.
func (r *Relay) Delivered(t testing.TB) (all []string) {
	t.Helper()
	files, _ := filepath.Glob(r.dir + "/in/new/*")
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, strings.ReplaceAll(string(raw), "=\n", "")) // RFC 2045, 6.7: a soft line break
	}
	return all
}

// await waits until it answers.
func (r *Relay) await(t testing.TB) {
	t.Helper()
	ticks := time.NewTicker(20 * time.Millisecond)
	defer ticks.Stop()
	for end := time.Now().Add(20 * time.Second); ; <-ticks.C {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", r.Port))
		if err == nil {
			_ = c.Close()
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the relay does not answer: %v; it is Debian's exim4-daemon-light", err)
		}
	}
}
