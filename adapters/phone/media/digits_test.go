package media

import (
	"net/netip"
	"slices"
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
		{"the first packet has no duration",
			[]report{{1000, '4', false, 0}, {1000, '4', false, 160}, {1000, '4', true, 320}}, "4"},
		{"all there is has no duration", []report{{1000, '4', false, 0}}, "4"},
		{"a packet comes after the next key began",
			flatten(press(1000, '1')[:6], press(3000, '2')[:3], press(1000, '1')[6:], press(3000, '2')[3:]), "12"},
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

// What senders do that do not keep to the book: a packet each, with its own number.
func TestKeysOfSendersThatDoNotKeepToTheBook(t *testing.T) {
	// constant sends a press under a timestamp that never changes.
	constant := func(key byte) []told {
		all := told{}.of(press(8000, key)...)
		all[0].marked = true
		return all
	}
	// relayed writes the timestamp of every packet anew.
	relayed := func(begin uint32, key byte) []told {
		all := told{}.of(press(begin, key)...)
		for i := range all {
			all[i].timestamp += uint32(160 * i)
		}
		return all
	}
	single := func(timestamp uint32, key byte) []told { return told{}.of(report{timestamp, key, true, 800}) }
	numbered := func(from uint16, all []told) []told {
		all = slices.Clone(all)
		for i := range all {
			all[i].number = from + uint16(i)
		}
		return all
	}
	stories := []struct {
		name string
		sent []told
		want string
	}{
		{"repeated ends with later timestamps", slices.Concat(
			told{}.of(report{8000, '1', false, 160}, report{8000, '1', false, 320},
				report{8000, '1', true, 480}, report{8160, '1', true, 480}, report{8320, '1', true, 480}),
			told{}.of(press(11000, '2')...), told{}.of(press(14000, '3')...)), "123"},
		{"repeated ends with timestamps further apart than the key lasted", slices.Concat(
			told{}.of(report{8000, '1', false, 160}, report{8000, '1', true, 480},
				report{8800, '1', true, 480}, report{9600, '1', true, 480}),
			told{}.of(press(13000, '1')...)), "11"},
		{"one timestamp and no marks", slices.Concat(
			told{}.of(press(8000, '1')...), told{}.of(press(8000, '0')...),
			told{}.of(press(8000, '0')...), told{}.of(press(8000, '2')...)), "1002"},
		{"repeated ends with earlier timestamps",
			told{}.of(report{8000, '1', false, 160}, report{8000, '1', true, 480}, report{7840, '1', true, 480}), "1"},
		{"every timestamp written anew", slices.Concat(relayed(8000, '1'), relayed(12000, '1'), relayed(16000, '2')), "112"},
		{"every timestamp written anew, packets lost",
			slices.Concat(relayed(8000, '1')[1:2], relayed(8000, '1')[3:5], relayed(12000, '2')), "12"},
		{"several keys under one timestamp", slices.Concat(constant('1'), constant('0'), constant('0'), constant('2')), "1002"},
		{"one timestamp, and the same key again later", slices.Concat(constant('1'), constant('0'), constant('1')), "101"},
		{"one timestamp, the first packet of a press lost",
			slices.Concat(numbered(1, constant('0')), numbered(9, constant('0')[1:])), "00"},
		{"one timestamp, all ends lost", slices.Concat(numbered(1, constant('0')[:4]), numbered(8, constant('0'))), "00"},
		{"a copy of an ended event, late",
			slices.Concat(numbered(1, constant('1')), numbered(8, constant('0')), numbered(1, constant('1'))), "10"},
		{"a copy of an ended event, numbered anew",
			slices.Concat(constant('1'), constant('1')[3:5], constant('0'), constant('1')[4:6]), "10"},
		{"one packet a press, the same key", slices.Concat(single(1000, '4'), single(3000, '4'), single(5000, '4')), "444"},
		{"numbers that stand still", slices.Concat(numbered(5, single(1000, '4')),
			numbered(5, single(3000, '4')), numbered(5, single(5000, '5'))), "445"},
		{"numbers that begin anew with each press", slices.Concat(numbered(1, told{}.of(press(1000, '1')...)),
			numbered(1, told{}.of(press(3000, '1')...)), numbered(1, told{}.of(press(5000, '2')...))), "112"},
		{"a late end under a timestamp of its own", slices.Concat(
			numbered(1, told{}.of(report{8000, '1', false, 160}, report{8000, '1', true, 480})),
			numbered(4, told{}.of(press(11000, '2')...)),
			numbered(3, told{}.of(report{8160, '1', true, 480}))), "12"},
		{"a mark on the first three packets",
			[]told{{report: report{1000, '7', false, 160}, marked: true}, {report: report{1000, '7', false, 160}, marked: true},
				{report: report{1000, '7', false, 160}, marked: true}, {report: report{1000, '7', true, 800}}}, "7"},
		{"no duration at all, twice", slices.Concat(told{}.of(report{1000, '6', false, 0}, report{1000, '6', true, 0}),
			told{}.of(report{3000, '6', false, 0}, report{3000, '6', true, 0})), "66"},
	}
	for _, story := range stories {
		t.Run(story.name, func(t *testing.T) {
			if got := pressed(story.sent); got != story.want {
				t.Errorf("heard %q, want %q", got, story.want)
			}
		})
	}
}

// told is an event packet; number 0 is the next.
type told struct {
	report
	number uint16
	marked bool
}

func (told) of(reports ...report) []told {
	var all []told
	for _, r := range reports {
		all = append(all, told{report: r})
	}
	return all
}

// pressed is what a keypad hears of packets.
func pressed(packets []told) string {
	var k keypad
	var got []byte
	number := uint16(0)
	for _, p := range packets {
		number++
		if p.number != 0 {
			number = p.number
		}
		packet := eventPacket(int(number), p.report)
		packet.Marker = p.marked
		if key, ok := k.press(&packet); ok {
			got = append(got, key)
		}
	}
	return string(got)
}

// A telephone that keeps to the book is understood whatever its network loses or copies:
// each press of which one packet arrives is one key, in order.
func FuzzKeys(f *testing.F) {
	f.Add([]byte("1002"), []byte{0xFF, 0xFF, 0xFF, 0xFF})
	f.Add([]byte("1112"), []byte{0x01, 0x40, 0x08, 0xFF})
	f.Add([]byte("####"), []byte{0x70, 0x03, 0x40, 0x81})
	f.Fuzz(func(t *testing.T, dialled, arrives []byte) {
		var packets []told
		var want []byte
		timestamp, number := uint32(0xFFFFF000), uint16(0xFFF0)
		for i, d := range dialled {
			key := keys[int(d)%len(keys)]
			here := byte(0)
			if i < len(arrives) {
				here = arrives[i]
			}
			heard := false
			for n, r := range press(timestamp, key) {
				number++
				p := told{report: r, number: number, marked: n == 0}
				if here>>n&1 == 1 && number != 0 {
					packets, heard = append(packets, p), true
					if here&0x80 != 0 {
						packets = append(packets, p) // copied on its way
					}
				}
			}
			if heard {
				want = append(want, key)
			}
			timestamp += 800 + 320 // a pause of 40 ms, the shortest there is
		}
		if got := pressed(packets); got != string(want) {
			t.Errorf("heard %q, want %q", got, want)
		}
	})
}

// Whatever datagrams come: no panic, no key without a packet of its own.
func FuzzRTP(f *testing.F) {
	for i, r := range press(1000, '5') {
		p := eventPacket(i, r)
		p.Version = rtpVersion
		raw, err := p.Marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Add([]byte{0x8F, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1})
	f.Add([]byte{0xB0, 101, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0xBE, 0xDE, 0, 1, 0, 0, 0, 0, 1, 10, 0, 160, 1})
	f.Fuzz(func(t *testing.T, raw []byte) {
		from := netip.MustParseAddrPort("192.0.2.9:4000")
		s := &Stream{
			digits: make(chan byte, unreadDigits), received: make(chan struct{}),
			format: Format{DTMF: payloadEvent}, source: source{announced: from},
		}
		var p rtp.Packet
		if p.Unmarshal(raw) != nil {
			return
		}
		s.hear(from, &p)
		s.hear(from, &p)
		if len(s.digits) > 1 {
			t.Errorf("two keys of one packet and its copy: % x", raw)
		}
	})
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
