package media

import (
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/pion/rtp"
)

// spoken is one packet of a story: so long after the one before, so many numbers and samples on.
type spoken struct {
	after       time.Duration
	number      uint16
	samples     uint32
	payloadType uint8
}

const step = 20 * time.Millisecond

// flowing is sound without a pause, for so long.
func flowing(for_ time.Duration) []spoken {
	return slices.Repeat([]spoken{{step, 1, packetSamples, payloadPCMU}}, int(for_/step))
}

func TestWhatTheCallersPacketsShow(t *testing.T) {
	one := func(p spoken) []spoken { return []spoken{p} }
	key := slices.Repeat([]spoken{{step, 1, 0, payloadEvent}}, 10)
	for name, c := range map[string]struct {
		story              []spoken
		suppresses, steady bool
	}{
		"four seconds":              {flowing(4 * time.Second), false, true},
		"two seconds prove nothing": {flowing(2 * time.Second), false, false},
		"he stops to listen": {
			slices.Concat(flowing(2*time.Second), one(spoken{2 * time.Second, 1, 100 * packetSamples, payloadPCMU}),
				flowing(4*time.Second)), true, false,
		},
		"a breath": {
			slices.Concat(flowing(4*time.Second),
				one(spoken{140 * time.Millisecond, 1, 7 * packetSamples, payloadPCMU})), true, false,
		},
		"comfort noise": {slices.Concat(flowing(4*time.Second), one(spoken{step, 1, packetSamples, payloadNoise})), true, false},
		"comfort noise under a number of its own": {
			slices.Concat(flowing(4*time.Second), one(spoken{step, 1, packetSamples, 98})), true, false},
		"packets are lost": {
			slices.Concat(flowing(4*time.Second), one(spoken{300 * time.Millisecond, 15, 15 * packetSamples, payloadPCMU})),
			false, true},
		"the network is away for a while": {
			slices.Concat(flowing(4*time.Second), one(spoken{2 * time.Second, 100, 100 * packetSamples, payloadPCMU}),
				flowing(4*time.Second)), false, false,
		},
		"packets wait, and come at once": {
			slices.Concat(flowing(4*time.Second), one(spoken{300 * time.Millisecond, 1, packetSamples, payloadPCMU}),
				flowing(time.Second)), false, true,
		},
		"another source of the PBX goes on": {
			slices.Concat(flowing(4*time.Second), one(spoken{step, 1, 80000, payloadPCMU}), flowing(time.Second)), false, true,
		},
		"a key": {
			slices.Concat(flowing(3*time.Second), key,
				one(spoken{step, 1, 10 * packetSamples, payloadPCMU}), flowing(time.Second)), false, true,
		},
		"keys without sound between them": {
			slices.Concat(flowing(3*time.Second), key,
				one(spoken{400 * time.Millisecond, 1, 4000, payloadEvent}), key), false, true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			var l life
			now, h := time.Now(), rtp.Header{SSRC: 7}
			for _, p := range c.story {
				now = now.Add(p.after)
				h.SequenceNumber += p.number
				h.Timestamp += p.samples
				h.PayloadType = p.payloadType
				l.sound(&rtp.Packet{Header: h, Payload: make([]byte, packetSamples)}, Format{DTMF: payloadEvent, Noise: 98}, now)
			}
			if l.suppresses != c.suppresses || l.steady(now) != c.steady {
				t.Errorf("suppresses %v, steady %v", l.suppresses, l.steady(now))
			}
			if l.steady(now.Add(longPause)) {
				t.Error("steady, though nothing has come for a second")
			}
			if l.sign != now {
				t.Errorf("the last sign is %v old", now.Sub(l.sign))
			}
		})
	}
}

// A hold is no pause of the caller's, and what follows it begins anew.
func TestAHoldIsNoPause(t *testing.T) {
	var l life
	now, number := time.Now(), uint16(0)
	say := func(f Format) {
		now, number = now.Add(step), number+1
		l.sound(&rtp.Packet{
			Header:  rtp.Header{SequenceNumber: number, Timestamp: uint32(number) * packetSamples},
			Payload: make([]byte, packetSamples),
		}, f, now)
	}
	for range 200 {
		say(Format{})
	}
	l.agreed(now)
	now = now.Add(time.Minute)
	say(Format{Direction: RecvOnly}) // some music
	now = now.Add(time.Minute)
	say(Format{Direction: RecvOnly})
	now = now.Add(time.Minute)
	l.agreed(now)
	if l.sign != now {
		t.Error("a call that is taken up again has shown itself")
	}
	if say(Format{}); l.steady(now) {
		t.Error("steady after one packet")
	}
	for range 200 {
		say(Format{})
	}
	if !l.steady(now) || l.suppresses {
		t.Errorf("steady %v, suppresses %v", l.steady(now), l.suppresses)
	}
}

// RTCP is a sign of whoever was heard before, on its own port or on that of the sound.
func TestControlIsHeard(t *testing.T) {
	_, s, c := startCall(t)
	report := []byte{0x80, 200, 0, 1, 0, 0, 0, 7}
	say := func(from net.PacketConn, port int, packet []byte) {
		to := netip.AddrPortFrom(s.engine.options.Address, uint16(port))
		if _, err := from.WriteTo(packet, net.UDPAddrFromAddrPort(to)); err != nil {
			t.Fatal(err)
		}
	}
	say(c.conn, s.Port()+1, report)
	c.say(s, rtp.Packet{Header: rtp.Header{SequenceNumber: 1}})
	eventually(t, "the caller is heard", func() bool { return s.Stats().Received == 1 })
	stranger := newCaller(t, loopback())
	for _, port := range []int{s.Port(), s.Port() + 1} {
		before := s.Life().Sign
		say(stranger.conn, port, report)
		say(c.conn, port, []byte{0x80, 200}) // no packet of RTCP, nor of RTP
		say(c.conn, port, report)
		eventually(t, "RTCP is a sign", func() bool { return s.Life().Sign.After(before) })
	}
	if got := s.Stats().Received; got != 1 {
		t.Errorf("%d packets of sound were counted", got)
	}
	before := s.Life().Sign
	s.hearControl(stranger.address().Addr())
	if s.Life().Sign != before {
		t.Error("a stranger's is a sign")
	}
	if isControl([]byte{0x80, 200, 0}) || isControl([]byte{0x80, 0x80, 0, 1, 0, 0, 0, 7}) ||
		isControl([]byte{0x00, 200, 0, 1, 0, 0, 0, 7}) {
		t.Error("what is no RTCP is taken for it")
	}
}
