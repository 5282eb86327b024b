package media

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
	"golang.org/x/sys/unix"
)

// outgoing is the state of the packets that a stream sends.
type outgoing struct {
	sender  *sender
	header  rtp.Header
	read    rtp.Header // as what is encrypted reads
	tick    int64      // of the last packets; 0: none yet
	clock   uint32     // the timestamp of that tick
	packet  [headerSize + packetSamples]byte
	size    int        // samples of the packet that was filled in
	body    int        // its bytes behind the header
	press   *keystroke // what it reports; nil: it is sound
	to      netip.AddrPort
	address unix.Sockaddr // to, as the kernel takes it
	seal    *srtp.Context // encrypts; nil: nothing does
	sealed  [headerSize + packetSamples + sealMost]byte
}

// newOutgoing draws the source, the first number and the first timestamp by lot, as
// RFC 3550 §5.1 asks.
func newOutgoing(s *sender) outgoing {
	return outgoing{
		sender: s,
		clock:  rand.Uint32(),
		header: rtp.Header{
			Version:        rtpVersion,
			SSRC:           rand.Uint32(),
			SequenceNumber: uint16(rand.Uint32()),
		},
	}
}

// send sends what a tick has for the caller: one packet, or several where he takes only
// shorter ones. Only the engine's loop calls it.
func (s *Stream) send(tick int64, late time.Duration) {
	for at := 0; at < packetSamples; at += s.out.size {
		done, sends := s.fill(packetSamples - at)
		if !sends {
			return
		}
		s.count(late, s.out.send(tick, at))
		if done != nil {
			close(done)
		}
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

// fill writes the sound of the next packet, of so many samples at most, and says whether
// one is to be sent. The channel, if any, belongs to a clip of which this packet is the last.
func (s *Stream) fill(most int) (done chan struct{}, sends bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out.aim(s.source.destination())
	s.out.seal = s.seals.out
	if s.seals.anew {
		s.seals.anew, s.out.header.SSRC = false, rand.Uint32() // RFC 3711 §9.1
	}
	if s.out.address == nil || !s.format.Direction.Sends() || s.format.Crypto.Suite != "" && s.out.seal == nil {
		return nil, false
	}
	if s.pressing != nil && most == packetSamples {
		return s.reportKey()
	}
	s.out.header.PayloadType, s.out.press = s.format.PayloadType, nil
	s.out.size = min(most, s.format.samples())
	s.out.body = s.out.size
	payload := s.out.packet[headerSize : headerSize+s.out.size]
	if s.relays != nil && s.relays.take(payload, s.format.ALaw) {
		return nil, true
	}
	p := s.playing
	if p == nil {
		Clip{}.packet(payload, 0, s.format.ALaw)
		return nil, true
	}
	p.clip.packet(payload, p.next, s.format.ALaw)
	p.next += s.out.size
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

// send sends what was filled in, so many samples after the tick's first. The timestamp
// follows the clock: it also counts the ticks without a packet, and the packet after such
// a gap is marked (RFC 3551 §4.1).
func (o *outgoing) send(tick int64, at int) error {
	passed := tick - o.tick
	o.header.Marker = o.tick == 0 || passed > int64(slots)
	if o.tick != 0 {
		o.clock += uint32(passed * tickSamples)
	}
	o.tick = tick
	o.header.Timestamp = o.clock + uint32(at)
	if o.press != nil {
		o.header.Timestamp, o.header.Marker = o.press.stamp(o.header.Timestamp)
	}
	o.header.SequenceNumber++
	if _, err := o.header.MarshalTo(o.packet[:]); err != nil {
		return err
	}
	packet := o.packet[:headerSize+o.body]
	if o.seal != nil {
		var err error
		if packet, err = o.seal.EncryptRTP(o.sealed[:0], packet, &o.read); err != nil {
			return err
		}
	}
	return o.sender.send(packet, o.address)
}
