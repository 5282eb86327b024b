// Package seal closes the page's connections against whoever listens on the way: TLS, on the port on which the
// page is there without it too. The word and the drawing are anybody's, and screens on walls and probes go on
// asking for them as they did; what needs a login is sealed or refused (SPEC K5).
package seal

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
)

// handshake is the first byte of a TLS connection (RFC 8446, 5.1). No method of HTTP begins with it.
const handshake = 0x16

// Listener gives connections that are sealed or plain, as whoever comes begins them.
type Listener struct {
	net.Listener
	config *tls.Config
}

// Listen seals those connections of a listener that begin so, by the certificates of config.
func Listen(l net.Listener, config *tls.Config) *Listener { return &Listener{l, config} }

// Accept gives the next connection. It waits for nothing that the other end has to send: that is read with the rest,
// within the limits of whoever reads.
func (l *Listener) Accept() (net.Conn, error) {
	raw, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &Conn{Conn: raw, config: l.config}, nil
}

// Conn is a connection that shows with its first byte whether it is sealed.
type Conn struct {
	net.Conn // as it came
	config   *tls.Config
	once     sync.Once
	looked   error
	sealed   atomic.Pointer[tls.Conn] // nil: plain, or nothing was read yet
	first    [1]byte
	unread   bool // first was not given out yet, by a plain one
}

// NetConn is the connection as it came.
func (c *Conn) NetConn() net.Conn { return c.Conn }

// look reads the first byte.
func (c *Conn) look() {
	if _, c.looked = io.ReadFull(c.Conn, c.first[:]); c.looked != nil {
		return
	}
	if c.first[0] == handshake {
		c.sealed.Store(tls.Server(&begun{Conn: c.Conn, first: c.first[:]}, c.config))
		return
	}
	c.unread = true
}

// Read implements [net.Conn].
func (c *Conn) Read(into []byte) (int, error) {
	if len(into) == 0 {
		return 0, nil
	}
	if c.once.Do(c.look); c.looked != nil {
		return 0, c.looked
	}
	if sealed := c.sealed.Load(); sealed != nil {
		return sealed.Read(into)
	}
	if c.unread {
		c.unread = false
		return copy(into, c.first[:]), nil
	}
	return c.Conn.Read(into)
}

// Write implements [net.Conn].
func (c *Conn) Write(text []byte) (int, error) {
	if sealed := c.sealed.Load(); sealed != nil {
		return sealed.Write(text)
	}
	return c.Conn.Write(text)
}

// Close implements [net.Conn].
func (c *Conn) Close() error {
	if sealed := c.sealed.Load(); sealed != nil {
		return sealed.Close()
	}
	return c.Conn.Close()
}

// begun is a connection whose beginning was read already.
type begun struct {
	net.Conn
	first []byte
}

func (b *begun) Read(into []byte) (int, error) {
	if len(b.first) > 0 {
		n := copy(into, b.first)
		b.first = b.first[n:]
		return n, nil
	}
	return b.Conn.Read(into)
}

type connKey struct{}

// Attach has a server's requests know by which connection they came. It goes after whatever else sets ConnContext.
func Attach(s *http.Server) {
	before := s.ConnContext
	s.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		if before != nil {
			ctx = before(ctx, conn)
		}
		return context.WithValue(ctx, connKey{}, conn)
	}
}

// Sealed says that a request came sealed.
func Sealed(ctx context.Context) bool {
	c, ours := ctx.Value(connKey{}).(*Conn)
	return ours && c.sealed.Load() != nil
}
