package media

import (
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/rtp"
	"golang.org/x/sys/unix"
)

// A caller is the other end of a call: a socket, and what came out of it.
type caller struct {
	t    testing.TB
	conn *net.UDPConn
}

// arrival is one packet with the time at which the kernel had it.
type arrival struct {
	rtp.Packet
	from netip.AddrPort
	at   time.Time
}

func newCaller(t testing.TB, address netip.Addr) *caller {
	t.Helper()
	conn, err := listenStamped(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &caller{t: t, conn: conn}
}

// listenStamped opens a socket whose packets carry the kernel's time of arrival, so that
// a reader who is late itself still tells the truth.
func listenStamped(address netip.Addr) (*net.UDPConn, error) {
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(address, 0)))
	if err != nil {
		return nil, err
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	var set error
	err = raw.Control(func(fd uintptr) { set = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1) })
	if err != nil {
		return nil, err
	}
	return conn, set
}

// readStamped reads one packet with its time of arrival.
func readStamped(conn *net.UDPConn) (arrival, error) {
	buf, control := make([]byte, largestPacket), make([]byte, 64)
	n, controls, _, from, err := conn.ReadMsgUDPAddrPort(buf, control)
	if err != nil {
		return arrival{}, err
	}
	a := arrival{from: from, at: stamp(control[:controls])}
	return a, a.Unmarshal(buf[:n])
}

func stamp(control []byte) time.Time {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil || len(messages) == 0 || len(messages[0].Data) < 16 {
		return time.Time{}
	}
	data := messages[0].Data
	return time.Unix(int64(binary.NativeEndian.Uint64(data)), int64(binary.NativeEndian.Uint64(data[8:])))
}

func (c *caller) address() netip.AddrPort { return c.conn.LocalAddr().(*net.UDPAddr).AddrPort() }

// hear waits for the next packet.
func (c *caller) hear() arrival {
	c.t.Helper()
	return c.hearUntil(func(arrival) bool { return true })[0]
}

// hearUntil collects packets up to the first that is the last.
func (c *caller) hearUntil(last func(arrival) bool) []arrival {
	c.t.Helper()
	all, err := c.tryHear(last)
	if err != nil {
		c.t.Fatalf("the caller hears nothing after %d packets: %v", len(all), err)
	}
	return all
}

// tryHear is hearUntil for goroutines that may not end the test.
func (c *caller) tryHear(last func(arrival) bool) ([]arrival, error) {
	var all []arrival
	for {
		c.conn.SetReadDeadline(time.Now().Add(patience))
		a, err := readStamped(c.conn)
		if err != nil {
			return all, err
		}
		all = append(all, a)
		if last(a) {
			return all, nil
		}
	}
}

// hearPacket collects packets up to the n-th of a numbered clip in µ-law.
func (c *caller) hearPacket(n int) []arrival {
	c.t.Helper()
	return c.hearUntil(func(a arrival) bool { return a.Payload[0] == byte(n) })
}

// say sends a packet to a stream.
func (c *caller) say(s *Stream, p rtp.Packet) {
	c.t.Helper()
	p.Version = rtpVersion
	raw, err := p.Marshal()
	if err != nil {
		c.t.Fatal(err)
	}
	to := netip.AddrPortFrom(s.engine.options.Address, uint16(s.Port()))
	if _, err := c.conn.WriteToUDPAddrPort(raw, to); err != nil {
		c.t.Fatal(err)
	}
}

// checkFlow checks what every flow of ours keeps to: numbers without a gap, timestamps
// that grow by one packet, or by more where the packet is marked as the first after a gap.
func checkFlow(t testing.TB, packets []arrival) {
	t.Helper()
	for i := 1; i < len(packets); i++ {
		before, after := packets[i-1], packets[i]
		if after.SequenceNumber != before.SequenceNumber+1 {
			t.Fatalf("packet %d: number %d after %d", i, after.SequenceNumber, before.SequenceNumber)
		}
		if after.SSRC != before.SSRC {
			t.Fatalf("packet %d: source %x after %x", i, after.SSRC, before.SSRC)
		}
		step := after.Timestamp - before.Timestamp
		if step%packetSamples != 0 || after.Marker != (step > packetSamples) || step == 0 {
			t.Fatalf("packet %d: timestamp grows by %d, marked: %t", i, step, after.Marker)
		}
	}
}
