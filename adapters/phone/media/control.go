package media

import (
	"net"
	"net/netip"
	"time"
)

// RTCP is not read for what it says: that it comes shows that somebody is there, also while
// his telephone sends no sound (RFC 3550 §6).

// bindControl opens the port of RTCP beside that of a call's sound, where it is free and in
// the range. Without it the call only shows less of its other end.
func (e *Engine) bindControl(port int) *net.UDPConn {
	if port >= e.options.Last {
		return nil
	}
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(e.options.Address, uint16(port+1))))
	if err != nil {
		e.options.Log.Debug("RTCP of a call is not heard", "port", port+1, "error", err)
		return nil
	}
	return conn
}

// receiveControl reads RTCP until the stream is closed.
func (s *Stream) receiveControl() {
	buf := make([]byte, largestPacket)
	for {
		n, from, err := s.control.ReadFromUDPAddrPort(buf)
		if err != nil {
			return // closed with the stream, or no loss to the call
		}
		if isControl(buf[:n]) {
			s.hearControl(from.Addr().Unmap())
		}
	}
}

// hearControl takes in a packet of RTCP from whoever is heard, or was announced.
func (s *Stream) hearControl(from netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if from == s.source.announced.Addr() || from == s.source.locked.Addr() {
		s.life.control(time.Now())
	}
}

// isControl tells RTCP from RTP, also where both share a port (RFC 5761 §4).
func isControl(packet []byte) bool {
	return len(packet) >= 8 && packet[0]>>6 == rtpVersion && packet[1] >= 192 && packet[1] <= 223
}
