package porter

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"time"
)

// Listener lets so many connections in as its room has places.
type Listener struct {
	net.Listener
	o       Options
	room    *Room
	turning sync.WaitGroup
	turns   chan struct{}
}

// Options say who is let in.
type Options struct {
	Rules
	Stuck   time.Duration         // without any progress of what is written: the connection ends
	Known   func(netip.Addr) bool // vouches for an address; nil: for none
	Refusal []byte                // said to who is turned away; nil: nothing
}

// Listen keeps the door of a listener.
func Listen(l net.Listener, o Options) *Listener {
	return &Listener{Listener: l, o: o, room: NewRoom(o.Rules), turns: make(chan struct{}, turnsMost)}
}

// Bounds of saying no: to so many at the same time, for so long; the others just hear that
// the connection ended.
const (
	turnsMost = 16
	turnLimit = 500 * time.Millisecond
	turnBytes = 64 << 10 // read of who is refused, so that he hears why
)

// unsent is how many bytes the system holds of what was written and not yet taken.
const unsent = 128 << 10

// Accept gives the next connection that was let in, a [*Conn].
func (l *Listener) Accept() (net.Conn, error) {
	for {
		raw, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if conn, ok := l.admit(raw); ok {
			return conn, nil
		}
		l.turnAway(raw)
	}
}

func (l *Listener) admit(raw net.Conn) (*Conn, bool) {
	from := address(raw.RemoteAddr())
	c := &Conn{Conn: raw, stuck: l.o.Stuck}
	if tcp, ok := raw.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(unsent) // left alone, the system takes megabytes from us that nobody reads
	}
	guest, ok := l.room.Enter(from, l.o.Known != nil && l.o.Known(from), c.cut)
	c.guest = guest
	return c, ok
}

func address(a net.Addr) netip.Addr {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

func (l *Listener) turnAway(raw net.Conn) {
	if l.o.Refusal != nil {
		select {
		case l.turns <- struct{}{}:
			l.turning.Go(func() {
				defer func() { <-l.turns }()
				refuse(raw, l.o.Refusal)
			})
			return
		default:
		}
	}
	reset(raw)
}

// refuse says no and reads what was asked: closed with that unread, the connection would be
// reset before the answer is heard.
func refuse(raw net.Conn, text []byte) {
	defer raw.Close() //nolint:errcheck // nobody is at its other end any more
	if raw.SetDeadline(time.Now().Add(turnLimit)) != nil {
		return
	}
	if _, err := raw.Write(text); err != nil {
		return
	}
	if half, ok := raw.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		_, _ = io.CopyN(io.Discard, raw, turnBytes)
	}
}

// reset ends a connection and what the system still holds of it.
func reset(raw net.Conn) {
	if tcp, ok := raw.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = raw.Close()
}

// Close ends the listening, when all who were being refused have heard it.
func (l *Listener) Close() error {
	err := l.Listener.Close()
	l.turning.Wait()
	return err
}

// Conn is a connection that was let in. Whoever takes nothing of what is written to it for
// the limit is cut off; whoever takes it slowly never is.
type Conn struct {
	net.Conn
	guest *Guest
	stuck time.Duration
	once  sync.Once

	mu       sync.Mutex
	deadline time.Time // for writing, that somebody set
}

// piece is how much is written at a time, so that small progress is seen.
const piece = 16 << 10

// Write implements [net.Conn]. Its limit is one for no progress: it is looked at several
// times within it, for the system says only at a deadline how much was taken before.
func (c *Conn) Write(text []byte) (written int, err error) {
	defer c.guest.Taken()
	c.guest.Waits()
	for moved := time.Now(); written < len(text); {
		if err := c.arm(); err != nil {
			return written, err
		}
		n, err := c.Conn.Write(text[written:min(written+piece, len(text))])
		if written += n; n > 0 {
			moved = time.Now()
			c.guest.Waits()
		}
		switch {
		case err == nil, errors.Is(err, os.ErrDeadlineExceeded) && !c.late() && time.Since(moved) < c.stuck:
		case errors.Is(err, os.ErrDeadlineExceeded):
			c.cut()
			return written, err
		default:
			return written, err
		}
	}
	return written, nil
}

// looks is how often progress is looked at within the limit for none.
const looks = 5

// arm sets the limit of the next look, which is somebody's deadline if that is sooner.
func (c *Conn) arm() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	limit := time.Now().Add(c.stuck / looks)
	if !c.deadline.IsZero() && c.deadline.Before(limit) {
		limit = c.deadline
	}
	return c.Conn.SetWriteDeadline(limit)
}

func (c *Conn) late() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.deadline.IsZero() && !time.Now().Before(c.deadline)
}

// SetWriteDeadline implements [net.Conn].
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = t
	return c.Conn.SetWriteDeadline(t)
}

// SetDeadline implements [net.Conn].
func (c *Conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// Read implements [net.Conn].
func (c *Conn) Read(into []byte) (int, error) {
	n, err := c.Conn.Read(into)
	if n > 0 {
		c.guest.Moved()
	}
	return n, err
}

// Close implements [net.Conn].
func (c *Conn) Close() error {
	err := net.ErrClosed
	c.once.Do(func() { err = c.Conn.Close() })
	c.guest.Leave()
	return err
}

// cut ends the connection at once: nobody reads what was not sent yet.
func (c *Conn) cut() { c.once.Do(func() { reset(c.Conn) }) }

// Attach tells the door what each connection of a server does, and lets its handlers vouch
// for theirs. The server has neither ConnState, ConnContext nor ErrorLog of its own.
func Attach(s *http.Server, own *slog.Logger) {
	s.ErrorLog = log.New(serverLog{own}, "", 0)
	s.ConnState = func(conn net.Conn, state http.ConnState) {
		if c := within(conn); c != nil {
			c.guest.Rest(state != http.StateActive)
		}
	}
	s.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		return context.WithValue(ctx, connKey{}, within(conn))
	}
}

// serverLog is where net/http tells what went wrong. Failed handshakes of whoever knocks at the
// port are of no use at 3 a.m.; a handler's panic is a fault of this program, which goes on.
type serverLog struct{ *slog.Logger }

func (l serverLog) Write(said []byte) (int, error) {
	level := slog.LevelDebug
	if bytes.HasPrefix(said, []byte("http: panic serving ")) { // net/http begins it, what a stranger sent comes later
		level = slog.LevelError
	}
	l.Log(context.Background(), level, string(bytes.TrimSpace(said)))
	return len(said), nil
}

type connKey struct{}

// within finds the connection that was let in under what TLS makes of it, nil when it came
// by another door.
func within(conn net.Conn) *Conn {
	if secured, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = secured.NetConn()
	}
	c, _ := conn.(*Conn)
	return c
}

// Vouch gives the connection of a request one of the places that are kept: who asks is
// known.
func Vouch(ctx context.Context) {
	if c, _ := ctx.Value(connKey{}).(*Conn); c != nil {
		c.guest.Vouch()
	}
}

// Unasked says that the request of a connection has not come whole yet, until asked is
// called: who is still asking gives way like one who asks for nothing.
func Unasked(ctx context.Context) (asked func()) {
	c, _ := ctx.Value(connKey{}).(*Conn)
	if c == nil {
		return func() {}
	}
	c.guest.Rest(true)
	return func() { c.guest.Rest(false) }
}
