package ports

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"releve/rules/study"
)

// Knock tries ports of the other end, all at a time.
func Knock(ctx context.Context, own, other netip.Addr, ports []string, key Key) []study.Probe {
	probes := make([]study.Probe, len(ports))
	var all sync.WaitGroup
	for i, port := range ports {
		all.Go(func() {
			network, to := at(other, port)
			k := knocker{key, port, netip.AddrPortFrom(own, 0), to}
			if network == "udp" {
				probes[i] = k.datagrams(ctx)
			} else {
				probes[i] = study.Probe{Port: port, Outcome: k.connection(ctx)}
			}
		})
	}
	all.Wait()
	return probes
}

// knocker tries one port.
type knocker struct {
	key      Key
	port     string
	from, to netip.AddrPort
}

// connection sends more than a filter would let pass unread, and wants to hear that it came whole.
func (k knocker) connection(ctx context.Context) study.Outcome {
	d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(k.from), Timeout: patience}
	conn, err := d.DialContext(ctx, "tcp", k.to.String())
	if err != nil {
		return refused(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	question := make([]byte, questions)
	_, _ = rand.Read(question)
	if _, err := conn.Write(question); err != nil {
		return study.Cut
	}
	answer := make([]byte, macLength)
	n, err := io.ReadFull(conn, answer)
	late, isLate := errors.AsType[net.Error](err)
	switch {
	case n > 0 && !hmac.Equal(answer[:n], k.key.sign(back, k.port, question)[:n]):
		return study.Altered
	case isLate && late.Timeout():
		return study.Swallowed
	case err != nil:
		return study.Cut
	}
	return study.Open
}

// refused tells by whom a way is closed (tcp(7), udp(7), ip(7)).
func refused(err error) study.Outcome {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return study.Rejected
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return study.Prohibited
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EACCES):
		return study.OwnWall
	}
	return study.Dropped
}
