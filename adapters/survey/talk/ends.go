package talk

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"
)

// strangers is how many connections may be unproven at a time.
const strangers = 8

// Listener waits for the end that asks.
type Listener struct {
	listener *net.TCPListener
	code     string
	config   *tls.Config
}

// Listen takes the port; nobody is heard before [Listener.Accept].
func Listen(at netip.AddrPort, code string) (*Listener, error) {
	own, err := certificate()
	if err != nil {
		return nil, err
	}
	l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
	if err != nil {
		return nil, err
	}
	return &Listener{l, code, &tls.Config{Certificates: []tls.Certificate{own}, MinVersion: tls.VersionTLS13}}, nil
}

// Addr is where it listens.
func (l *Listener) Addr() netip.AddrPort { return l.listener.Addr().(*net.TCPAddr).AddrPort() }

// Accept waits for the one who has the code, and closes the port: a code is good once.
func (l *Listener) Accept(ctx context.Context) (*Conn, error) {
	ctx, found := context.WithCancel(ctx)
	defer found()
	stop := context.AfterFunc(ctx, func() { _ = l.listener.Close() })
	defer stop()
	proven := make(chan *Conn, 1)
	var all sync.WaitGroup
	places := make(chan struct{}, strangers)
	for {
		raw, err := l.listener.Accept()
		if err != nil {
			break
		}
		select {
		case places <- struct{}{}:
		default:
			_ = raw.Close()
			continue
		}
		all.Go(func() {
			defer func() { <-places }()
			if l.hear(raw, proven) {
				found()
			}
		})
	}
	found()
	all.Wait()
	select {
	case conn := <-proven:
		return conn, nil
	default:
		return nil, net.ErrClosed
	}
}

// hear lets one prove himself.
func (l *Listener) hear(raw net.Conn, proven chan<- *Conn) bool {
	conn, err := prove(tls.Server(raw, l.config), l.code, answers, asks)
	if err != nil {
		_ = raw.Close()
		return false
	}
	select {
	case proven <- conn:
		return true
	default: // another was first
		_ = conn.Close()
		return false
	}
}

// Close frees the port.
func (l *Listener) Close() error { return l.listener.Close() }

const (
	attemptLimit = 3 * time.Second
	attemptPause = 500 * time.Millisecond
)

// Dial goes to the end that answers, again and again until ctx ends: it may be started later.
// A wrong code is not tried again.
func Dial(ctx context.Context, from netip.Addr, to netip.AddrPort, code string) (*Conn, error) {
	for {
		conn, err := dial(ctx, from, to, code)
		if err == nil || errors.Is(err, ErrCode) {
			return conn, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(attemptPause):
		}
	}
}

func dial(ctx context.Context, from netip.Addr, to netip.AddrPort, code string) (*Conn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: from.AsSlice()}, Timeout: attemptLimit}
	raw, err := d.DialContext(ctx, "tcp", to.String())
	if err != nil {
		return nil, err
	}
	conn, err := prove(tls.Client(raw, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13}), code, asks, answers)
	if err != nil {
		_ = raw.Close()
	}
	return conn, err
}
