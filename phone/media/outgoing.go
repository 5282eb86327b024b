package media

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"

	"github.com/pion/rtp"
	"golang.org/x/sys/unix"
)

// outgoing is the state of the packets that a stream sends.
type outgoing struct {
	sender  *sender
	header  rtp.Header
	tick    int64 // of the last packet; 0: none yet
	packet  [headerSize + packetSamples]byte
	to      netip.AddrPort
	address unix.Sockaddr // to, as the kernel takes it
}

// newOutgoing draws the source, the first number and the first timestamp by lot, as
// RFC 3550 §5.1 asks.
func newOutgoing(s *sender) outgoing {
	return outgoing{
		sender: s,
		header: rtp.Header{
			Version:        rtpVersion,
			SSRC:           rand.Uint32(),
			SequenceNumber: uint16(rand.Uint32()),
			Timestamp:      rand.Uint32(),
		},
	}
}

// send sends the packet of a tick. Only the engine's loop calls it.
func (s *Stream) send(tick int64, late time.Duration) {
	done, sends := s.fill()
	if !sends {
		return
	}
	s.count(late, s.out.send(tick))
	if done != nil {
		close(done)
	}
}

// count takes in what became of a packet. One that met its stream's end is neither sent
// nor refused.
func (s *Stream) count(late time.Duration, err error) {
	if errors.Is(err, net.ErrClosed) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.count(late, err)
	if err != nil {
		s.failure = err
	}
}

// fill writes the sound of the next packet, and says whether one is to be sent. The
// channel, if any, belongs to a clip of which this packet is the last.
func (s *Stream) fill() (done chan struct{}, sends bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out.aim(s.source.destination())
	if s.out.address == nil || !s.format.Direction.Sends() {
		return nil, false
	}
	s.out.header.PayloadType = s.format.PayloadType
	payload := s.out.packet[headerSize:]
	p := s.playing
	if p == nil {
		Clip{}.packet(payload, 0, s.format.ALaw)
		return nil, true
	}
	p.clip.packet(payload, p.next, s.format.ALaw)
	p.next += packetSamples
	if p.next < len(p.clip.MuLaw) {
		return nil, true
	}
	s.playing = nil
	return p.done, true
}

// aim sets where packets go.
func (o *outgoing) aim(to netip.AddrPort) {
	if to != o.to {
		o.to, o.address = to, sockaddr(to)
	}
}

// send sends what was filled in. The timestamp follows the clock: it also counts the
// ticks without a packet, and the packet after such a gap is marked (RFC 3551 §4.1).
func (o *outgoing) send(tick int64) error {
	passed := tick - o.tick
	o.header.Marker = o.tick == 0 || passed > int64(slots)
	if o.tick != 0 {
		o.header.Timestamp += uint32(passed * tickSamples)
	}
	o.tick = tick
	o.header.SequenceNumber++
	if _, err := o.header.MarshalTo(o.packet[:]); err != nil {
		return err
	}
	return o.sender.send(o.packet[:], o.address)
}
