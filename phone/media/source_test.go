package media

import (
	"net/netip"
	"testing"

	"github.com/pion/rtp"
)

// Who is heard, packet by packet: + heard, - not.
func TestWhoIsHeard(t *testing.T) {
	const (
		lan      = "192.168.1.20:4000"
		lanNAT   = "192.168.1.20:61000"
		lanStray = "192.168.1.20:61002"
		card     = "10.0.0.5:4000"
		public   = "198.51.100.7:4000"
		stranger = "203.0.113.9:4000"
		loop     = "127.0.0.33:4000"
		self     = "127.0.0.1:4000"
	)
	stories := []struct {
		name, announced string
		packets         []string
		want, sendTo    string
	}{
		{"as announced", lan, []string{lan, lan}, "++", lan},
		{"another port of the host", lan, []string{lanNAT, lanNAT}, "++", lanNAT},
		{"the first port of the host stays", lan, []string{lanNAT, lanStray, lanNAT}, "+-+", lanNAT},
		{"as announced, after one left over from another call", lan, []string{lanStray, lan, lanStray}, "++-", lan},
		{"nobody takes over a locked call", lan, []string{lan, card, card, card, card, card, card}, "+------", lan},
		{"another card of the PBX, in the end", lan, []string{card, card, card, card, card, card}, "----++", card},
		{"a neighbour who is interrupted", lan, []string{card, card, card, card, stranger, card}, "------", lan},
		{"the announced host, after a neighbour", lan, []string{card, card, card, card, card, lan, card}, "----++-", lan},
		{"a stranger where the address is public", public, []string{stranger, stranger, stranger, stranger, stranger, stranger}, "------", public},
		{"one machine, another of its addresses", loop, []string{self, self, self, self, self, self}, "----++", self},
		{"one machine, and a stranger", loop, []string{stranger, stranger, stranger, stranger, stranger, stranger}, "------", loop},
		{"nobody announced", "0.0.0.0:4000", []string{stranger, stranger, stranger, stranger, stranger}, "-----", "0.0.0.0:4000"},
	}
	for _, story := range stories {
		t.Run(story.name, func(t *testing.T) {
			s := source{announced: netip.MustParseAddrPort(story.announced)}
			got := ""
			for _, from := range story.packets {
				if s.accepts(netip.MustParseAddrPort(from)) {
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
	start(s, announced.address(), Format{})
	announced.hear()
	behindNAT.say(s, rtp.Packet{})
	behindNAT.hear()
}

func TestNobodyElsePressesKeysInACall(t *testing.T) {
	_, s, c := startCall(t)
	c.say(s, rtp.Packet{}) // the call is this caller's from its first packet on
	<-s.Received()
	intruder := newCaller(t, loopback())
	for i := range 2 * probation {
		intruder.say(s, eventPacket(i, report{timestamp: uint32(1000 * i), key: '1'}))
	}
	c.say(s, eventPacket(1, report{timestamp: 1000, key: 'D'}))
	if got := heard(t, s, 0); got != "D" {
		t.Errorf("heard %q, want the caller's D alone", got)
	}
}
