package media

import (
	"net/netip"
	"time"

	"github.com/pion/rtp"
)

// incoming is the state of the packets that a stream receives.
type incoming struct {
	keypad   keypad
	presses  presses
	ear      ToneEar
	sequence sequence
}

// receive reads the caller's packets until the stream is closed.
func (s *Stream) receive() {
	defer close(s.digits)
	defer s.report()
	buf, opened := make([]byte, largestPacket), make([]byte, largestPacket)
	for {
		n, from, err := s.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			if !s.closed() {
				s.engine.options.Log.Error("RTP is no longer received: this call's keys are lost", "port", s.port, "error", err)
			}
			return
		}
		if isControl(buf[:n]) {
			s.hearControl(from.Addr().Unmap())
			continue
		}
		plain, proven := s.unseal(buf[:n], opened)
		if !proven {
			continue
		}
		var packet rtp.Packet
		if packet.Unmarshal(plain) == nil && packet.Version == rtpVersion {
			s.hear(netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), &packet)
		}
	}
}

// hear takes in one packet, if it is the caller's.
func (s *Stream) hear(from netip.AddrPort, packet *rtp.Packet) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	accepted, usurped := s.source.accepts(from, &packet.Header, now)
	if !accepted {
		return
	}
	if usurped {
		s.forgetDigits()
	}
	if s.stats.Received == 0 {
		close(s.received)
	}
	s.stats.Received++
	s.life.sound(packet, s.format, now)
	s.stats.Lost = s.in.sequence.lost(packet.SSRC, packet.SequenceNumber)
	if !s.format.reports(packet.PayloadType) {
		s.overhear(packet)
		s.passOn(packet)
		if packet.PayloadType == s.format.PayloadType {
			s.listen(packet.Payload, s.format.ALaw, now)
		}
		return
	}
	if key, pressed := s.in.keypad.press(packet); pressed {
		s.came(key, byEvent, now)
	}
}

// Disowned stands among the keys where those before it, which were read already, were pressed
// by a neighbour in the network and not by the caller.
const Disowned = byte(0)

// forgetDigits drops the keys of a neighbour that nobody has read yet, and has those that were
// read forgotten.
func (s *Stream) forgetDigits() {
	s.in.keypad, s.in.presses, s.in.ear = keypad{}, presses{}, ToneEar{}
	for {
		select {
		case <-s.digits:
		default:
			s.press(Disowned)
			return
		}
	}
}

// press hands a key to the reader of Digits, without waiting for one.
func (s *Stream) press(key byte) {
	to := s.digits
	if s.carries != nil && key != Disowned {
		to = s.carries.keys
	}
	select {
	case to <- key:
	default:
		s.stats.DroppedDigits++
	}
}

// maxDropout is the jump in a sequence that is a new sequence, not a loss (RFC 3550 §A.1).
const maxDropout = 3000

// A sequence counts what is missing in the numbers of a source's packets.
type sequence struct {
	source   uint32 // SSRC
	highest  uint16
	expected int64 // since the sequence began; 0: none did
	got      int64
	before   int64 // lost in sequences before this one
}

// lost takes in one packet's number, and returns how many packets are missing so far.
// One that comes late is no longer missing; one that comes twice hides a loss, which
// RFC 3550 §A.3 accepts.
func (q *sequence) lost(source uint32, number uint16) uint64 {
	jump := int64(int16(number - q.highest))
	switch {
	case q.expected == 0 || source != q.source || jump > maxDropout || jump < -maxDropout:
		*q = sequence{source: source, highest: number, expected: 1, before: q.missing()}
	case jump > 0:
		q.expected += jump
		q.highest = number
	}
	q.got++
	return uint64(q.missing())
}

func (q *sequence) missing() int64 { return q.before + max(0, q.expected-q.got) }
