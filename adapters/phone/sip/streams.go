package sip

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// acceptedMax connections that the PBX opened are there at a time. One a telephone would be more than any PBX
	// opens to one user; at the bound the one that was silent longest gives way (SPEC K4).
	acceptedMax = 64
	// unacknowledgedMax is how long the kernel waits for a peer to acknowledge what was sent (TCP_USER_TIMEOUT), and
	// alive how an idle peer is asked whether it is there: a cable that was pulled says nothing by itself.
	unacknowledgedMax = 5 * time.Second
)

var alive = net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 2 * time.Second, Count: 3}

// streams are the connections with the PBX: the one that is kept to it, and those that it opens.
type streams struct {
	endpoint *Endpoint
	account  int          // that listens
	listener net.Listener // nil: over TLS without a certificate of our own nobody can connect
	link     *link
	handed   *handover
	tls      *Certificates // nil over TCP
	work     sync.WaitGroup
	stop     context.CancelFunc
	ctx      context.Context

	mu       sync.Mutex
	closed   bool
	accepted map[*stream]struct{}
}

// newStreams opens the listener. Nobody is connected to before run.
func newStreams(e *Endpoint, o Options) (*streams, error) {
	ss := &streams{endpoint: e, handed: newHandover(e.listen), accepted: make(map[*stream]struct{})}
	if e.transportIs == TLS {
		ss.tls = o.Certificates
		if ss.tls == nil {
			ss.tls = &Certificates{}
		}
	}
	ss.ctx, ss.stop = context.WithCancel(context.Background())
	ss.link = newLink(ss, o)
	if ss.tls != nil && ss.tls.Certificate == "" {
		return ss, nil
	}
	if err := ss.listen(); err != nil {
		ss.stop()
		return nil, err
	}
	return ss, nil
}

func (ss *streams) listen() (err error) {
	listen := net.ListenConfig{Control: sharePort, KeepAliveConfig: alive}
	ss.account = os.Geteuid()
	ss.listener, err = listen.Listen(ss.ctx, "tcp", ss.endpoint.listen.String())
	return err
}

// listenAsAccount listens anew where the program has changed its account since: the kernel shares a port between sockets of one
// account alone.
func (ss *streams) listenAsAccount() {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if ss.closed || ss.listener == nil || ss.account == os.Geteuid() {
		return
	}
	_ = ss.listener.Close()
	if err := ss.listen(); err != nil {
		ss.listener = nil
		ss.endpoint.log.Error("the PBX can open no connection: this server's own is all there is", "error", err)
	}
}

// sharePort lets the connection that is kept to the PBX leave from the port on which others are accepted: the PBX
// then finds that connection under the very address of our Contact, and uses it for its calls (RFC 5923 would say so by a
// parameter, which many do not read).
func sharePort(_, _ string, c syscall.RawConn) error {
	var wrong error
	err := c.Control(func(fd uintptr) {
		wrong = errors.Join(
			unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1),
			unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1),
			unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(unacknowledgedMax/time.Millisecond)))
	})
	return errors.Join(err, wrong)
}

// run begins to accept, and to keep the connection to the PBX.
func (ss *streams) run() {
	ss.work.Go(func() { _ = ss.endpoint.transport.ServeTCP(ss.handed) })
	<-ss.handed.accepting
	ss.listenAsAccount()
	ss.work.Go(func() { ss.link.keep(ss.ctx) })
	if ss.listener != nil {
		ss.work.Go(ss.accept)
	}
}

// close cuts every connection at once.
func (ss *streams) close() {
	ss.mu.Lock()
	ss.closed = true
	if ss.listener != nil {
		_ = ss.listener.Close()
	}
	ss.mu.Unlock()
	ss.stop()
	ss.handed.close()
	ss.cutAccepted(func(*stream) bool { return true }, ErrClosed)
	if kept := ss.link.stream(); kept != nil {
		kept.cut(ErrClosed)
	}
}

func (ss *streams) cutAccepted(which func(*stream) bool, why error) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	for s := range ss.accepted {
		if which(s) {
			s.cut(why)
		}
	}
}

// accept takes connections from the PBX. A stranger's is ended without a word (SPEC K1).
func (ss *streams) accept() {
	for {
		conn, err := ss.listener.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			ss.endpoint.log.Warn("SIP connections", "error", err)
			time.Sleep(10 * time.Millisecond) // a brake: the error may come at once again
			continue
		}
		from := addrPort(conn.RemoteAddr())
		if !ss.endpoint.door.admitsConnection(from.Addr()) {
			hangUp(conn)
			continue
		}
		if s := ss.adopt(conn, from); s != nil {
			ss.work.Go(func() { ss.serve(s) })
		}
	}
}

// adopt makes room for a connection of the PBX's.
func (ss *streams) adopt(conn net.Conn, from netip.AddrPort) *stream {
	if ss.tls != nil {
		conn = tls.Server(conn, ss.tls.server())
	}
	s := newStream(ss, conn, from, false)
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if ss.closed {
		s.cut(ErrClosed)
		return nil
	}
	if len(ss.accepted) >= acceptedMax {
		oldest := s
		for other := range ss.accepted {
			if other.quiet() > oldest.quiet() {
				oldest = other
			}
		}
		oldest.cut(errCrowd)
		delete(ss.accepted, oldest)
	}
	ss.accepted[s] = struct{}{}
	return s
}

// serve reads a connection that the PBX opened.
func (ss *streams) serve(s *stream) {
	err := handshake(ss.ctx, s.conn)
	if err == nil {
		err = s.read()
	}
	s.cut(err)
	ss.mu.Lock()
	delete(ss.accepted, s)
	ss.mu.Unlock()
	if !errors.Is(s.why, io.EOF) && !errors.Is(s.why, ErrClosed) {
		ss.endpoint.log.Info("a SIP connection ended", "from", s.remote, "why", s.why)
	}
}

// handshake proves both ends of a connection over TLS.
func handshake(ctx context.Context, conn net.Conn) error {
	over, ok := conn.(*tls.Conn)
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, messageLimit)
	defer cancel()
	return over.HandshakeContext(ctx)
}

// take takes a message as the reader of datagrams does, and hands a response to the library. Calls that wait are admitted
// once nothing more came behind it: an ACK or a BYE goes before them.
func (ss *streams) take(s *stream, text []byte, more bool) {
	if response := ss.endpoint.inlet.takeLocked(text, origin{s.remote, s}); response != nil {
		ss.answered(s, response)
	}
	if !more {
		ss.admit()
	}
}

// admit admits the calls that wait, a few at a time: what others bring goes between.
func (ss *streams) admit() {
	for ss.endpoint.inlet.admitSome() {
		continue
	}
}

// answered hands a response on as if the connection that we keep had brought it, where it did, or where the PBX opened one
// of its own for it (RFC 3261 §18.2.2). Another's word is nothing to our requests (SPEC K2).
func (ss *streams) answered(s *stream, response []byte) {
	to := s
	if !s.ours {
		to = ss.link.stream()
	}
	if to == nil || to.remote.Addr() != s.remote.Addr() {
		return
	}
	select {
	case to.responses <- response:
	case <-to.ended:
	}
}

// addrPort is an address of a connection, as others write it.
func addrPort(a net.Addr) netip.AddrPort {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	at := tcp.AddrPort()
	return netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
}
