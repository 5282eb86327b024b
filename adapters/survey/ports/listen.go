package ports

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"releve"
)

// Listening is an end that holds its ports and answers the other end.
type Listening struct {
	key     Key
	other   netip.Addr
	closers []io.Closer
	all     sync.WaitGroup
	places  chan struct{}

	mu   sync.Mutex
	seen map[string]int // what came from the other, by port
}

const (
	// connections is how many may be open at a time on all ports together.
	connections = 64
	// mostPorts is how many an end opens, whatever it is asked for.
	mostPorts = 64
	// patience is how long one connection may take.
	patience = 3 * time.Second
)

// Listen takes all ports, and says of each that cannot be had why.
func Listen(own, other netip.Addr, ports []string, key Key) (*Listening, map[string]releve.Measurement) {
	l := &Listening{key: key, other: other, seen: map[string]int{}, places: make(chan struct{}, connections)}
	found := map[string]releve.Measurement{}
	for _, port := range ports[:min(len(ports), mostPorts)] {
		if _, twice := found[port]; !twice {
			found[port] = taken(port, l.open(own, port))
		}
	}
	return l, found
}

// taken is what came of taking a port.
func taken(port string, err error) releve.Measurement {
	m := releve.Measurement{About: port, State: releve.Broken, Who: releve.Integrator}
	switch {
	case err == nil:
		m.State, m.Who = releve.Measured, ""
	case errors.Is(err, syscall.EADDRINUSE):
		m.Why = releve.Say("study-port-held", "port", port)
	case errors.Is(err, syscall.EACCES):
		m.State, m.Why = releve.Unmeasured, releve.Say("study-port-root", "port", port)
	default:
		m.State, m.Why = releve.Unmeasured, releve.Say("study-unreadable", "what", port, "cause", releve.Reason(err))
	}
	return m
}

func (l *Listening) open(own netip.Addr, port string) error {
	network, address := at(own, port)
	if network == "udp" {
		conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(address))
		if err != nil {
			return err
		}
		l.closers = append(l.closers, conn)
		l.all.Go(func() { l.answerDatagrams(conn, port) })
		return nil
	}
	listener, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(address))
	if err != nil {
		return err
	}
	l.closers = append(l.closers, listener)
	l.all.Go(func() { l.answerConnections(listener, port) })
	return nil
}

func (l *Listening) note(port string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen[port]++
}

// Seen is how much came from the other end at each port.
func (l *Listening) Seen() map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	seen := map[string]int{}
	for port, n := range l.seen {
		seen[port] = n
	}
	return seen
}

func (l *Listening) answerDatagrams(conn *net.UDPConn, port string) {
	b := make([]byte, 1<<16)
	for {
		n, from, err := conn.ReadFromUDPAddrPort(b)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil || from.Addr().Unmap() != l.other {
			continue
		}
		if number, ok := l.key.number(there, port, b[:n]); ok {
			l.note(port)
			_, _ = conn.WriteToUDPAddrPort(l.key.datagram(back, port, number, 0), from)
		}
	}
}

func (l *Listening) answerConnections(listener *net.TCPListener, port string) {
	for {
		conn, err := listener.AcceptTCP()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		if conn.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap() != l.other {
			_ = conn.Close()
			continue
		}
		select {
		case l.places <- struct{}{}:
			l.note(port)
			l.all.Go(func() { defer func() { <-l.places }(); l.answer(conn, port) })
		default:
			_ = conn.Close()
		}
	}
}

// answer proves that what came is what was sent.
func (l *Listening) answer(conn net.Conn, port string) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	question := make([]byte, questions)
	if _, err := io.ReadFull(conn, question); err != nil {
		return
	}
	_, _ = conn.Write(l.key.sign(back, port, question))
}

// Close frees all ports.
func (l *Listening) Close() {
	for _, c := range l.closers {
		_ = c.Close()
	}
	l.all.Wait()
}
