package practice

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// G.711 (RFC 3551 §4.5.14) in packets of 20 ms.
const (
	packetTime   = 20 * time.Millisecond
	packetFrames = 160
	mulaw        = 0
	alaw         = 8
)

var (
	mulawLevels = levels(func(b byte) int {
		b = ^b
		v := (int(b&0x0f)<<3 + 0x84) << (b >> 4 & 7)
		return signed(v-0x84, b&0x80 == 0)
	})
	alawLevels = levels(func(b byte) int {
		b ^= 0x55
		v, segment := int(b&0x0f)<<4+8, b>>4&7
		if segment > 0 {
			v = (v + 0x100) << (segment - 1)
		}
		return signed(v, b&0x80 != 0)
	})
)

// levels tabulates a G.711 decoder: the 16-bit level of each octet (ITU-T G.711).
func levels(decode func(byte) int) (table [256]int) {
	for i := range table {
		table[i] = decode(byte(i))
	}
	return table
}

func signed(v int, positive bool) int {
	if positive {
		return v
	}
	return -v
}

func levelsOf(payload uint8) *[256]int {
	if payload == alaw {
		return &alawLevels
	}
	return &mulawLevels
}

// tone is one packet of 400 Hz, whose whole periods join without a click.
func tone(payload uint8) []byte {
	frame := make([]byte, packetFrames)
	for i := range frame {
		frame[i] = nearest(levelsOf(payload), int(4000*math.Sin(2*math.Pi*400*float64(i)/8000)))
	}
	return frame
}

func nearest(table *[256]int, level int) byte {
	best := 0
	for code, v := range table {
		if abs(v-level) < abs(table[best]-level) {
			best = code
		}
	}
	return byte(best)
}

func abs(v int) int { return max(v, -v) }

// loud is the mean level above which a packet is a sound that somebody hears: a
// hundredth of full scale for speech, far above G.711's silence of 0 to 8.
const loud = 100

func isLoud(payload uint8, frames []byte) bool {
	sum, table := 0, levelsOf(payload)
	for _, b := range frames {
		sum += abs(table[b])
	}
	return len(frames) > 0 && sum/len(frames) > loud
}

// sound is the audio of one call: it listens from the offer on, and sends a tone
// or digits once it knows where.
type sound struct {
	conn   *net.UDPConn
	digits chan byte
	first  chan time.Time // the first packet that is not silence
	last   atomic.Int64   // when any packet came, in Unix nanoseconds
	wg     sync.WaitGroup
	done   context.Context
	stop   context.CancelFunc

	mu sync.Mutex
	to *media // nil: not known yet
}

// media is what the other side said of its audio.
type media struct {
	at      netip.AddrPort
	payload uint8
	event   uint8 // RFC 4733 payload type, 0: none
	onHold  bool
}

// maxDigits is longer than any number that a caller dials at once.
const maxDigits = 32

func openSound(at netip.Addr) (*sound, error) {
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(at, 0)))
	if err != nil {
		return nil, fmt.Errorf("no port for the sound of a practice call on %s: fewer calls at once, or more open files: %w",
			at, err)
	}
	done, stop := context.WithCancel(context.Background())
	s := &sound{conn: conn, digits: make(chan byte, maxDigits), first: make(chan time.Time, 1), done: done, stop: stop}
	s.wg.Go(s.receive)
	return s, nil
}

func (s *sound) addr() netip.AddrPort { return s.conn.LocalAddr().(*net.UDPAddr).AddrPort() }

// start begins to send; a later call only changes where to.
func (s *sound) start(to media) {
	s.mu.Lock()
	defer s.mu.Unlock()
	began := s.to != nil
	s.to = &to
	if !began && s.done.Err() == nil {
		s.last.Store(time.Now().UnixNano()) // the other side's silence counts from now
		s.wg.Go(s.send)
	}
}

func (s *sound) close() {
	s.mu.Lock()
	s.stop()
	s.mu.Unlock()
	s.conn.Close() // its error could only say that it was closed before
	s.wg.Wait()
}

// quietFor is how long no packet has come.
func (s *sound) quietFor() time.Duration { return time.Since(time.Unix(0, s.last.Load())) }

// dial queues the digits of a number.
func (s *sound) dial(number string) error {
	for _, d := range []byte(number) {
		if strings.IndexByte(keys, d) < 0 {
			return fmt.Errorf("%q is not a key of a telephone: use %s", d, keys)
		}
		select {
		case s.digits <- d:
		default:
			return fmt.Errorf("more than %d digits at once", maxDigits)
		}
	}
	return nil
}

// keys in the order of their event codes (RFC 4733 §3.2).
const keys = "0123456789*#ABCD"

func (s *sound) receive() {
	packet := make([]byte, 2048)
	for {
		n, err := s.conn.Read(packet)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil || n <= rtpHeader {
			continue // a port unreachable of a dead peer; the silence is what counts
		}
		now := time.Now()
		s.last.Store(now.UnixNano())
		if payload := packet[1] & 0x7f; (payload == mulaw || payload == alaw) && isLoud(payload, packet[rtpHeader:n]) {
			select {
			case s.first <- now:
			default:
			}
		}
	}
}

const rtpHeader = 12

// rtp is a stream being sent (RFC 3550 §5.1).
type rtp struct {
	ssrc      uint32
	sequence  uint16
	timestamp uint32
}

func (r *rtp) packet(payload uint8, marker bool, timestamp uint32, body []byte) []byte {
	p := make([]byte, rtpHeader, rtpHeader+len(body))
	p[0], p[1] = 0x80, payload
	if marker {
		p[1] |= 0x80
	}
	binary.BigEndian.PutUint16(p[2:], r.sequence)
	binary.BigEndian.PutUint32(p[4:], timestamp)
	binary.BigEndian.PutUint32(p[8:], r.ssrc)
	r.sequence++
	return append(p, body...)
}

// send paces the stream by the clock, so that a late packet delays no other.
func (s *sound) send() {
	stream := &rtp{ssrc: rand.Uint32(), sequence: uint16(rand.Uint32()), timestamp: rand.Uint32()}
	frames := map[uint8][]byte{mulaw: tone(mulaw), alaw: tone(alaw)}
	key := &keyPress{}
	clock := time.NewTimer(0)
	defer clock.Stop()
	for due := time.Now(); ; due = due.Add(packetTime) {
		clock.Reset(time.Until(due))
		select {
		case <-s.done.Done():
			return
		case <-clock.C:
		}
		s.mu.Lock()
		to := *s.to
		s.mu.Unlock()
		for _, p := range s.next(stream, key, to, frames[to.payload]) {
			if _, err := s.conn.WriteToUDPAddrPort(p, to.at); errors.Is(err, net.ErrClosed) {
				return
			}
		}
		stream.timestamp += packetFrames
	}
}

// next is what goes out in one packet time: a piece of a key press, or the tone.
func (s *sound) next(stream *rtp, key *keyPress, to media, frame []byte) [][]byte {
	if !key.pressed() && to.event != 0 {
		select {
		case d := <-s.digits:
			*key = keyPress{code: byte(strings.IndexByte(keys, d)), left: keyPackets + gapPackets, began: stream.timestamp}
		default:
		}
	}
	if packets := key.next(stream, to.event); packets != nil {
		return packets
	}
	if to.onHold {
		return nil
	}
	return [][]byte{stream.packet(to.payload, false, stream.timestamp, frame)}
}

// A key is held for 100 ms, and 100 ms pass before the next.
const (
	keyPackets = 5
	gapPackets = 5
)

// keyPress is a telephone event being sent (RFC 4733 §2.5).
type keyPress struct {
	code  byte
	left  int // packet times, the gap included
	began uint32
}

func (k *keyPress) pressed() bool { return k.left > 0 }

// next is the event's packet of now, three at its end, or nil in the gap.
func (k *keyPress) next(stream *rtp, event uint8) [][]byte {
	if k.left == 0 {
		return nil
	}
	k.left--
	sent := keyPackets + gapPackets - k.left
	if sent > keyPackets {
		return nil
	}
	body := []byte{k.code, 10, 0, 0} // volume -10 dBm0
	binary.BigEndian.PutUint16(body[2:], uint16(sent*packetFrames))
	if sent < keyPackets {
		return [][]byte{stream.packet(event, sent == 1, k.began, body)}
	}
	body[1] |= 0x80 // the end, thrice, since none of them is acknowledged
	return [][]byte{
		stream.packet(event, false, k.began, body),
		stream.packet(event, false, k.began, body),
		stream.packet(event, false, k.began, body),
	}
}

// offerSDP offers both laws of G.711 and telephone events.
func offerSDP(at netip.AddrPort) []byte {
	return describe(at, "0 8 101",
		"a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n")
}

// answerSDP takes what was chosen from an offer, with the offer's numbers.
func answerSDP(at netip.AddrPort, m media) []byte {
	formats, maps := strconv.Itoa(int(m.payload)), ""
	if m.event != 0 {
		formats += fmt.Sprintf(" %d", m.event)
		maps = fmt.Sprintf("a=rtpmap:%d telephone-event/8000\r\na=fmtp:%d 0-15\r\n", m.event, m.event)
	}
	return describe(at, formats, maps)
}

func describe(at netip.AddrPort, formats, maps string) []byte {
	return fmt.Appendf(nil,
		"v=0\r\no=practice 1 1 IN IP4 %s\r\ns=practice\r\nc=IN IP4 %s\r\nt=0 0\r\n"+
			"m=audio %d RTP/AVP %s\r\n%sa=ptime:20\r\na=sendrecv\r\n",
		at.Addr(), at.Addr(), at.Port(), formats, maps)
}

// readSDP reads the other side's audio: the first law of G.711 that it lists, and
// its telephone events. The error says what is missing.
func readSDP(body []byte) (media, error) {
	var m media
	var host, formats string
	for line := range strings.SplitSeq(string(body), "\n") {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "c=IN IP4 "):
			host, _, _ = strings.Cut(strings.TrimPrefix(line, "c=IN IP4 "), "/")
		case strings.HasPrefix(line, "m=audio ") && formats == "":
			formats = strings.TrimPrefix(line, "m=audio ")
		case strings.HasPrefix(line, "a=rtpmap:") && strings.Contains(line, "telephone-event/8000"):
			number, _, _ := strings.Cut(strings.TrimPrefix(line, "a=rtpmap:"), " ")
			n, _ := strconv.ParseUint(number, 10, 7)
			m.event = uint8(n)
		case line == "a=sendonly", line == "a=inactive":
			m.onHold = true
		}
	}
	addr, err := netip.ParseAddr(host)
	fields := strings.Fields(formats)
	if err != nil || len(fields) < 3 {
		return m, fmt.Errorf("no audio with an IPv4 address in the session description %q", body)
	}
	port, err := strconv.ParseUint(fields[0], 10, 16)
	m.at = netip.AddrPortFrom(addr, uint16(port))
	if err != nil {
		return m, fmt.Errorf("audio port %q: %w", fields[0], err)
	}
	for _, f := range fields[2:] {
		if f == "0" || f == "8" {
			n, _ := strconv.ParseUint(f, 10, 7)
			m.payload = uint8(n)
			return m, nil
		}
	}
	return m, fmt.Errorf("no G.711 among the formats %q", formats)
}
