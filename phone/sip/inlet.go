package sip

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// maxDatagram is the largest UDP payload over IPv4.
	maxDatagram = 65507
	// maxMessage is what the library reads at once.
	maxMessage = 32 << 10
	// maxSenders bounds the table that the library keeps for each address that
	// ever sent something: it never forgets one, so after so many it is begun anew.
	// At about 100 bytes each this is well under a megabyte.
	maxSenders = 4096
	// inFlight is how long the old table is kept beside the new one, for requests
	// that were read and have not looked their sender up yet.
	inFlight = time.Second
	// refusals a second that the screen answers; beyond, it is silent. Enough for
	// a badly configured telephone, too few to be of use against a third party.
	refusalsPerSecond = 50
)

// inlet is the socket as the library reads it: only what passed the screen.
type inlet struct {
	*net.UDPConn
	endpoint *Endpoint
	ready    chan struct{} // closed when the library reads, and so knows the socket
	first    sync.Once
	senders  map[netip.AddrPort]struct{}
}

// ReadFrom returns the next datagram that may be handed on. It says that the
// socket is closed when the library's table is full: a fresh inlet on the same
// socket is then already in its place.
func (in *inlet) ReadFrom(b []byte) (int, net.Addr, error) {
	in.first.Do(func() { close(in.ready) })
	if len(in.senders) >= in.endpoint.senders {
		in.endpoint.serve()
		select {
		case <-time.After(inFlight):
		case <-in.endpoint.done:
		}
		return 0, nil, net.ErrClosed
	}
	buf := in.endpoint.buffer
	for {
		n, from, err := in.ReadFromUDPAddrPort(buf)
		switch {
		case errors.Is(err, net.ErrClosed):
			return 0, nil, err
		case err != nil:
			in.endpoint.log.Warn("SIP socket", "error", err)
			time.Sleep(10 * time.Millisecond) // a brake: the error may come at once again
			continue
		}
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		if !in.endpoint.door.admits(from.Addr(), buf[:n]) {
			continue
		}
		if clean := in.endpoint.admit(buf[:n], from); clean != nil {
			in.senders[from] = struct{}{}
			return copy(b, clean), net.UDPAddrFromAddrPort(from), nil
		}
	}
}

// admit screens a datagram, answers it where it must be refused, and returns what
// the library may have, nil for nothing.
func (e *Endpoint) admit(data []byte, from netip.AddrPort) []byte {
	s := screen(data)
	if s.code == 0 && s.why == "" && len(s.clean) > maxMessage {
		s.code, s.why, s.clean = 513, fmt.Sprintf("%d bytes", len(s.clean)), nil
	}
	if s.why == "" {
		return s.clean
	}
	e.log.Warn("bad SIP message", "from", from, "why", s.why, "answer", s.code)
	if s.code != 0 && e.refusals.allow() {
		if to, text := refusal(s, from); to.IsValid() {
			_, _ = e.socket.WriteToUDPAddrPort(text, to) // as unreliable as UDP itself
		}
	}
	return nil
}

// refusal writes the response to a request that has no transaction, from the
// headers that it has (RFC 3261 §8.2.6 and §16.3), and says where it goes.
func refusal(s screened, from netip.AddrPort) (netip.AddrPort, []byte) {
	var lines []field
	for _, l := range s.lines {
		switch l.name {
		case "to":
			if !strings.Contains(l.value, ";tag=") {
				l.value += ";tag=" + rand.Text()
			}
			fallthrough
		case "via", "from", "call-id", "cseq":
			lines = append(lines, l)
		}
	}
	lines = append(lines, field{"content-length", "0"})
	start := "SIP/2.0 " + strconv.Itoa(s.code) + " " + Reason(s.code)
	return replyTo(value(s.lines, "via"), from), compose(start, lines, nil)
}

// replyTo is where a response goes: the source address, with the port of the
// topmost Via unless rport asks for the source port (RFC 3261 §18.2.2, RFC 3581).
func replyTo(via string, from netip.AddrPort) netip.AddrPort {
	top, _, _ := strings.Cut(via, ",")
	sentBy, params, _ := strings.Cut(top, ";")
	if strings.Contains(";"+params+";", ";rport;") {
		return from
	}
	port := uint64(5060)
	if i := strings.LastIndexByte(sentBy, ':'); i >= 0 && !strings.HasSuffix(sentBy, "]") {
		n, err := strconv.ParseUint(strings.TrimSpace(sentBy[i+1:]), 10, 16)
		if err != nil {
			return netip.AddrPort{}
		}
		port = n
	}
	return netip.AddrPortFrom(from.Addr(), uint16(port))
}

// bucket lets a number of things through in each second.
type bucket struct {
	mu     sync.Mutex
	second int64
	left   int
	each   int
}

func (b *bucket) allow() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now := time.Now().Unix(); now != b.second {
		b.second, b.left = now, b.each
	}
	b.left--
	return b.left >= 0
}
