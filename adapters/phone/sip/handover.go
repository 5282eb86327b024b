package sip

import (
	"io"
	"net"
	"net/netip"
	"sync"
	"time"
)

// handover gives the library each connection that is made to the PBX, as a listener gives those that it accepts. The
// library writes our requests to it and reads the responses from it, screened and in one piece each; it opens and closes
// none by itself, and ends the transactions of one that ended.
type handover struct {
	at        netip.AddrPort
	conns     chan net.Conn
	first     sync.Once
	accepting chan struct{} // closed when the library waits for the first
	once      sync.Once
	done      chan struct{}
}

func newHandover(at netip.AddrPort) *handover {
	return &handover{at: at, conns: make(chan net.Conn), accepting: make(chan struct{}), done: make(chan struct{})}
}

// give hands a connection over and returns when the library has it. False: the endpoint is closed.
func (h *handover) give(s *stream) bool {
	c := &handed{stream: s, at: h.at, known: make(chan struct{})}
	select {
	case h.conns <- c:
	case <-h.done:
		return false
	}
	select {
	case <-c.known:
		return true
	case <-h.done:
		return false
	}
}

func (h *handover) close() { h.once.Do(func() { close(h.done) }) }

// Accept is of net.Listener.
func (h *handover) Accept() (net.Conn, error) {
	h.first.Do(func() { close(h.accepting) })
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

// Close is of net.Listener.
func (h *handover) Close() error {
	h.close()
	return nil
}

// Addr is of net.Listener.
func (h *handover) Addr() net.Addr { return net.TCPAddrFromAddrPort(h.at) }

// handed is a connection as the library has it.
type handed struct {
	stream *stream
	at     netip.AddrPort // under which the library finds it
	first  sync.Once
	known  chan struct{} // closed when the library reads, and so knows it
	rest   []byte        // of a response that its buffer had no room for
}

// Read gives one response at a time. Only the library's one reader is here.
func (c *handed) Read(b []byte) (int, error) {
	c.first.Do(func() { close(c.known) })
	if len(c.rest) > 0 {
		n := copy(b, c.rest)
		c.rest = c.rest[n:]
		return n, nil
	}
	select {
	case text := <-c.stream.responses:
		n := copy(b, text)
		c.rest = text[n:]
		return n, nil
	case <-c.stream.ended:
		return 0, io.EOF
	}
}

func (c *handed) Write(text []byte) (int, error) {
	if err := c.stream.write(text); err != nil {
		return 0, err
	}
	return len(text), nil
}

// Close is asked for when the endpoint closes, which has cut the connection before.
func (c *handed) Close() error { return nil }

func (c *handed) LocalAddr() net.Addr  { return net.TCPAddrFromAddrPort(c.at) }
func (c *handed) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.stream.remote) }

// Deadlines are the stream's own.
func (*handed) SetDeadline(time.Time) error      { return nil }
func (*handed) SetReadDeadline(time.Time) error  { return nil }
func (*handed) SetWriteDeadline(time.Time) error { return nil }
