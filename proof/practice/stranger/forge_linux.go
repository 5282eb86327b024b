package stranger

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// forger writes UDP datagrams whose sender is whoever he says (RFC 791, RFC 768).
type forger struct {
	socket *os.File
	raw    syscall.RawConn
}

func newForger() (*forger, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		return nil, fmt.Errorf("no raw socket to forge senders with: %w; run as root", err)
	}
	f := &forger{socket: os.NewFile(uintptr(fd), "forger")}
	f.raw, err = f.socket.SyscallConn()
	return f, err
}

func (f *forger) close() error { return f.socket.Close() }

// maxForged leaves room for the two headers.
const (
	ipHeader, udpHeader = 20, 8
	maxForged           = 65535 - ipHeader - udpHeader
)

// send sends a datagram. One longer than the line takes is not fragmented by a raw socket: the
// error says so.
func (f *forger) send(from, to netip.AddrPort, payload []byte) error {
	packet := datagram(from, to, payload[:min(len(payload), maxForged)])
	var failed error
	err := f.raw.Write(func(fd uintptr) bool {
		failed = unix.Sendto(int(fd), packet, 0, &unix.SockaddrInet4{Addr: to.Addr().As4()})
		return failed != unix.EAGAIN
	})
	if err != nil {
		return err
	}
	return failed
}

// datagram writes both headers. The kernel fills in the checksum of the first; the second's
// zero says that there is none.
func datagram(from, to netip.AddrPort, payload []byte) []byte {
	b := make([]byte, ipHeader+udpHeader, ipHeader+udpHeader+len(payload))
	b[0], b[8], b[9] = 0x45, 64, unix.IPPROTO_UDP
	binary.BigEndian.PutUint16(b[2:], uint16(cap(b)))
	source, target := from.Addr().As4(), to.Addr().As4()
	copy(b[12:], source[:])
	copy(b[16:], target[:])
	binary.BigEndian.PutUint16(b[20:], from.Port())
	binary.BigEndian.PutUint16(b[22:], to.Port())
	binary.BigEndian.PutUint16(b[24:], uint16(udpHeader+len(payload)))
	return append(b, payload...)
}
