package practice

import (
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/zaf/g711"
)

// The tables are checked against a library that the rest of the room does not use.
func TestG711LevelsAreThoseOfTheStandard(t *testing.T) {
	for code := range 256 {
		if want := int(g711.DecodeUlawFrame(byte(code))); mulawLevels[code] != want {
			t.Errorf("µ-law %#x is %d, not %d", code, mulawLevels[code], want)
		}
		if want := int(g711.DecodeAlawFrame(byte(code))); alawLevels[code] != want {
			t.Errorf("A-law %#x is %d, not %d", code, alawLevels[code], want)
		}
	}
}

func TestOnlyASoundIsLoud(t *testing.T) {
	for _, c := range []struct {
		payload uint8
		silence byte
	}{{mulaw, 0xff}, {mulaw, 0x7f}, {alaw, 0xd5}, {alaw, 0x55}} {
		silent := make([]byte, packetFrames)
		for i := range silent {
			silent[i] = c.silence
		}
		if isLoud(c.payload, silent) {
			t.Errorf("silence %#x of payload %d is taken for a sound", c.silence, c.payload)
		}
		if !isLoud(c.payload, tone(c.payload)) {
			t.Errorf("the tone of payload %d is not heard", c.payload)
		}
	}
}

// ear receives RTP as it comes, for a test to read octet by octet.
type ear struct {
	t    *testing.T
	conn *net.UDPConn
}

func newEar(t *testing.T) *ear {
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closing(t, conn.Close) })
	return &ear{t, conn}
}

func (e *ear) packet() []byte {
	e.t.Helper()
	buffer := make([]byte, 2048)
	if err := e.conn.SetReadDeadline(time.Now().Add(soon)); err != nil {
		e.t.Fatal(err)
	}
	n, err := e.conn.Read(buffer)
	if err != nil {
		e.t.Fatal(err)
	}
	return buffer[:n]
}

// RFC 4733 §2.5: an event keeps its first timestamp, its duration grows, the
// marker is on its first packet, its end comes three times.
func TestDigitsAreTelephoneEvents(t *testing.T) {
	e := newEar(t)
	s, err := openSound(netip.MustParseAddr("127.0.0.1"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if err := s.dial("1#"); err != nil {
		t.Fatal(err)
	}
	s.start(media{at: e.conn.LocalAddr().(*net.UDPAddr).AddrPort(), payload: alaw, event: 96})
	for _, code := range []byte{1, 11} {
		packets := e.event(96)
		if len(packets) != keyPackets+2 {
			t.Fatalf("event of %d packets", len(packets))
		}
		for i, p := range packets {
			end := i >= keyPackets-1
			checkEvent(t, p, packets[0], code, min(i+1, keyPackets)*packetFrames, i == 0, end)
		}
	}
}

// event skips sound and reads the packets of one key press.
func (e *ear) event(payload byte) [][]byte {
	e.t.Helper()
	var packets [][]byte
	for {
		p := e.packet()
		switch {
		case p[1]&0x7f == payload:
			packets = append(packets, p)
		case len(packets) > 0:
			return packets
		}
	}
}

func checkEvent(t *testing.T, p, first []byte, code byte, duration int, marker, end bool) {
	t.Helper()
	body := p[12:]
	if body[0] != code || body[1]&0x80 != 0 != end || p[1]&0x80 != 0 != marker ||
		int(binary.BigEndian.Uint16(body[2:])) != duration ||
		binary.BigEndian.Uint32(p[4:]) != binary.BigEndian.Uint32(first[4:]) {
		t.Errorf("event packet % x: not code %d, duration %d, marker %v, end %v of % x", p, code, duration, marker, end, first)
	}
}

func TestSoundFollowsTheClock(t *testing.T) {
	e := newEar(t)
	s, err := openSound(netip.MustParseAddr("127.0.0.1"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	s.start(media{at: e.conn.LocalAddr().(*net.UDPAddr).AddrPort(), payload: mulaw})
	last := e.packet()
	for range 20 {
		p := e.packet()
		if binary.BigEndian.Uint16(p[2:]) != binary.BigEndian.Uint16(last[2:])+1 ||
			binary.BigEndian.Uint32(p[4:]) != binary.BigEndian.Uint32(last[4:])+packetFrames ||
			len(p) != rtpHeader+packetFrames {
			t.Fatalf("% x does not follow % x", p[:rtpHeader], last[:rtpHeader])
		}
		last = p
	}
}

func TestKeysThatNoTelephoneHasAreRefused(t *testing.T) {
	s := &sound{digits: make(chan byte, maxDigits)}
	if err := s.dial("10x"); err == nil {
		t.Error("x was dialled")
	}
}

func TestSessionDescriptionsAreRead(t *testing.T) {
	at := netip.MustParseAddrPort("127.0.0.5:4000")
	offered, err := readSDP(offerSDP(at))
	if err != nil || offered != (media{at: at, payload: mulaw, event: 101}) {
		t.Errorf("own offer: %+v, %v", offered, err)
	}
	answer := media{at: at, payload: alaw, event: 96}
	if got, err := readSDP(answerSDP(at, answer)); err != nil || got != answer {
		t.Errorf("own answer: %+v, %v", got, err)
	}
	for _, bad := range []string{
		"", "c=IN IP4 127.0.0.1\r\n", "m=audio 4000 RTP/AVP 0\r\n",
		"c=IN IP4 127.0.0.1\r\nm=audio 4000 RTP/AVP 18\r\n",
		"c=IN IP4 127.0.0.1\r\nm=audio 99999 RTP/AVP 0\r\n",
	} {
		if m, err := readSDP([]byte(bad)); err == nil {
			t.Errorf("%q was read as %+v", bad, m)
		}
	}
}
