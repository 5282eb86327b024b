package media

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"
)

var (
	// ErrMute says that the stream may not speak yet: the call is not acknowledged.
	ErrMute = errors.New("the stream may not speak yet")
	// ErrPlaying says that another clip is being played: stop it first.
	ErrPlaying = errors.New("the stream is playing another clip")
)

const (
	// unreadDigits bounds the keys that wait for their reader: more than a caller can
	// press while a prompt is being fetched. Further ones are dropped and counted.
	unreadDigits = 64

	rtpVersion    = 2
	headerSize    = 12   // of RTP without extensions
	largestPacket = 1500 // that an Ethernet carries
)

// A Stream is the sound of one call: a UDP port, what is played to the caller, and the
// keys that the caller presses. Its methods may be called from several goroutines.
type Stream struct {
	engine   *Engine
	conn     *net.UDPConn
	control  *net.UDPConn // of RTCP; nil where there is none
	port     int
	digits   chan byte
	received chan struct{}  // closed at the first packet of the caller
	closing  chan struct{}  // closed with the sockets
	readers  sync.WaitGroup // the receiving goroutines
	keys     Keyring
	out      outgoing // of the engine's loop alone
	in       incoming // of the receiving goroutine; its presses are locked

	mu        sync.Mutex
	speaks    bool // the engine's loop has it
	format    Format
	seals     seals // of the format
	source    source
	life      life
	playing   *playback
	pressing  *keystroke // a key of ours; meanwhile no sound is sent
	overhears func(payload []byte, aLaw bool)
	carries   *passage // takes what is heard to another stream; nil: none
	relays    *passage // brings what another stream hears; nil: none
	stats     Stats
	failure   error // the last one of Stats.Failed
}

// playback is a clip while it is played.
type playback struct {
	clip Clip
	next int           // sample that the next packet begins with
	done chan struct{} // closed when the last packet has left
}

func newStream(e *Engine, conn, control *net.UDPConn) (*Stream, error) {
	sender, err := newSender(conn)
	if err != nil {
		return nil, err
	}
	sender.mark()
	s := &Stream{
		engine:   e,
		conn:     conn,
		control:  control,
		port:     conn.LocalAddr().(*net.UDPAddr).Port,
		digits:   make(chan byte, unreadDigits),
		received: make(chan struct{}),
		closing:  make(chan struct{}),
		out:      newOutgoing(sender),
	}
	s.readers.Go(s.receive)
	if control != nil {
		s.readers.Go(s.receiveControl)
	}
	return s, nil
}

// Keys are those with which this end encrypts.
func (s *Stream) Keys() *Keyring { return &s.keys }

// Port is the UDP port on the engine's address, for the session description.
func (s *Stream) Port() int { return s.port }

// Agree takes over what two descriptions agreed on. From here on the caller is heard,
// and nothing is sent before [Stream.Speak]. Called again, after a re-INVITE, it changes
// destination and format; who was learned to be the caller stays, unless another address
// is announced. On a closed stream it does nothing.
func (s *Stream) Agree(remote netip.AddrPort, f Format) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	if s.seals, err = s.keys.sealed(s.seals, s.format.Crypto, f.Crypto); err != nil {
		s.seals = seals{} // nothing is said or heard rather than in the clear
		s.engine.options.Log.Error("the sound of a call cannot be encrypted as was agreed", "suite", f.Crypto.Suite, "error", err)
	}
	s.format = f
	s.life.agreed(time.Now())
	if s.source.announced != remote {
		s.source = source{announced: remote, networks: s.engine.Networks(), since: time.Now()}
	}
}

// Speak begins the flow of packets to the caller, silent until a clip is played. Not to
// be called before the caller acknowledged the call: one forged INVITE would have sound
// sent to whomever it names. On a closed stream it does nothing.
func (s *Stream) Speak() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.speaks && !s.closed() {
		s.speaks = true
		s.engine.pacer.join(s)
	}
}

// Play plays a clip and returns when its last packet has left, ctx is done (with its
// cause), or the stream is closed ([ErrClosed]). While the format's direction forbids
// sending (the caller is on hold), the clip waits.
func (s *Stream) Play(ctx context.Context, c Clip) error {
	p := &playback{clip: c, done: make(chan struct{})}
	if err := s.begin(p); err != nil {
		return err
	}
	defer s.end(p)
	return s.sent(ctx, p.done)
}

// sent waits until the last packet of something has left.
func (s *Stream) sent(ctx context.Context, last <-chan struct{}) error {
	select {
	case <-last:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-s.closing:
		return ErrClosed
	}
}

func (s *Stream) begin(p *playback) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed():
		return ErrClosed
	case !s.speaks:
		return ErrMute
	case s.playing != nil:
		return ErrPlaying
	case len(p.clip.MuLaw) == 0:
		close(p.done)
		return nil
	}
	s.playing = p
	return nil
}

func (s *Stream) end(p *playback) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.playing == p {
		s.playing = nil
	}
}

// Digits gives the keys that the caller presses: 0 to 9, *, #, A to D, and [Disowned]. It
// holds up to 64 of them and is closed with the stream.
func (s *Stream) Digits() <-chan byte { return s.digits }

// Received is closed when the first packet of the caller has come.
func (s *Stream) Received() <-chan struct{} { return s.received }

// Close ends the stream and frees its port. It may be called more than once.
func (s *Stream) Close() {
	s.shut()
	s.engine.pacer.leave(s)
	s.engine.forget(s)
	s.readers.Wait()
}

// shut closes the sockets and waits for nothing. From here on the stream does not start.
func (s *Stream) shut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed() {
		close(s.closing)
		s.conn.Close()
		if s.control != nil {
			s.control.Close()
		}
	}
}

func (s *Stream) closed() bool {
	select {
	case <-s.closing:
		return true
	default:
		return false
	}
}

// report tells of packets that the kernel refused: the caller heard nothing.
func (s *Stream) report() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stats.Failed > 0 {
		s.engine.options.Log.Warn("the kernel refused RTP packets; check the route and the firewall towards the PBX",
			"to", s.source.destination(), "packets", s.stats.Failed, "error", s.failure)
	}
}
