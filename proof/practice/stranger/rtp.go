package stranger

import (
	"encoding/binary"
	"net/netip"
)

const (
	keyPayload = 101 // of telephone events, as nearly everybody numbers them
	keyEnd     = 0x80
)

// keys writes a telephone event (RFC 4733 §2.3): a key that is pressed and let go.
func keys(key byte, source uint32, number uint16, timestamp uint32) []byte {
	b := make([]byte, 16)
	b[0], b[1] = 0x80, keyPayload
	binary.BigEndian.PutUint16(b[2:], number)
	binary.BigEndian.PutUint32(b[4:], timestamp)
	binary.BigEndian.PutUint32(b[8:], source)
	b[12], b[13] = key, keyEnd|10
	binary.BigEndian.PutUint16(b[14:], 800)
	return b
}

// voice writes a frame of A-law noise.
func voice(d *draw, source uint32, number uint16) []byte {
	b := append(make([]byte, 12), d.bytes(160)...)
	b[0], b[1] = 0x80, 8
	binary.BigEndian.PutUint16(b[2:], number)
	binary.BigEndian.PutUint32(b[4:], 160*uint32(number))
	binary.BigEndian.PutUint32(b[8:], source)
	return b
}

// A stranger's sound goes to few ports at a time, so many packets to each before he turns to
// the next: a sequence with holes is believed by nobody, and shows nothing.
const (
	portsAtOnce   = 4
	packetsToEach = 100
)

// sayRTP sends one packet to a port of sound: keys in an orderly sequence, without a hole, from
// addresses of his own, and disorder in the name of the PBX.
func (s *Stranger) sayRTP(to Server) func(*draw) error {
	ports := max(1, (to.RTPLast-to.RTPFirst+1)/2)
	said := make([]uint32, ports) // of the sequence to each port
	return func(d *draw) error {
		at := (d.n/(portsAtOnce*packetsToEach)*portsAtOnce + d.n%portsAtOnce) % ports
		d.n++
		port := netip.AddrPortFrom(to.SIP.Addr(), uint16(to.RTPFirst+2*at))
		mouth := s.mouths[at%len(s.mouths)] // always the same for a port
		var packet []byte
		switch kind := d.IntN(8); {
		case kind == 0:
			packet = d.bytes(d.length(1400))
		case kind == 1 && s.forger != nil:
			s.note(func(r *Report) { r.Sent["sound in the name of the PBX"]++ })
			return s.forger.send(netip.AddrPortFrom(s.site.PBX.Addr(), uint16(1024+d.IntN(60000))), port,
				keys(byte(1+d.IntN(4)), d.Uint32(), uint16(d.Uint32()), d.Uint32()))
		case at%2 == 0:
			packet = voice(d, uint32(at), uint16(said[at]))
			said[at]++
		default:
			packet = keys(byte(1+said[at]/4%4), uint32(at), uint16(said[at]), said[at]/4)
			said[at]++
		}
		s.note(func(r *Report) { r.Sent["sound and keys"]++ })
		_, err := mouth.WriteToUDPAddrPort(packet, port)
		return err
	}
}
