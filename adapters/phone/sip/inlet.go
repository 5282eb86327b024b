package sip

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"
)

const (
	// maxDatagram is the largest UDP payload over IPv4.
	maxDatagram = 65507
	// maxMessage is the longest message that is read; longer ones get 513.
	maxMessage = 32 << 10
	// maxSenders bounds the addresses from which responses are told apart.
	maxSenders = 1024
	// refusals a second that the screen answers; beyond, it is silent. Enough for
	// a badly configured telephone, too few to be of use against a third party.
	refusalsPerSecond = 50
)

// inlet is the socket as the library reads it: the responses to our own requests, and
// nothing else.
type inlet struct {
	*net.UDPConn
	endpoint *Endpoint
	ready    chan struct{} // closed when the library reads, and so knows the socket
	first    sync.Once
	senders  map[netip.Addr]struct{}
}

// ReadFrom takes requests itself, in the order of their arrival, and returns the next
// response.
func (in *inlet) ReadFrom(b []byte) (int, net.Addr, error) {
	in.first.Do(func() { close(in.ready) })
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
		if response := in.endpoint.admit(buf[:n], from); response != nil {
			return copy(b, response), in.sender(from.Addr()), nil
		}
	}
}

// sender is the address that a response is taken to come from. The library keeps each pair
// of address and port that it ever heard of, so it hears of one port, and of no more
// addresses than the bound: those beyond it are nobody's.
func (in *inlet) sender(from netip.Addr) net.Addr {
	if _, known := in.senders[from]; !known && len(in.senders) >= maxSenders {
		return &net.UDPAddr{IP: net.IPv4zero}
	}
	in.senders[from] = struct{}{}
	return &net.UDPAddr{IP: from.AsSlice(), Port: 5060}
}

// admit screens a datagram, takes it or refuses it where it is a request, and returns a
// response. A panic in it ends the datagram and nothing else (SPEC K9).
func (e *Endpoint) admit(data []byte, from netip.AddrPort) []byte {
	defer e.survive("datagram")
	if !e.door.admits(from.Addr(), data) {
		return nil
	}
	s := screen(data)
	switch {
	case s.why != "":
		e.log.Warn("bad SIP message", "from", from, "why", s.why, "answer", s.code)
		e.refuse(s, from)
	case s.request != nil:
		e.request(s, from)
	}
	return s.clean
}

// refuse answers a request that gets no transaction.
func (e *Endpoint) refuse(s screened, from netip.AddrPort) {
	if s.code == 0 || !e.refusals.allow() {
		return
	}
	if to, text := refusal(s, from); to.IsValid() {
		_ = e.sendTo(text, to) // as unreliable as UDP itself
	}
}

// refusal writes the response to a request that has no transaction, from the
// headers that it has (RFC 3261 §8.2.6 and §16.3), and says where it goes.
func refusal(s screened, from netip.AddrPort) (netip.AddrPort, []byte) {
	via := value(s.lines, "via")
	if values, err := split(via, ','); err == nil {
		via = values[0]
	}
	// What can be read of a bad Via is enough to answer by.
	top, _ := parseHop(via)
	to, err := top.address(from)
	if err != nil || via == "" {
		return netip.AddrPort{}, nil
	}
	t := &Transaction{lines: s.lines, top: top, from: from}
	if a, err := ParseAddress(value(s.lines, "to")); err == nil && a.Params["tag"] == "" ||
		err != nil && !strings.Contains(value(s.lines, "to"), "tag=") {
		t.tag = newTag()
	}
	return to, t.write(s.code, nil, nil)
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
