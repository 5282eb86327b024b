package media

import (
	"strings"
	"testing"
	"time"

	"github.com/pion/rtp"
)

// What an event packet says (RFC 4733 §2.3), with E set or not.
type report struct {
	timestamp uint32
	key       byte
	end       bool
	duration  uint16
}

func (r report) payload() []byte {
	flags := byte(10) // volume
	if r.end {
		flags |= 0x80
	}
	return []byte{byte(strings.IndexByte(keys, r.key)), flags, byte(r.duration >> 8), byte(r.duration)}
}

// press is a key as a good telephone sends it: four reports, and the end three times.
func press(timestamp uint32, key byte) []report {
	return []report{
		{timestamp, key, false, 160}, {timestamp, key, false, 320}, {timestamp, key, false, 480}, {timestamp, key, false, 640},
		{timestamp, key, true, 800}, {timestamp, key, true, 800}, {timestamp, key, true, 800},
	}
}

// The keys of a real call, whatever its network and its telephone do to them. Each story
// goes through a socket; the D at its end tells that all of it was heard.
func TestEachKeyIsHeardOnce(t *testing.T) {
	stories := []struct {
		name    string
		reports []report
		want    string
	}{
		{"a good telephone", press(1000, '5'), "5"},
		{"every key there is", flatten(everyKey()...), keys},
		{"the same key twice", flatten(press(1000, '3'), press(3000, '3')), "33"},
		{"the first packet is lost", press(1000, '7')[1:], "7"},
		{"all ends are lost", flatten(press(1000, '1')[:4], press(3000, '2')[:4]), "12"},
		{"only one end arrives", press(1000, '9')[6:], "9"},
		{"the first packet has no duration", []report{{1000, '4', false, 0}, {1000, '4', false, 160}, {1000, '4', true, 320}}, "4"},
		{"all there is has no duration", []report{{1000, '4', false, 0}}, "4"},
		{"a packet comes after the next key began", flatten(press(1000, '1')[:6], press(3000, '2')[:3], press(1000, '1')[6:], press(3000, '2')[3:]), "12"},
		{"the end comes before the beginning", []report{{1000, '6', true, 800}, {1000, '6', false, 160}}, "6"},
		{"the timestamps pass their end", flatten(press(0xFFFFFF00, '1'), press(0x00000800, '2')), "12"},
		{"the timestamps begin anew", flatten(press(900000, '1'), press(160, '2')), "12"},
		{"held for nine seconds", []report{
			{1000, '8', false, 160}, {1000, '8', false, 0xFFFF},
			{1000 + 0xFFFF, '8', false, 160}, {1000 + 0xFFFF, '8', true, 6000}}, "8"},
		{"held for seventeen seconds, then another", flatten(
			[]report{{1000, '8', false, 0xFFFF}, {1000 + 0xFFFF, '8', false, 0xFFFF}, {1000 + 2*0xFFFF, '8', true, 6000}},
			press(200000, '9')), "89"},
	}
	for _, story := range stories {
		t.Run(story.name, func(t *testing.T) {
			_, s, c := startCall(t)
			for i, r := range append(story.reports, report{timestamp: 777, key: 'D', end: true}) {
				c.say(s, eventPacket(i, r))
			}
			if got := heard(t, s, len(story.want)); got != story.want+"D" {
				t.Errorf("heard %q, want %q", got, story.want+"D")
			}
		})
	}
}

func TestWhatIsNotAKeyIsNotHeard(t *testing.T) {
	_, s, c := startCall(t)
	flash := eventPacket(1, report{timestamp: 1000, key: '1'})
	flash.Payload[0] = 16
	cutOff := eventPacket(2, report{timestamp: 2000, key: '2'})
	cutOff.Payload = cutOff.Payload[:3]
	sound := eventPacket(3, report{timestamp: 3000, key: '3'})
	sound.PayloadType = payloadPCMU
	for _, p := range []rtp.Packet{flash, cutOff, sound, eventPacket(4, report{timestamp: 4000, key: 'D'})} {
		c.say(s, p)
	}
	if got := heard(t, s, 0); got != "D" {
		t.Errorf("heard %q, want the D alone", got)
	}
}

func TestAnotherSourceHasItsOwnTime(t *testing.T) {
	_, s, c := startCall(t)
	c.say(s, eventPacket(1, report{timestamp: 1000, key: '1'}))
	moved := eventPacket(2, report{timestamp: 1000, key: 'D'})
	moved.SSRC++
	c.say(s, moved)
	if got := heard(t, s, 1); got != "1D" {
		t.Errorf("heard %q, want 1D: after a transfer another telephone counts time from elsewhere", got)
	}
}

func TestKeysBeyondTheBoundAreDroppedAndCounted(t *testing.T) {
	_, s, c := startCall(t)
	for i := range unreadDigits + 6 {
		c.say(s, eventPacket(i, report{timestamp: uint32(1000 * i), key: keys[i%10]}))
	}
	eventually(t, "all keys come in", func() bool { return s.Stats().Received == unreadDigits+6 })
	if got := s.Stats().DroppedDigits; got != 6 {
		t.Errorf("%d keys dropped, want 6", got)
	}
	for i := range unreadDigits {
		if got := <-s.Digits(); got != keys[i%10] {
			t.Fatalf("key %d is %c, want %c: those that came first are kept", i, got, keys[i%10])
		}
	}
}

// startCall is a call that plays nothing yet.
func startCall(t *testing.T) (*Engine, *Stream, *caller) {
	t.Helper()
	e := startEngine(t)
	s := open(t, e)
	c := newCaller(t, loopback())
	start(s, c.address(), Format{PayloadType: payloadPCMU, DTMF: payloadEvent})
	return e, s, c
}

func eventPacket(number int, r report) rtp.Packet {
	return rtp.Packet{
		Header:  rtp.Header{PayloadType: payloadEvent, SequenceNumber: uint16(number), Timestamp: r.timestamp, SSRC: 7},
		Payload: r.payload(),
	}
}

// heard reads so many keys, and on to the D that ends a story.
func heard(t *testing.T, s *Stream, want int) string {
	t.Helper()
	deadline := time.After(patience)
	var got []byte
	for {
		select {
		case key := <-s.Digits():
			got = append(got, key)
			if key == 'D' && len(got) > want {
				return string(got)
			}
		case <-deadline:
			t.Fatalf("heard %q, and no D after it", got)
		}
	}
}

func everyKey() [][]report {
	var all [][]report
	for i := range len(keys) {
		all = append(all, press(uint32(1000+2000*i), keys[i]))
	}
	return all
}

func flatten(parts ...[]report) []report {
	var all []report
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}
