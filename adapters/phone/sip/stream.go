package sip

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"releve"
)

const (
	// writeLimit is how long a peer may leave unread what is written to it. The kernel keeps a good deal for it before.
	writeLimit = time.Second
	// messageLimit is how long a message may take from its first byte to its last, and a TLS handshake.
	messageLimit = 5 * time.Second
	// firstLimit is how long who connected may wait with his first message.
	firstLimit = 10 * time.Second
	// responsesMax wait for the library, which takes each in no time.
	responsesMax = 64
)

// Why a connection ended.
var (
	errSlow    = releve.Known("the peer does not read what is sent to it", "cause-sip-slow")
	errHalf    = releve.Known("a message was begun and not ended within 5 s", "cause-sip-half")
	errMute    = releve.Known("nothing came on the connection for too long", "cause-sip-mute")
	errEnded   = releve.Known("the peer ended the connection", "cause-sip-ended")
	errTurned  = releve.Known("the PBX is spoken to at another address now", "cause-sip-turned")
	errNowhere = releve.Known("nobody knows yet where the PBX is", "cause-sip-nowhere")
	errCrowd   = errors.New("too many connections: the one that was silent longest gave way")
	errSource  = errors.New("its address is no source of SIP any more")
)

// stream is one connection with the PBX.
type stream struct {
	conn      net.Conn
	remote    netip.AddrPort
	set       *streams
	ours      bool // we opened it: what the PBX answers comes here
	heard     atomic.Int64
	responses chan []byte // that the library has not had yet
	writing   sync.Mutex
	once      sync.Once
	why       error
	ended     chan struct{} // closed by cut
}

func newStream(set *streams, conn net.Conn, remote netip.AddrPort, ours bool) *stream {
	s := &stream{
		conn: conn, remote: remote, set: set, ours: ours,
		responses: make(chan []byte, responsesMax), ended: make(chan struct{}),
	}
	s.heardNow()
	return s
}

func (s *stream) heardNow() { s.heard.Store(time.Now().UnixNano()) }

// quiet is for how long nothing has come.
func (s *stream) quiet() time.Duration { return time.Since(time.Unix(0, s.heard.Load())) }

// over says whether the connection has ended.
func (s *stream) over() bool {
	select {
	case <-s.ended:
		return true
	default:
		return false
	}
}

func (*stream) reliable() bool { return true }

// send writes a message. Where the connection has ended meanwhile it goes by the one that is kept to the PBX
// (RFC 3261 §18.2.2).
func (s *stream) send(text []byte, _ netip.AddrPort) error {
	err := s.write(text)
	if kept := s.set.link.stream(); err != nil && kept != nil && kept != s {
		return kept.write(text)
	}
	return err
}

// write writes a whole message, or ends the connection: half of one would spoil all that follows.
func (s *stream) write(text []byte) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.over() {
		return s.why
	}
	_ = s.conn.SetWriteDeadline(time.Now().Add(writeLimit))
	_, err := s.conn.Write(text)
	if err == nil {
		return nil
	}
	if timedOut(err) {
		err = errSlow
	}
	s.cut(err)
	return err
}

// cut ends the connection at once, for a reason: what waits in the kernel is not sent any more.
func (s *stream) cut(why error) {
	s.once.Do(func() {
		s.why = why
		close(s.ended)
		hangUp(s.conn)
	})
}

// hangUp closes a connection so that its port is free again at once.
func hangUp(conn net.Conn) {
	if wrapped, ok := conn.(interface{ NetConn() net.Conn }); ok { // TLS
		conn = wrapped.NetConn()
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// read takes messages until the connection ends, and says why it did.
func (s *stream) read() error {
	defer s.set.admit()
	f, begun := newFramer(s.conn), false
	f.answer = func() { _ = s.write(pong) }
	f.begun = func() {
		begun = true
		s.heardNow()
		_ = s.conn.SetReadDeadline(time.Now().Add(messageLimit))
	}
	if !s.ours {
		_ = s.conn.SetReadDeadline(time.Now().Add(firstLimit))
	}
	for {
		text, err := f.next()
		switch {
		case timedOut(err) && !begun:
			return errMute
		case timedOut(err):
			return errHalf
		case err != nil:
			return err
		}
		_ = s.conn.SetReadDeadline(time.Time{})
		s.set.take(s, text, f.more())
	}
}

func timedOut(err error) bool {
	waited, ok := errors.AsType[net.Error](err)
	return ok && waited.Timeout()
}
