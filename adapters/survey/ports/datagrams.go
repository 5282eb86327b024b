package ports

import (
	"context"
	"errors"
	"net"
	"os"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"releve/rules/study"
)

const (
	datagrams = 100
	spacing   = 5 * time.Millisecond
	lateness  = time.Second            // for the last answer
	sizeTime  = 200 * time.Millisecond // for the answer to one large datagram
	sizeTries = 3
)

// sizes of IP packets: Ethernet's, a tunnel's, what IPv6 promises (RFC 8200 §5), and what IPv4
// does (RFC 1122 §3.3.2).
var sizes = []int{1500, 1400, 1280, 576}

// exchange is what goes to and fro at one port. One goroutine has it.
type exchange struct {
	knocker
	conn    *net.UDPConn
	sent    map[uint64]time.Time
	times   []time.Duration
	heard   map[uint64]bool
	altered bool
}

// datagrams are sent as sound is, one after the other, and counted when they come back.
func (k knocker) datagrams(ctx context.Context) study.Probe {
	p := study.Probe{Port: k.port}
	conn, err := net.DialUDP("udp", net.UDPAddrFromAddrPort(k.from), net.UDPAddrFromAddrPort(k.to))
	if err != nil {
		p.Outcome = refused(err)
		return p
	}
	defer conn.Close()
	e := &exchange{knocker: k, conn: conn, sent: map[uint64]time.Time{}, heard: map[uint64]bool{}}
	if err := e.all(ctx); err != nil {
		p.Outcome = refused(err)
		return p
	}
	p.Sent, p.Back = len(e.sent), len(e.heard)
	switch {
	case e.altered:
		p.Outcome = study.Altered
	case p.Back == 0:
		p.Outcome = study.Dropped
	default:
		slices.Sort(e.times)
		p.Outcome, p.Median, p.Octets = study.Open, e.times[len(e.times)/2], e.largest()
	}
	return p
}

func (e *exchange) all(ctx context.Context) error {
	for number := range uint64(datagrams) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := e.send(number, 0); err != nil {
			return err
		}
		if err := e.hear(spacing, func() bool { return false }); err != nil {
			return err
		}
	}
	return e.hear(lateness, func() bool { return len(e.heard) == len(e.sent) })
}

func (e *exchange) send(number uint64, length int) error {
	e.sent[number] = time.Now()
	_, err := e.conn.Write(e.key.datagram(there, e.port, number, length))
	return err
}

// hear takes in what comes for so long, or until it is enough.
func (e *exchange) hear(patience time.Duration, enough func() bool) error {
	_ = e.conn.SetReadDeadline(time.Now().Add(patience))
	b := make([]byte, 1<<16)
	for !enough() {
		n, err := e.conn.Read(b)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		}
		if err != nil {
			return err
		}
		number, ok := e.key.number(back, e.port, b[:n])
		at, asked := e.sent[number]
		switch {
		case !ok:
			e.altered = true
		case asked && !e.heard[number]:
			e.heard[number] = true
			e.times = append(e.times, time.Since(at))
		}
	}
	return nil
}

// largest is the size of the largest packet that passed without being cut in pieces; 0 where
// this system does not let one try.
func (e *exchange) largest() int {
	if whole(e.conn) != nil {
		return 0
	}
	headers := 20 + 8
	if e.to.Addr().Is6() {
		headers = 40 + 8
	}
	number := uint64(1 << 32)
	for _, size := range sizes {
		for range sizeTries {
			number++
			err := e.send(number, size-headers)
			if errors.Is(err, syscall.EMSGSIZE) {
				break
			}
			if err == nil && e.hear(sizeTime, func() bool { return e.heard[number] }) == nil && e.heard[number] {
				return size
			}
		}
	}
	return 0
}

// whole forbids to cut the datagrams of a socket in pieces, also on the way (ip(7),
// IP_MTU_DISCOVER), whatever is known of the way already.
func whole(conn *net.UDPConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	six := conn.LocalAddr().(*net.UDPAddr).IP.To4() == nil
	err = raw.Control(func(fd uintptr) {
		if six {
			failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_PROBE)
		} else {
			failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE)
		}
	})
	return errors.Join(err, failed)
}
