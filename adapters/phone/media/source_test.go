package media

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtp"
)

// A packet of a story: who sends it, after how long. Its number is the next of its sender,
// unless it jumps.
type sent struct {
	from  string
	after time.Duration
	jumps bool
}

// flow is so many packets of one sender, 20 ms apart.
func flow(from string, n int) []sent {
	return slices.Repeat([]sent{{from: from, after: packetTime}}, n)
}

// burst is as fast as they go.
func burst(from string, n int) []sent { return slices.Repeat([]sent{{from: from}}, n) }

// quiet lets time pass before a story goes on.
func quiet(d time.Duration, next []sent) []sent {
	next = slices.Clone(next)
	next[0].after = d
	return next
}

// Who is heard, packet by packet: + heard, - not.
func TestWhoIsHeard(t *testing.T) {
	const (
		lan      = "192.168.1.20:4000"
		moved    = "192.168.1.20:4002"
		stray    = "192.168.1.20:61002"
		card     = "192.168.1.21:4000"
		desk     = "192.168.1.22:4000"
		outside  = "192.168.2.9:4000"
		stranger = "203.0.113.9:4000"
	)
	jumping := []sent{{card, packetTime, true}, {card, packetTime, true}, {card, packetTime, true},
		{card, packetTime, true}, {card, packetTime, true}, {card, packetTime, true}}
	mixed := slices.Concat(flow(moved, 3), flow(stray, 1), flow(moved, 3))
	stories := []struct {
		name   string
		sent   []sent
		want   string
		sendTo string
	}{
		{"as announced", flow(lan, 2), "++", lan},
		{"another port of the host, on evidence", flow(moved, 6), "----++", moved},
		{"another port, sprayed", burst(moved, 8), "--------", lan},
		{"another port with another between its packets", mixed, "-------", lan},
		{"as announced, after some left over from another call",
			slices.Concat(flow(stray, 6), flow(lan, 2), flow(stray, 6)), "----++" + "++" + "------", lan},
		{"the port moves after a pause",
			slices.Concat(flow(lan, 3), quiet(2*time.Second, flow(moved, 6))), "+++" + "----++", moved},
		{"the port moves without a pause", slices.Concat(flow(lan, 3), flow(moved, 27)),
			"+++" + strings.Repeat("-", 24) + "+++", moved},
		{"another port while the first still speaks",
			slices.Concat(flow(lan, 3), slices.Repeat(slices.Concat(flow(moved, 1), flow(lan, 1)), 40)),
			"+++" + strings.Repeat("-+", 40), lan},
		{"a late packet of the port that was left",
			slices.Concat(flow(lan, 1), quiet(time.Second, flow(moved, 6)), flow(lan, 1), flow(moved, 1)),
			"+" + "----++" + "-+", moved},
		{"back to the port that was announced",
			slices.Concat(flow(lan, 1), quiet(time.Second, flow(moved, 6)), flow(lan, 6)), "+" + "----++" + "----++", lan},
		{"nobody takes over a call that is heard",
			slices.Concat(flow(lan, 1), slices.Repeat(slices.Concat(flow(card, 3), flow(lan, 1)), 30)),
			"+" + strings.Repeat("---+", 30), lan},
		{"a neighbour's burst before the first packet",
			slices.Concat(burst(card, 40), flow(lan, 1)), strings.Repeat("-", 40) + "+", lan},
		{"a neighbour, before a second without the announced host", flow(card, 48), strings.Repeat("-", 48), lan},
		{"a neighbour, after it", quiet(time.Second, flow(card, 6)), "----++", card},
		{"a neighbour who takes the place of a host's other port",
			slices.Concat(flow(moved, 6), quiet(900*time.Millisecond, flow(card, 5))), "----++" + "-----", moved},
		{"a neighbour whose numbers do not follow", quiet(time.Second, jumping), "------", lan},
		{"the announced host, after a neighbour",
			slices.Concat(quiet(time.Second, flow(card, 6)), flow(lan, 1), flow(card, 2)), "----++" + "+" + "--", lan},
		{"another neighbour while one speaks",
			slices.Concat(quiet(time.Second, flow(card, 6)), slices.Repeat(slices.Concat(flow(desk, 3), flow(card, 1)), 20)),
			"----++" + strings.Repeat("---+", 20), card},
		{"private, outside of the PBX's networks", quiet(time.Minute, flow(outside, 8)), "--------", lan},
		{"a stranger", quiet(time.Minute, flow(stranger, 8)), "--------", lan},
	}
	for _, story := range stories {
		t.Run(story.name, func(t *testing.T) {
			now, numbers := time.Now(), map[string]uint16{}
			s := source{
				announced: netip.MustParseAddrPort(lan),
				networks:  []netip.Prefix{netip.MustParsePrefix("192.168.1.0/24")}, since: now,
			}
			got := ""
			for _, p := range story.sent {
				now = now.Add(p.after)
				numbers[p.from]++
				if p.jumps {
					numbers[p.from] += 7
				}
				heard, _ := s.accepts(netip.MustParseAddrPort(p.from), &rtp.Header{SSRC: 1, SequenceNumber: numbers[p.from]}, now)
				if heard {
					got += "+"
				} else {
					got += "-"
				}
			}
			if got != story.want {
				t.Errorf("heard %s, want %s", got, story.want)
			}
			if to := s.destination(); to.String() != story.sendTo {
				t.Errorf("sends to %s, want %s", to, story.sendTo)
			}
		})
	}
}

func TestSoundGoesToWhereTheCallersComesFrom(t *testing.T) {
	e := startEngine(t)
	s := open(t, e)
	announced := newCaller(t, loopback())
	behindNAT := newCaller(t, announced.address().Addr())
	start(s, announced.address(), Format{DTMF: payloadEvent})
	announced.hear()
	said := uint16(0)
	eventually(t, "the evidence is whole", func() bool {
		said++
		behindNAT.say(s, rtp.Packet{Header: rtp.Header{SequenceNumber: said}})
		return s.Stats().Received > 0
	})
	behindNAT.hear()
	behindNAT.say(s, eventPacket(int(said)+1, report{timestamp: 1000, key: 'D'}))
	if got := heard(t, s, 0); got != "D" {
		t.Errorf("heard %q", got)
	}
	s.Agree(announced.address(), Format{DTMF: payloadEvent}) // a re-INVITE that changes nothing
	if to := s.source.destination(); to != behindNAT.address() {
		t.Errorf("sends to %v after a refresh, the caller is at %v", to, behindNAT.address())
	}
}

// A neighbour sprays keys at a port before the caller's own first packet, and after it.
func TestNobodyElsePressesKeysInACall(t *testing.T) {
	_, s, c := startCall(t)
	intruder := newCaller(t, loopback())
	spray := func(timestamp uint32) {
		for i, key := range []byte("1234") {
			for n, r := range press(timestamp+uint32(2000*i), key) {
				intruder.say(s, eventPacket(7*i+n, r))
			}
		}
	}
	spray(1000)
	c.say(s, rtp.Packet{Header: rtp.Header{SequenceNumber: 1}})
	<-s.Received()
	spray(20000)
	c.say(s, eventPacket(2, report{timestamp: 1000, key: 'D'}))
	if got := heard(t, s, 0); got != "D" {
		t.Errorf("heard %q, want the caller's D alone", got)
	}
}

// Keys of a neighbour that nobody read are forgotten when the announced host speaks.
func TestKeysOfAUsurperAreForgotten(t *testing.T) {
	_, s, c := startCall(t)
	s.mu.Lock()
	s.source.since = time.Now().Add(-neighbourSilence)
	s.mu.Unlock()
	neighbour := newCaller(t, loopback())
	number := 0
	eventually(t, "the neighbour is heard", func() bool {
		number++
		neighbour.say(s, eventPacket(number, report{timestamp: 1000, key: '1', duration: uint16(8 * number)}))
		return s.Stats().Received > 0
	})
	c.say(s, eventPacket(1, report{timestamp: 1000, key: 'D'}))
	eventually(t, "the announced host is heard", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.source.locked == c.address()
	})
	if got := heard(t, s, 0); got != "\x00D" {
		t.Errorf("heard %q, want the caller's D alone, and before it that what was read is void", got)
	}
}
