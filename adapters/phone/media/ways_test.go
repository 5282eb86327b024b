package media

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Whatever is pressed, by whichever two ways each key is told and however the ways overtake each other within their time:
// what is heard is what was pressed.
func TestOnePressIsOneKeyThoughItComesByTwoWays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var p presses
		pressed := rapid.SliceOfN(rapid.SampledFrom([]byte("055*")), 1, 12).Draw(t, "pressed")
		ways := []way{byEvent, byInfo}
		lag := rapid.IntRange(0, 5).Draw(t, "by how many presses the second way comes later")
		now, heard := time.Now(), ""
		tell := func(at int, by way) {
			if at >= 0 && at < len(pressed) && p.fresh(pressed[at], by, now) {
				heard += string(pressed[at])
			}
		}
		first := rapid.IntRange(0, 1).Draw(t, "the way that is ahead")
		for at := range len(pressed) + lag {
			tell(at, ways[first])
			tell(at-lag, ways[1-first])
			now = now.Add(300 * time.Millisecond)
		}
		if heard != string(pressed) {
			t.Fatalf("%q is heard as %q", pressed, heard)
		}
	})
}

func TestALaterPressIsAnotherKey(t *testing.T) {
	var p presses
	now := time.Now()
	for i := range 2 * unreadDigits {
		if !p.fresh('5', []way{byEvent, byInfo}[i%2], now) {
			t.Fatalf("press %d, a while after the one before, is taken for the same", i)
		}
		now = now.Add(oneKey + time.Millisecond)
	}
	for range 3 * unreadDigits {
		if !p.fresh('7', byEvent, now) {
			t.Fatal("one way tells one press twice")
		}
	}
	if len(p.lately) > unreadDigits {
		t.Errorf("%d presses are remembered", len(p.lately))
	}
}

// A caller whose telephone sends no events is heard by his tones, one who sends events is not asked for them, and what a PBX
// tells by INFO beside either is no second key.
func TestKeysInTheSound(t *testing.T) {
	for name, events := range map[string]uint8{"without events": 0, "with events": payloadEvent} {
		t.Run(name, func(t *testing.T) {
			ours, theirs := open(t, startEngine(t)), open(t, startEngine(t))
			at := func(s *Stream) netip.AddrPort { return s.conn.LocalAddr().(*net.UDPAddr).AddrPort() }
			f := Format{PayloadType: payloadPCMA, ALaw: true, DTMF: events}
			start(ours, at(theirs), f)
			start(theirs, at(ours), f)
			tones, _ := KeyTone('4')
			if err := theirs.Play(t.Context(), joined(tones, tones)); err != nil {
				t.Fatal(err)
			}
			eventually(t, "all of it is here", func() bool { return ours.Stats().Received > 20 })
			want := "44"
			if events != 0 {
				want = ""
			}
			ours.Told('4') // the PBX says so too
			ours.Told('4')
			ours.Told('9')
			heard := ""
			for key := byte(0); key != '9'; {
				select {
				case key = <-ours.Digits():
					heard += string(key)
				case <-time.After(patience):
					t.Fatalf("heard %q", heard)
				}
			}
			if events != 0 {
				want = "44" // by INFO alone
			}
			if heard != want+"9" {
				t.Errorf("heard %q, want %q", heard, want+"9")
			}
		})
	}
}
