package media

import (
	"context"
	"encoding/binary"
	"strings"

	"github.com/pion/rtp"

	"releve"
)

// ErrKeyless says that the other end agreed to no telephone events: a key cannot be pressed so.
var ErrKeyless = releve.Known("no telephone events were agreed on", "cause-keyless")

// A key of ours is held for 100 ms, and its end is told three times, a packet's time apart (RFC 4733 §2.5.1.4).
const (
	pressPackets = 5
	pressEnds    = 3
	pressVolume  = 10 // below 0 dBm0
)

// keystroke is a key while it is pressed.
type keystroke struct {
	code  byte
	sent  int    // packets
	began uint32 // timestamp of all of them
	done  chan struct{}
}

// Press presses a key as a telephone does that sends events (RFC 4733), and returns when its end was told:
// 160 ms. It fails with [ErrKeyless], [ErrMute], [ErrPlaying] while another is pressed, ctx's cause, or [ErrClosed].
func (s *Stream) Press(ctx context.Context, key byte) error {
	p := &keystroke{code: byte(strings.IndexByte(keys, key)), done: make(chan struct{})}
	if err := s.beginPress(p); err != nil {
		return err
	}
	return s.sent(ctx, p.done)
}

func (s *Stream) beginPress(p *keystroke) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed():
		return ErrClosed
	case !s.speaks:
		return ErrMute
	case s.pressing != nil:
		return ErrPlaying
	case s.format.DTMF == 0 || int(p.code) >= len(keys):
		return ErrKeyless
	}
	s.pressing = p
	return nil
}

// reportKey writes what the next packet tells of the key that is pressed.
func (s *Stream) reportKey() (done chan struct{}, sends bool) {
	p, o := s.pressing, &s.out
	if s.relays != nil { // what is said meanwhile is not said later
		s.relays.take(o.packet[headerSize:headerSize+packetSamples], s.format.ALaw)
	}
	p.sent++
	o.header.PayloadType, o.press, o.size, o.body = s.format.DTMF, p, packetSamples, eventSize
	report := o.packet[headerSize : headerSize+eventSize]
	report[0], report[1] = p.code, pressVolume
	if p.sent >= pressPackets {
		report[1] |= 0x80
	}
	binary.BigEndian.PutUint16(report[2:], uint16(min(p.sent, pressPackets)*packetSamples))
	if p.sent < pressPackets+pressEnds-1 {
		return nil, true
	}
	s.pressing = nil
	return p.done, true
}

// stamp is when the key was pressed, and whether this packet is the first to tell.
func (p *keystroke) stamp(now uint32) (began uint32, first bool) {
	if p.sent == 1 {
		p.began = now
	}
	return p.began, p.sent == 1
}

// Overhear has the sound that comes given to hear from now on, packet by packet: G.711, of which law. It must
// not wait, nor keep the payload.
func (s *Stream) Overhear(hear func(payload []byte, aLaw bool)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.overhears = hear
}

func (s *Stream) overhear(packet *rtp.Packet) {
	if s.overhears != nil && (packet.PayloadType == payloadPCMA || packet.PayloadType == payloadPCMU) {
		s.overhears(packet.Payload, packet.PayloadType == payloadPCMA)
	}
}
