package media

import (
	"errors"
	"net"
	"testing"
)

// A key of ours is one event by the book: a timestamp, a duration that grows, an end that is told three
// times; and the sound before and after it keeps its own time.
func TestAKeyOfOursIsAnEventByTheBook(t *testing.T) {
	s, c := startSounding(t, startEngine(t), Format{DTMF: 97})
	if err := s.Press(t.Context(), '#'); err != nil {
		t.Fatal(err)
	}
	ends := 0
	heard := c.hearUntil(func(a arrival) bool {
		if a.PayloadType == 97 && a.Payload[1]&0x80 != 0 {
			ends++
		}
		return ends == pressEnds
	})
	heard = append(heard, c.hear())
	var events []arrival
	for i, a := range heard {
		if i > 0 && a.SequenceNumber != heard[i-1].SequenceNumber+1 {
			t.Errorf("packet %d has the number %d after %d", i, a.SequenceNumber, heard[i-1].SequenceNumber)
		}
		if a.PayloadType == 97 {
			events = append(events, a)
		}
	}
	for i, a := range events {
		e, ok := readEvent(&a.Packet)
		held := uint16(min(i+1, pressPackets) * packetSamples)
		if !ok || e.key != '#' || e.timestamp != events[0].Timestamp || e.marked != (i == 0) || e.duration != held || e.end != (i+1 >= pressPackets) {
			t.Errorf("packet %d of the event is %+v", i, e)
		}
	}
	after := heard[len(heard)-1]
	if want := events[0].Timestamp + uint32(len(events)*packetSamples); after.Timestamp != want || after.PayloadType != 0 {
		t.Errorf("the sound goes on at %d and not at %d", after.Timestamp, want)
	}
}

// Two streams of ours in one call: what one presses and plays, the other hears, by that way and no other.
func TestKeysAreHeardByTheWayByWhichTheyCome(t *testing.T) {
	e := startEngine(t)
	caller, called := open(t, e), open(t, e)
	f := Format{PayloadType: payloadPCMA, ALaw: true, DTMF: payloadEvent}
	start(caller, called.conn.LocalAddr().(*net.UDPAddr).AddrPort(), f)
	start(called, caller.conn.LocalAddr().(*net.UDPAddr).AddrPort(), f)
	tones := make(chan byte, 16)
	var ear ToneEar
	called.Overhear(func(payload []byte, aLaw bool) {
		if key, pressed := ear.Hear(payload, aLaw); pressed {
			tones <- key
		}
	})
	for _, key := range []byte(keys) {
		if err := caller.Press(t.Context(), key); err != nil {
			t.Fatal(err)
		}
		if got := <-called.Digits(); got != key {
			t.Errorf("%c is heard as %c", key, got)
		}
		tone, _ := KeyTone(key)
		if err := caller.Play(t.Context(), tone); err != nil {
			t.Fatal(err)
		}
		if got := <-tones; got != key {
			t.Errorf("the tones of %c are heard as those of %c", key, got)
		}
	}
	if n := len(called.Digits()) + len(tones); n > 0 {
		t.Errorf("%d keys were heard by both ways", n)
	}
}

func TestAKeyThatCannotBePressedSaysWhy(t *testing.T) {
	e := startEngine(t)
	s := open(t, e)
	if err := s.Press(t.Context(), '1'); !errors.Is(err, ErrMute) {
		t.Errorf("before the call is acknowledged: %v", err)
	}
	keyless, _ := startSounding(t, e, Format{})
	if err := keyless.Press(t.Context(), '1'); !errors.Is(err, ErrKeyless) {
		t.Errorf("without events: %v", err)
	}
	s.Close()
	if err := s.Press(t.Context(), '1'); !errors.Is(err, ErrClosed) {
		t.Errorf("on a closed stream: %v", err)
	}
}
