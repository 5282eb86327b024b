package sip

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

const (
	// batchMax datagrams are taken from the kernel at once.
	batchMax = 16
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
	endpoint  *Endpoint
	packets   *ipv4.PacketConn // the same socket, of either family, by several datagrams at a time
	batch     []ipv4.Message
	mu        sync.Mutex    // of what follows, and of each message while it is taken: connections have readers too
	line      line          // of new calls
	responses []received    // that the library has not had yet
	ready     chan struct{} // closed when the library reads, and so knows the socket
	first     sync.Once
	senders   map[netip.Addr]struct{}
}

// received is a response, and whose it is.
type received struct {
	text []byte
	from netip.Addr
}

func newInlet(e *Endpoint) *inlet {
	in := &inlet{
		UDPConn: e.socket, endpoint: e, packets: ipv4.NewPacketConn(e.socket), batch: make([]ipv4.Message, batchMax),
		ready: make(chan struct{}), senders: make(map[netip.Addr]struct{}),
	}
	for i := range in.batch {
		in.batch[i].Buffers = [][]byte{make([]byte, maxDatagram)}
	}
	return in
}

// ReadFrom takes requests itself, in the order of their arrival but for new calls, which come after all
// else that is there, and returns the next response.
func (in *inlet) ReadFrom(b []byte) (int, net.Addr, error) {
	in.first.Do(func() { close(in.ready) })
	for {
		if len(in.responses) > 0 {
			r := in.responses[0]
			in.responses = in.responses[1:]
			return copy(b, r.text), in.sender(r.from), nil
		}
		n, err := in.read()
		switch {
		case errors.Is(err, net.ErrClosed):
			return 0, nil, err
		case err != nil:
			in.endpoint.log.Warn("SIP socket", "error", err)
			time.Sleep(10 * time.Millisecond) // a brake: the error may come at once again
		}
		in.mu.Lock()
		for _, m := range in.batch[:n] {
			in.take(m.Buffers[0][:m.N], m.Addr)
		}
		in.admitCalls(n)
		in.mu.Unlock()
	}
}

// admitSome admits a few of the calls that wait. False: none does.
func (in *inlet) admitSome() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.admitCalls(0)
	return len(in.line.calls) > 0
}

// waits says whether a call does.
func (in *inlet) waits() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return len(in.line.calls) > 0
}

// read takes what is there, and waits for it only while no call waits.
func (in *inlet) read() (n int, err error) {
	if !in.waits() {
		return in.packets.ReadBatch(in.batch, 0)
	}
	n, err = in.packets.ReadBatch(in.batch, unix.MSG_DONTWAIT)
	if errors.Is(err, unix.EAGAIN) {
		return 0, nil
	}
	return n, err
}

// take takes a datagram.
func (in *inlet) take(data []byte, addr net.Addr) {
	e := in.endpoint
	udp, ok := addr.(*net.UDPAddr)
	if !ok {
		return
	}
	from := udp.AddrPort()
	from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
	if !e.door.admits(from.Addr(), data) {
		return
	}
	if response := in.message(data, origin{from, datagrams{e.socket}}); response != nil {
		in.responses = append(in.responses, received{response, from.Addr()})
	}
}

// takeLocked is message, for the reader of a connection.
func (in *inlet) takeLocked(data []byte, from origin) []byte {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.message(data, from)
}

// message screens a message, takes it or refuses it where it is a request, has a new call wait in
// line, and returns a response. A panic in it ends the message and nothing else (SPEC K9).
func (in *inlet) message(data []byte, from origin) []byte {
	e := in.endpoint
	defer e.survive("message")
	switch g := glance(data); {
	case g.away:
	case g.newCall:
		in.line.join(data, from)
	default:
		return e.admit(data, from)
	}
	return nil
}

// admitCalls takes calls out of the line: a few where other messages may wait behind those that
// came, and as many as came at least, so that the line stays short.
func (in *inlet) admitCalls(came int) {
	for range max(fewCalls, min(came, len(in.line.calls)-lineMax)) {
		w, ok := in.line.next()
		if !ok {
			return
		}
		in.endpoint.admitCall(w)
		in.line.done(w)
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

// admit screens a message, takes it or refuses it where it is a request, and returns a response.
func (e *Endpoint) admit(data []byte, from origin) []byte {
	s := screen(data)
	switch {
	case s.why != "":
		e.log.Warn("bad SIP message", "from", from.AddrPort, "why", s.why, "answer", s.code)
		e.refuse(s, from)
	case s.request != nil:
		e.request(s, from)
	case s.response != nil:
		s.response.SetSource(from.AddrPort.String()) // whose word it is (SPEC K2)
		if e.probes.answered(s.response) {           // the library would read it once more
			return nil
		}
	}
	return s.clean
}

// refuse answers a request that gets no transaction.
func (e *Endpoint) refuse(s screened, from origin) {
	if s.code == 0 || !e.refusals.allow() {
		return
	}
	if to, text := refusal(s, from.AddrPort); to.IsValid() {
		_ = e.sendBy(from.way, text, to) // as unreliable as UDP itself
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
