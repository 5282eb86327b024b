package acceptance

import (
	"context"
	"net/netip"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// packet is one that a server sent to the PBX.
type packet struct {
	at   time.Time
	from string // the server's address
}

func (p packet) String() string { return p.at.Format("05.000") + " " + p.from }

// wireTap hears what goes over the loopback of the tests, as a capture at the PBX's port would.
type wireTap struct {
	mu   sync.Mutex
	sent []packet
}

// ipv4 is the Ethernet type of what is heard, in the byte order of the network.
const ipv4 = 0x0008

// listenOnWire hears until the test ends.
func listenOnWire(t *testing.T) *wireTap {
	t.Helper()
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, ipv4)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 100_000}); err != nil {
		t.Fatal(err)
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 8<<20) // what the system allows
	w := &wireTap{}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			w.hear(fd)
		}
	}()
	t.Cleanup(func() {
		stop()
		<-ended
		_ = unix.Close(fd)
	})
	return w
}

// hear takes one packet in: each is seen leaving and arriving, and counts once. What the kernel answers
// for a socket that is closed is none of the server's.
func (w *wireTap) hear(fd int) {
	header := make([]byte, 20) // of IPv4, RFC 791 §3.1
	n, sender, err := unix.Recvfrom(fd, header, 0)
	if link, ok := sender.(*unix.SockaddrLinklayer); err != nil || n < len(header) || !ok || link.Pkttype == unix.PACKET_OUTGOING || header[9] == unix.IPPROTO_ICMP {
		return
	}
	from, to := netip.AddrFrom4([4]byte(header[12:16])), netip.AddrFrom4([4]byte(header[16:20]))
	if to.String() != pbxHost || from.String() != mainHost && from.String() != secondaryHost {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent = append(w.sent, packet{time.Now(), from.String()})
}

// toPBX is what both servers sent to the PBX between two moments.
func (w *wireTap) toPBX(since, until time.Time) (all []packet) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.sent {
		if !p.at.Before(since) && p.at.Before(until) {
			all = append(all, p)
		}
	}
	return all
}

// turns is what both servers sent to the PBX since a moment, and how often the sender changed.
func (w *wireTap) turns(since time.Time) (said []packet, changes int) {
	said = w.toPBX(since, time.Now())
	for i := 1; i < len(said); i++ {
		if said[i].from != said[i-1].from {
			changes++
		}
	}
	return said, changes
}

// checkSilent checks that a server sent the PBX nothing, and that the capture hears at all.
func (w *wireTap) checkSilent(t *testing.T, quiet *server, since, until time.Time) {
	t.Helper()
	var own int
	for _, p := range w.toPBX(since, until) {
		if p.from == hostOf(quiet.seat) {
			own++
		}
	}
	if own > 0 {
		t.Errorf("the %s server, whose telephone is closed, sent the PBX %d packets", quiet.seat, own)
	}
	if len(w.toPBX(time.Time{}, until)) == 0 {
		t.Error("the capture hears nothing")
	}
}
