package acceptance

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/zaf/g711"
	"golang.org/x/sys/unix"

	"releve"
)

// ear hears everything that UDP carries in the namespace, as a network analyser on
// the switch would. It shares no code with the product: what it knows of a call is
// what passed on the wire.
type ear struct {
	socket *os.File
	done   chan struct{}
	relays bool // the PBX carries the sound itself, and callers hear it from there; set before the first call

	mu    sync.Mutex
	calls map[releve.CallID]*heard
	media map[netip.AddrPort]*heard // where each caller listens
	sent  []message                 // of the two servers
	said  []diversion               // of the PBX, when it brought them calls
}

// heard is what passed on the wire of one call.
type heard struct {
	offered    time.Time  // its INVITE reached the PBX
	answeredAt time.Time  // 200 reached the caller
	sound      int        // packets with sound, not silence, that a server sent after it
	soundFrom  netip.Addr // of the last of them
	firstSound time.Time
	refused    int        // final refusal that reached the caller
	takenUpBy  netip.Addr // the first server that sent 200
	hungUpAt   time.Time  // the first BYE
	byMain     flow       // all that the caller was sent, silence too
	bySecond   flow
}

// flow is the packets of one server.
type flow struct{ first, last time.Time }

func (f *flow) packet(at time.Time) {
	if f.first.IsZero() {
		f.first = at
	}
	f.last = at
}

// message is a SIP message that one of the two servers sent to the PBX.
type message struct {
	at     time.Time
	from   netip.Addr
	first  string // request or status line
	method string // of CSeq
	call   releve.CallID
	isTest bool // a procedure's own call
}

// diversion is why the PBX says that a call which it brings to a server was sent on (RFC 5806), "" where it says nothing.
type diversion struct {
	at     time.Time
	to     netip.Addr
	header string
}

// soundNeeded is how many packets of 20 ms of sound make a greeting: a click or the
// end of somebody else's call is not one.
const soundNeeded = 20

// listen starts to hear.
func listen() (*ear, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_UDP)
	if err != nil {
		return nil, fmt.Errorf("no raw socket: %w; the tests need root in their namespace", err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 32<<20); err != nil {
		return nil, errors.Join(fmt.Errorf("no receive buffer for the ear: %w", err), unix.Close(fd))
	}
	e := &ear{socket: os.NewFile(uintptr(fd), "ear"), done: make(chan struct{}),
		calls: map[releve.CallID]*heard{}, media: map[netip.AddrPort]*heard{}}
	go e.run()
	return e, nil
}

func (e *ear) close() {
	_ = e.socket.Close()
	<-e.done
}

func (e *ear) run() {
	defer close(e.done)
	buffer := make([]byte, 64<<10)
	for {
		n, err := e.socket.Read(buffer)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil {
			return
		}
		if from, to, payload, ok := parseUDP(buffer[:n]); ok {
			e.packet(time.Now(), from, to, payload)
		}
	}
}

// parseUDP takes an IPv4 packet apart (RFC 791, RFC 768).
func parseUDP(packet []byte) (from, to netip.AddrPort, payload []byte, ok bool) {
	if len(packet) < 28 || len(packet) < int(packet[0]&15)*4+8 {
		return from, to, nil, false
	}
	udp := packet[int(packet[0]&15)*4:]
	source, _ := netip.AddrFromSlice(packet[12:16])
	target, _ := netip.AddrFromSlice(packet[16:20])
	from = netip.AddrPortFrom(source, binary.BigEndian.Uint16(udp))
	to = netip.AddrPortFrom(target, binary.BigEndian.Uint16(udp[2:]))
	return from, to, udp[8:], true
}

func (e *ear) packet(at time.Time, from, to netip.AddrPort, payload []byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if call := e.media[to]; call != nil {
		if isServer(from.Addr()) || e.relays && from.Addr() == pbxAddr {
			call.hear(at, from.Addr(), payload)
		}
		return
	}
	if from.Port() == floodPort || to.Port() == floodPort {
		return
	}
	if from.Port() == 5060 || to.Port() == 5060 {
		e.message(at, from, to, string(payload))
	}
}

// hear counts a packet of sound. What comes before the answer is not a greeting, nor
// is the voice of whoever the caller was transferred to.
func (h *heard) hear(at time.Time, from netip.Addr, rtp []byte) {
	switch from.String() {
	case mainHost:
		h.byMain.packet(at)
	case secondaryHost:
		h.bySecond.packet(at)
	}
	if h.answeredAt.IsZero() || len(rtp) < 12 || !audible(rtp[1]&0x7f, rtp[12:]) {
		return
	}
	if h.sound == 0 {
		h.firstSound = at
	}
	h.sound++
	h.soundFrom = from
}

// audible says whether a G.711 packet holds more than the noise of a quiet line.
func audible(payloadType byte, frame []byte) bool {
	var pcm []byte
	switch payloadType {
	case 0:
		pcm = g711.DecodeUlaw(frame)
	case 8:
		pcm = g711.DecodeAlaw(frame)
	}
	for i := 0; i+1 < len(pcm); i += 2 {
		if s := int16(binary.LittleEndian.Uint16(pcm[i:])); s > 300 || s < -300 {
			return true
		}
	}
	return false
}

// message reads what a SIP message tells of its call.
func (e *ear) message(at time.Time, from, to netip.AddrPort, text string) {
	first, headers, body := splitSIP(text)
	id, cseq := releve.CallID(headers["call-id"]), headers["cseq"]
	if id == "" {
		return
	}
	_, method, _ := strings.Cut(cseq, " ")
	if isServer(from.Addr()) && to.Addr() == pbxAddr {
		sent := message{at: at, from: from.Addr(), first: first, method: method, call: id, isTest: headers["x-releve-test"] != ""}
		e.sent = append(e.sent, sent)
		if call := e.calls[id]; call != nil && answersCall(sent) && !call.takenUpBy.IsValid() {
			call.takenUpBy = sent.from
		}
	}
	if from.Addr() == pbxAddr && isServer(to.Addr()) && strings.HasPrefix(first, "INVITE ") {
		e.said = append(e.said, diversion{at, to.Addr(), headers["diversion"]})
	}
	switch {
	case strings.HasPrefix(first, "INVITE ") && to.Addr() == pbxAddr && isCaller(from.Addr()) && !strings.Contains(headers["to"], "tag="):
		e.offered(at, id, from.Addr(), body)
	case strings.HasPrefix(first, "BYE "):
		if call := e.calls[id]; call != nil && call.hungUpAt.IsZero() {
			call.hungUpAt = at
		}
	case strings.HasPrefix(first, "SIP/2.0 ") && method == "INVITE" && isCaller(to.Addr()):
		e.replied(at, id, first)
	}
}

// offered remembers where the caller of a new call listens.
func (e *ear) offered(at time.Time, id releve.CallID, caller netip.Addr, sdp string) {
	if e.calls[id] != nil || strings.Contains(string(id), legSeparator) {
		return
	}
	call := &heard{offered: at}
	e.calls[id] = call
	_, media, _ := strings.Cut(sdp, "m=audio ")
	port, _ := strconv.ParseUint(strings.Fields(media + " x")[0], 10, 16)
	e.media[netip.AddrPortFrom(caller, uint16(port))] = call
}

// replied takes a final answer to a caller's INVITE.
func (e *ear) replied(at time.Time, id releve.CallID, status string) {
	call := e.calls[id]
	code, _ := strconv.Atoi(strings.Fields(status)[1])
	switch {
	case call == nil || code < 200:
	case code < 300 && call.answeredAt.IsZero():
		call.answeredAt = at
	case code >= 300:
		call.refused = code
	}
}

// splitSIP takes a message apart, its header names in lower case (RFC 3261 §7).
func splitSIP(text string) (first string, headers map[string]string, body string) {
	head, body, _ := strings.Cut(text, "\r\n\r\n")
	lines := strings.Split(head, "\r\n")
	headers = map[string]string{}
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ":")
		name = strings.ToLower(strings.TrimSpace(name))
		if long, ok := map[string]string{"i": "call-id", "t": "to", "f": "from"}[name]; ok {
			name = long
		}
		headers[name] = strings.TrimSpace(value)
	}
	return lines[0], headers, body
}

// greeted says whether the caller heard a greeting.
func (h heard) greeted() bool { return !h.answeredAt.IsZero() && h.sound >= soundNeeded }

// heldBy says whether a server had taken up the call, and nobody had hung up before a moment.
func (h heard) heldBy(s *server, moment time.Time) bool {
	return h.takenUpBy.String() == s.host && (h.hungUpAt.IsZero() || !h.hungUpAt.Before(moment))
}

// sentBy are the messages that a server sent to the PBX since a moment and that
// are wanted.
func (e *ear) sentBy(server string, since time.Time, wanted func(message) bool) []message {
	e.mu.Lock()
	defer e.mu.Unlock()
	var found []message
	for _, m := range e.sent {
		if m.from == netip.MustParseAddr(server) && !m.at.Before(since) && wanted(m) {
			found = append(found, m)
		}
	}
	return found
}

// diverted are the diversions of the calls that the PBX has brought to a server since a moment.
func (e *ear) diverted(server string, since time.Time) (headers []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, d := range e.said {
		if d.to == netip.MustParseAddr(server) && !d.at.Before(since) {
			headers = append(headers, d.header)
		}
	}
	return headers
}

// answersCall says whether a message takes up a call.
func answersCall(m message) bool {
	return m.method == "INVITE" && strings.HasPrefix(m.first, "SIP/2.0 200")
}

// takenUp are the calls that a server took up since a moment. The 200 to an earlier one that
// was not acknowledged is repeated, also by a server that slept in between.
func (e *ear) takenUp(server string, since time.Time) []message {
	answers := e.sentBy(server, time.Time{}, answersCall)
	early := map[releve.CallID]bool{}
	for _, m := range answers {
		early[m.call] = early[m.call] || m.at.Before(since)
	}
	return slices.DeleteFunc(answers, func(m message) bool { return early[m.call] })
}

// offeredBy are the calls of one run of callers, in the order in which they
// reached the PBX.
func (e *ear) offeredBy(crowd string) []outcome {
	e.mu.Lock()
	defer e.mu.Unlock()
	var all []outcome
	for id, call := range e.calls {
		if strings.HasPrefix(string(id), crowd+"-") {
			all = append(all, outcome{id: id, heard: *call})
		}
	}
	slices.SortFunc(all, func(a, b outcome) int { return a.offered.Compare(b.offered) })
	return all
}
