// Package flood offers a server more calls than anybody could take: thousands of INVITEs a second, each
// with the timers, the ACK and the BYE of a telephone that behaves (RFC 3261 §17.1.1, §13.2.2.4). It is
// made to cost little, for it shares the machine with the server that it measures, and it takes
// the kernel's time stamps: how late it looks itself tells nothing of the server.
package flood

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

// Options say what is offered.
type Options struct {
	From, To netip.AddrPort // port 0 of From takes a free one
	User     string         // that is called
	Headers  string         // further lines of each INVITE, each with its end
	Rate     int            // calls a second
	Calls    int            // in all
	Hold     time.Duration  // from an answer to the BYE
	Patience time.Duration  // after the last call, for answers that are still to come
}

// Call is what became of one.
type Call struct {
	Offered  time.Time     // its INVITE was sent first
	Answered time.Duration // until its final response; 0: none came
	Code     int           // of it
	Sent     int           // INVITEs: more than one had to be repeated
	Ended    int           // final responses: more than one had been repeated
}

// Offer offers the calls and tells what became of each. The end of ctx breaks it off.
func Offer(ctx context.Context, o Options) ([]Call, error) {
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(o.From))
	if err != nil {
		return nil, fmt.Errorf("nobody can call from %v: %w", o.From, err)
	}
	defer conn.Close()
	o.From = conn.LocalAddr().(*net.UDPAddr).AddrPort() // with the port, where it was left open
	sink, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(o.From.Addr(), 0)))
	if err != nil {
		return nil, fmt.Errorf("nobody can listen at %v: %w", o.From.Addr(), err)
	}
	defer sink.Close() // what is said there is dropped by the kernel
	f := &flood{
		Options: o, conn: ipv4.NewPacketConn(conn), to: net.UDPAddrFromAddrPort(o.To),
		words: newWords(o, sink.LocalAddr().(*net.UDPAddr).AddrPort()), calls: make([]call, o.Calls),
	}
	if err := stamp(conn); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	heard := make(chan error, 1)
	go func() { heard <- f.listen() }()
	err = f.offer(ctx)
	_ = conn.SetReadDeadline(time.Unix(1, 0))
	if bad := <-heard; err == nil {
		err = bad
	}
	return f.told(), err
}

// stamp has the kernel tell when each datagram came, and keep many that are not read yet.
func stamp(conn *net.UDPConn) (err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	control := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1)
		_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 64<<20) // what the system allows
	})
	if control != nil {
		return control
	}
	return err
}
