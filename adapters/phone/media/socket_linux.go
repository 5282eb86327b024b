package media

import (
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// expedited is the DSCP of voice, EF (RFC 3246), as the byte of the IP header.
const expedited = 46 << 2

// A sender writes datagrams to a socket without ever waiting. net.UDPConn would wait for
// room in a full send buffer, and the loop of all calls with it.
type sender struct {
	raw    syscall.RawConn
	packet []byte
	to     unix.Sockaddr
	err    error
	write  func(fd uintptr) bool // made once: the loop allocates nothing
}

func newSender(conn *net.UDPConn) (*sender, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	s := &sender{raw: raw}
	s.write = func(fd uintptr) bool {
		s.err = unix.Sendto(int(fd), s.packet, unix.MSG_DONTWAIT, s.to)
		return true
	}
	return s, nil
}

// send hands one datagram to the kernel, or fails at once.
func (s *sender) send(packet []byte, to unix.Sockaddr) error {
	s.packet, s.to = packet, to
	if err := s.raw.Write(s.write); err != nil {
		return err
	}
	return s.err
}

// mark asks the network to carry the socket's packets before ordinary ones. Networks
// that do not know the mark ignore it, and so is a failure to set it.
func (s *sender) mark() {
	s.raw.Control(func(fd uintptr) {
		unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_TOS, expedited)
		unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_TCLASS, expedited)
	})
}

// sockaddr is an address as the kernel takes it; nil where there is none to send to.
func sockaddr(a netip.AddrPort) unix.Sockaddr {
	switch {
	case !a.IsValid() || a.Port() == 0 || a.Addr().IsUnspecified():
		return nil
	case a.Addr().Is4():
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	default:
		return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
	}
}
