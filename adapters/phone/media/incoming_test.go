package media

import (
	"net/netip"
	"testing"
	"time"

	"github.com/pion/rtp"
)

func TestLossesAreCountedByNumber(t *testing.T) {
	stories := []struct {
		name    string
		numbers []uint16
		want    uint64
	}{
		{"none", []uint16{10, 11, 12}, 0},
		{"two in the middle", []uint16{10, 11, 14}, 2},
		{"one that comes late is not lost", []uint16{10, 12, 11, 13}, 0},
		{"numbers pass their end", []uint16{65534, 65535, 1, 2}, 1},
		{"a new sequence is no loss", []uint16{10, 12, 40000, 40001, 40003}, 2},
		{"one twice, none lost", []uint16{10, 11, 11}, 0},
	}
	for _, story := range stories {
		t.Run(story.name, func(t *testing.T) {
			var q sequence
			var got uint64
			for _, n := range story.numbers {
				got = q.lost(1, n)
			}
			if got != story.want {
				t.Errorf("%d lost, want %d", got, story.want)
			}
		})
	}
}

func TestTheFirstPacketIsAnnouncedAndTheLastOneRemembered(t *testing.T) {
	_, s, c := startCall(t)
	select {
	case <-s.Received():
		t.Fatal("a packet was received before any was sent")
	default:
	}
	before := time.Now()
	c.say(s, rtp.Packet{Header: rtp.Header{SequenceNumber: 1}})
	c.say(s, rtp.Packet{Header: rtp.Header{SequenceNumber: 4}})
	<-s.Received()
	eventually(t, "both packets come in", func() bool { return s.Stats().Received == 2 })
	if got, sign := s.Stats(), s.Life().Sign; got.Lost != 2 || sign.Before(before) {
		t.Errorf("%+v and a sign at %v, want 2 lost and the last received after %v", got, sign, before)
	}
}

func TestGarbageIsPassedOver(t *testing.T) {
	_, s, c := startCall(t)
	to := netip.AddrPortFrom(s.engine.options.Address, uint16(s.Port()))
	for _, garbage := range []string{"", "x", "INVITE sip:x SIP/2.0\r\n", string(make([]byte, 40)),
		string([]byte{0x8F, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1})} {
		if _, err := c.conn.WriteToUDPAddrPort([]byte(garbage), to); err != nil {
			t.Fatal(err)
		}
	}
	c.say(s, eventPacket(1, report{timestamp: 1000, key: 'D'}))
	if got := heard(t, s, 0); got != "D" {
		t.Errorf("heard %q", got)
	}
	if got := s.Stats().Received; got != 1 {
		t.Errorf("%d packets counted, want the one that was RTP", got)
	}
}
