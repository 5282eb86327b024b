package phone_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"releve"
	"releve/adapters/phone"
	"releve/adapters/phone/register"
	"releve/adapters/phone/sip"
	"releve/rules/takeover"
)

// authority signs the certificates of one test.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, file: filepath.Join(t.TempDir(), "ca.pem")}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority of a test"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	a.key = newKey(t)
	der := a.sign(template, template, &a.key.PublicKey)
	var err error
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(a.file, block("CERTIFICATE", der), 0o644); err != nil {
		t.Fatal(err)
	}
	return a
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (a *authority) sign(template, parent *x509.Certificate, public any) []byte {
	a.t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return der
}

func block(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// issue makes a certificate for a name or an address, that ends then.
func (a *authority) issue(name string, until time.Time) (certificate, key string) {
	a.t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), NotBefore: time.Now().Add(-time.Hour), NotAfter: until,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if ip := net.ParseIP(name); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{name}
	}
	own := newKey(a.t)
	der, err := x509.MarshalECPrivateKey(own)
	if err != nil {
		a.t.Fatal(err)
	}
	return string(block("CERTIFICATE", a.sign(template, a.cert, &own.PublicKey))), string(block("EC PRIVATE KEY", der))
}

// by has a telephone speak to its PBX over a connection.
func by(pbx *kamailio, over sip.Transport, a *authority) func(*setup) {
	return func(s *setup) {
		s.Transport, s.Domain = over, pbx.addr.String()
		if over == sip.TLS {
			s.Certificates = &sip.Certificates{CA: a.file, Names: []string{pbx.over.Addr().String()}}
		}
	}
}

// overStreams runs a test against a real PBX, over TCP and over TLS.
func overStreams(t *testing.T, test func(t *testing.T, pbx *kamailio, at netip.AddrPort, how func(*setup))) {
	for _, over := range []sip.Transport{sip.TCP, sip.TLS} {
		t.Run(string(over), func(t *testing.T) {
			a := newAuthority(t)
			certificate, key := a.issue(ownIP().String(), time.Now().Add(time.Hour))
			pbx := startKamailioWith(t, certificate, key)
			at := pbx.addr
			if over == sip.TLS {
				at = pbx.over
			}
			test(t, pbx, at, by(pbx, over, a))
		})
	}
}

// Registered, called, transferred and hung up over a connection, which the PBX uses for its calls because it ends at the
// port of our Contact. The telephone that calls speaks TCP.
func TestACallOverAConnection(t *testing.T) {
	overStreams(t, func(t *testing.T, pbx *kamailio, at netip.AddrPort, how func(*setup)) {
		p, calls := newPhone(t, at, how)
		got, err := p.Register(limit(t, 10*time.Second), reception())
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Bindings) != 1 || !got.Bindings[0].Own || !strings.Contains(got.Bindings[0].URI, ";transport=t") {
			t.Errorf("bound as %+v", got.Bindings)
		}
		if code, err := p.Options(limit(t, 5*time.Second)); err != nil || code != 200 {
			t.Errorf("asked whether it lives: %d, %v", code, err)
		}
		caller := sipp(t, pbx, "9", "200 OK", "-t", "t1")
		l := answer(t, next(t, calls))
		if got := keys(t, l, 3); got != "12#" {
			t.Errorf("keys %q", got)
		}
		if code, err := l.Transfer(limit(t, 10*time.Second), "1002"); err != nil || code != 200 {
			t.Errorf("transfer: %d, %v", code, err)
		}
		if err := l.Hangup(limit(t, 10*time.Second)); err != nil {
			t.Errorf("hanging up: %v", err)
		}
		closes(t, "SIPp ends", caller.done)
		if code := caller.cmd.ProcessState.ExitCode(); code != 0 {
			t.Errorf("SIPp ends with %d:\n%s", code, caller.output())
		}
	})
}

// linesOf keeps the reception bound by a telephone, as a server on duty does.
func linesOf(t *testing.T, pbx netip.AddrPort, how func(*setup)) (*phone.Lines, <-chan *phone.Incoming) {
	t.Helper()
	s := setup{Options: phone.Options{
		Listen: freeAddr(t), PBX: pbx, RTPFirst: 30000, RTPLast: 30201, Log: discard(),
	}}
	calls := make(chan *phone.Incoming, 4)
	s.Invite = func(in *phone.Incoming) { calls <- in; <-in.Gone() }
	how(&s)
	p, err := phone.New(s.Options)
	if err != nil {
		t.Fatal(err)
	}
	may := func(bool, bool) bool { return true }
	line := func(a phone.Account) *register.Line {
		return register.NewLine(p, a, may, func(releve.Sentence) {}, discard())
	}
	lines := phone.NewLines(p, nil, line(reception()), line(phone.Account{}))
	p.Serve(s.Handler)
	ctx, end := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() { defer close(over); lines.Run(ctx) }()
	t.Cleanup(func() { _ = p.Close(); end(); <-over })
	lines.Keep(takeover.Users{Reception: true})
	return lines, calls
}

// until asks again and again.
func until(t *testing.T, what string, limit time.Duration, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !holds(); {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %s", what, limit)
		}
		<-time.After(10 * time.Millisecond)
	}
}

// A PBX that was started anew shows the binding within 2 s of the moment when it accepts connections.
func TestAPBXStartedAnewHasItsUsersBack(t *testing.T) {
	overStreams(t, func(t *testing.T, pbx *kamailio, at netip.AddrPort, how func(*setup)) {
		lines, _ := linesOf(t, at, how)
		until(t, "bound", 10*time.Second, func() bool { return lines.Bound().Reception })
		pbx.kill()
		if err := lines.Options(limit(t, 3*time.Second)); err == nil {
			t.Error("a PBX that is dead answers")
		}
		pbx.start()
		until(t, "the PBX accepts", 20*time.Second, func() bool {
			conn, err := net.Dial("tcp", at.String())
			if err == nil {
				_ = conn.Close()
			}
			return err == nil
		})
		lives := time.Now()
		other, _ := newPhone(t, pbx.addr)
		until(t, "bound again", 2*time.Second, func() bool {
			ctx, done := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer done()
			all, err := other.Bindings(ctx, reception())
			return err == nil && len(all) == 1
		})
		t.Logf("bound %s after the first sign of life", time.Since(lives).Round(time.Millisecond))
	})
}

// reachable gives a telephone a certificate of its own: behind a cord the PBX sees another port than that of the Contact, and
// opens a connection for its calls.
func reachable(t *testing.T) func(*setup) {
	return func(s *setup) {
		if s.Certificates == nil {
			return
		}
		certificate, key := newAuthority(t).issue(ownIP().String(), time.Now().Add(time.Hour))
		dir := t.TempDir()
		s.Certificates.Certificate, s.Certificates.Key = filepath.Join(dir, "own.pem"), filepath.Join(dir, "own.key")
		for file, text := range map[string]string{s.Certificates.Certificate: certificate, s.Certificates.Key: key} {
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A connection that breaks in the middle of a call is made anew, and the call goes on over it.
func TestAConnectionCutInACall(t *testing.T) {
	overStreams(t, func(t *testing.T, pbx *kamailio, at netip.AddrPort, how func(*setup)) {
		between := newCord(t, at)
		p, calls := newPhone(t, between.addr, how, reachable(t))
		if _, err := p.Register(limit(t, 10*time.Second), reception()); err != nil {
			t.Fatal(err)
		}
		caller := sipp(t, pbx, "9", "200 OK")
		l := answer(t, next(t, calls))
		if got := keys(t, l, 3); got != "12#" {
			t.Errorf("keys %q", got)
		}
		between.cut()
		if code, err := l.Transfer(limit(t, 10*time.Second), "1002"); err != nil || code != 200 {
			t.Errorf("transfer over the next connection: %d, %v", code, err)
		}
		if err := l.Hangup(limit(t, 10*time.Second)); err != nil {
			t.Errorf("hanging up: %v", err)
		}
		closes(t, "SIPp ends", caller.done)
		if code := caller.cmd.ProcessState.ExitCode(); code != 0 {
			t.Errorf("SIPp ends with %d:\n%s", code, caller.output())
		}
	})
}
