package acceptance

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"strings"

	"github.com/zaf/g711"
)

const (
	packetSamples = 160 // 20 ms at 8 kHz
	dtmfPayload   = 101 // as the callers' SDP says
)

// capture collects RTP packets in the form that SIPp plays: a pcap file of
// Ethernet, IPv4 and UDP. SIPp puts its own addresses and ports in.
type capture struct {
	bytes.Buffer
	sequence  uint16
	timestamp uint32
	micros    uint64
}

// writeSound makes the file that a caller plays: so many seconds of talk, the
// digits as RFC 4733 events, and talk again, in one RTP stream.
func writeSound(file string, digits string, before, after float64) error {
	c := &capture{sequence: 1000, timestamp: 16000}
	c.words(0xa1b2c3d4, 0x00040002, 0, 0, 65535, 1)
	c.audio(talk(before))
	for _, digit := range digits {
		c.digit(byte(strings.IndexRune("0123456789*#", digit)))
	}
	c.audio(talk(after))
	return os.WriteFile(file, c.Bytes(), 0o644)
}

// talk is a tone of 600 Hz in µ-law.
func talk(seconds float64) []byte {
	pcm := make([]byte, 0, int(seconds*16000))
	for i := range int(seconds * 8000) {
		pcm = binary.LittleEndian.AppendUint16(pcm, uint16(int16(8000*math.Sin(2*math.Pi*600*float64(i)/8000))))
	}
	return g711.EncodeUlaw(pcm)
}

func (c *capture) audio(ulaw []byte) {
	for i := 0; i+packetSamples <= len(ulaw); i += packetSamples {
		c.packet(0, i == 0, c.timestamp, ulaw[i:i+packetSamples], 20)
		c.timestamp += packetSamples
	}
}

// digit adds an event of 100 ms, its end sent three times, and 100 ms of silence.
func (c *capture) digit(code byte) {
	event := func(end byte, duration uint16, marker bool, ms uint64) {
		c.packet(dtmfPayload, marker, c.timestamp, []byte{code, end | 10, byte(duration >> 8), byte(duration)}, ms)
	}
	for i := uint16(1); i <= 5; i++ {
		event(0, i*packetSamples, i == 1, 20)
	}
	for range 3 {
		event(0x80, 5*packetSamples, false, 0)
	}
	c.timestamp += 5 * packetSamples
	c.audio(bytes.Repeat([]byte{0xff}, 5*packetSamples))
}

// packet adds one RTP packet; the capture's clock goes on by ms.
func (c *capture) packet(payloadType byte, marker bool, timestamp uint32, payload []byte, ms uint64) {
	if marker {
		payloadType |= 0x80
	}
	rtp := binary.BigEndian.AppendUint16([]byte{0x80, payloadType}, c.sequence)
	rtp = binary.BigEndian.AppendUint32(rtp, timestamp)
	rtp = binary.BigEndian.AppendUint32(rtp, 0x7e57ca11)
	frame := ethernet(append(rtp, payload...))
	c.words(uint32(c.micros/1e6), uint32(c.micros%1e6), uint32(len(frame)), uint32(len(frame)))
	c.Write(frame)
	c.sequence++
	c.micros += ms * 1000
}

// ethernet wraps UDP and IPv4 around a payload; SIPp fills in what is zero.
func ethernet(payload []byte) []byte {
	udp := binary.BigEndian.AppendUint16([]byte{0x17, 0x70, 0x17, 0x70}, uint16(8+len(payload)))
	udp = append(append(udp, 0, 0), payload...)
	ip := binary.BigEndian.AppendUint16([]byte{0x45, 0}, uint16(20+len(udp)))
	ip = append(ip, 0, 0, 0x40, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1)
	return append(append(append(make([]byte, 12), 0x08, 0x00), ip...), udp...)
}

// words appends to the file's own headers, which are little-endian.
func (c *capture) words(all ...uint32) {
	for _, w := range all {
		_ = binary.Write(c, binary.LittleEndian, w) // to memory
	}
}
