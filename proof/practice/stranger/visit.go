package stranger

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// visit is one way to use a connection up.
type visit struct {
	name string
	// begin says something, or nothing. The connection is held afterwards.
	begin func(d *draw, c net.Conn, v *Stranger) error
	deaf  bool // what the other side says is left unread
}

// A door is what can be done at one port.
type door []visit

// silence says nothing at all.
var silence = visit{name: "a connection without a word", begin: says("")}

// says sends a text and no more.
func says(text string) func(*draw, net.Conn, *Stranger) error {
	return func(_ *draw, c net.Conn, _ *Stranger) error {
		_, err := io.WriteString(c, text)
		return err
	}
}

// linkDoor and witnessDoor speak TLS.
var (
	linkDoor    = append(secureDoor("/exchange", "/check", "/spool/read"), silence)
	witnessDoor = append(secureDoor("/register", "/claim", "/status"), silence)
)

func secureDoor(paths ...string) door {
	return door{
		{name: "TLS without an end", begin: unfinished},
		{name: "no TLS", begin: says("POST " + paths[0] + " HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")},
		{name: "TLS with a certificate of his own", begin: stranded(paths, true)},
		{name: "TLS without a certificate", begin: stranded(paths, false)},
		{name: "TLS, and no answer is read", begin: stranded(paths, true), deaf: true},
		{name: "noise", begin: func(d *draw, c net.Conn, _ *Stranger) error {
			_, err := c.Write(d.bytes(d.length(20000)))
			return err
		}},
	}
}

// unfinished begins a handshake and stops somewhere.
func unfinished(d *draw, c net.Conn, v *Stranger) error {
	_, err := c.Write(v.dressed.hello[:1+d.IntN(len(v.dressed.hello)-1)])
	return err
}

// stranded shakes hands, and sends a request whose body never comes whatever became of it.
func stranded(paths []string, certified bool) func(*draw, net.Conn, *Stranger) error {
	return func(d *draw, c net.Conn, v *Stranger) error {
		settings := v.dressed.settings(d.one("releve", "main", "secondary", "witness", "x"), certified)
		secure := tls.Client(c, settings)
		_ = c.SetDeadline(time.Now().Add(v.options.Hold))
		if err := secure.Handshake(); err != nil {
			return nil // refused, and the connection is held all the same
		}
		_, _ = fmt.Fprintf(secure, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n{", d.one(paths...), 1+d.IntN(1<<30))
		return nil
	}
}

// pageDoor speaks HTTP.
var pageDoor = door{
	silence,
	{name: "an answer that is not read", deaf: true, begin: func(d *draw, c net.Conn, _ *Stranger) error {
		return asks(c,
			d.one("/api/calls?limit=10000", "/api/site", "/", "/drawing.svg", "/api/calls?limit=99999999999999999999"),
			1+d.IntN(20))
	}},
	{name: "a live page that is not read", deaf: true, begin: func(d *draw, c net.Conn, _ *Stranger) error {
		return asks(c, d.one("/events", "/api/stored"), 1)
	}},
	{name: "a live page", begin: func(d *draw, c net.Conn, _ *Stranger) error {
		return asks(c, d.one("/events", "/api/stored"), 1)
	}},
	{name: "a body that never comes", begin: func(d *draw, c net.Conn, _ *Stranger) error {
		_, err := fmt.Fprintf(c, "POST %s HTTP/1.1\r\n%sContent-Length: %d\r\n\r\n", page(d), host(c), 1+d.IntN(1<<30))
		return err
	}},
	{name: "a body in pieces without an end", begin: func(d *draw, c net.Conn, _ *Stranger) error {
		_, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\n%sTransfer-Encoding: chunked\r\n\r\n400\r\n%s\r\n",
			page(d), host(c), d.word(1024))
		return err
	}},
	{name: "headers without an end", begin: func(d *draw, c net.Conn, _ *Stranger) error {
		_, err := io.WriteString(c, "GET / HTTP/1.1\r\n"+host(c)+"X: "+d.word(d.length(60000)))
		return err
	}},
	{name: "a host that is another's", begin: func(d *draw, c net.Conn, _ *Stranger) error {
		_, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: elsewhere.example\r\nOrigin: http://elsewhere.example\r\n\r\n",
			page(d))
		return err
	}},
	{name: "a request in disorder", begin: func(d *draw, c net.Conn, _ *Stranger) error {
		d.n += 100
		_, err := c.Write(d.mangled([]byte("GET " + page(d) + " HTTP/1.1\r\n" + host(c) +
			"Accept: text/event-stream\r\nContent-Length: 3\r\n\r\nabc")))
		return err
	}},
}

func page(d *draw) string {
	return d.one("/", "/api/site", "/api/diary", "/api/procedures/return",
		"/api/abdication", "/events", "/../../etc/passwd", "/"+d.word(d.length(8000)))
}

// host is the header that names the server by its own address.
func host(c net.Conn) string { return "Host: " + c.RemoteAddr().String() + "\r\n" }

// asks sends the same question so many times without a look at the answers.
func asks(c net.Conn, path string, times int) error {
	_, err := io.WriteString(c, strings.Repeat("GET "+path+" HTTP/1.1\r\n"+host(c)+"\r\n", times))
	return err
}

// visits opens connections to a port, so many a second and so many at one time.
func (s *Stranger) visits(ctx context.Context, stream uint64, rate int, to netip.AddrPort, at door) {
	if !to.IsValid() || s.options.Held == 0 {
		return
	}
	var held atomic.Int64
	s.pace(ctx, stream, rate, func(d *draw) error {
		d.n++
		v, from := at[d.IntN(len(at))], s.options.From[d.IntN(len(s.options.From))]
		private := newDraw(d.Uint64(), stream)
		private.n = d.n
		if held.Add(1) > int64(s.options.Held) {
			held.Add(-1)
			return nil
		}
		s.work.Go(func() {
			defer held.Add(-1)
			s.call(ctx, private, from, to, v)
		})
		return nil
	})
}

// call pays one visit.
func (s *Stranger) call(ctx context.Context, d *draw, from netip.Addr, to netip.AddrPort, v visit) {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: from.AsSlice()}, Timeout: s.options.Hold}
	if v.deaf {
		dialer.Control = smallEars
	}
	c, err := dialer.DialContext(ctx, "tcp4", to.String())
	if err != nil {
		s.note(func(r *Report) { r.Refused++ })
		return
	}
	defer c.Close()
	free := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer free()
	_ = c.SetDeadline(time.Now().Add(s.options.Hold))
	s.note(func(r *Report) { r.Sent[v.name]++ })
	if err = v.begin(d, c, s); err == nil {
		err = s.hold(ctx, c, v.deaf)
	}
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() == nil {
		s.note(func(r *Report) { r.Cut++ })
	}
}

// hold keeps a connection, and says with what it ended.
func (s *Stranger) hold(ctx context.Context, c net.Conn, deaf bool) error {
	if deaf {
		select {
		case <-ctx.Done():
		case <-time.After(s.options.Hold):
		}
		return nil
	}
	if _, err := io.Copy(io.Discard, c); err != nil {
		return err
	}
	return io.EOF
}

// smallEars makes the kernel take little of what is not read.
func smallEars(_, _ string, raw syscall.RawConn) error {
	var failed error
	err := raw.Control(func(fd uintptr) {
		failed = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096)
	})
	return errors.Join(err, failed)
}

// dress is what a stranger shows of himself where certificates are asked for.
type dress struct {
	certificate tls.Certificate
	hello       []byte // the first message of a handshake
}

// newDress makes a certificate that he signed himself.
func newDress() (dress, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return dress{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "secondary"},
		DNSNames:  []string{"main", "secondary", "witness"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return dress{}, err
	}
	d := dress{certificate: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}}
	d.hello, err = firstHello(d.settings("releve", true))
	return d, err
}

// settings believe anybody: it is he who is not believed.
func (d dress) settings(name string, certified bool) *tls.Config {
	c := &tls.Config{ServerName: name, InsecureSkipVerify: true} //nolint:gosec // he attacks
	if certified {
		c.Certificates = []tls.Certificate{d.certificate}
	}
	return c
}

// firstHello is what a handshake begins with.
func firstHello(c *tls.Config) ([]byte, error) {
	here, there := net.Pipe()
	defer here.Close()
	defer there.Close()
	go func() { _ = tls.Client(there, c).Handshake() }() // it ends with the pipe
	header := make([]byte, 5)
	if _, err := io.ReadFull(here, header); err != nil {
		return nil, err
	}
	record := append(header, make([]byte, int(header[3])<<8|int(header[4]))...)
	_, err := io.ReadFull(here, record[5:])
	return record, err
}
