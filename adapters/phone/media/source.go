package media

import (
	"net/netip"
	"time"

	"github.com/pion/rtp"
)

// A trust is how well a packet's sender matches what the session description announced.
type trust int

const (
	foreign   trust = iota // another host, outside of the PBX's networks
	neighbour              // another host of the PBX's networks
	host                   // the announced address, another port
	exact                  // as announced
)

const (
	// A sender that was not announced shows itself by packets that follow each other in one
	// sequence, over some time: neither a burst nor what is left of another call does.
	evidencePackets = 5
	evidenceTime    = 60 * time.Millisecond

	// hostSilence is how long the port that is heard must be silent before another of the
	// same host is heard; neighbourSilence, the announced host before another host is.
	hostSilence      = 500 * time.Millisecond
	neighbourSilence = time.Second
)

// A source decides whose packets are the caller's: symmetric RTP (RFC 4961) with a lock
// that is as careful as RFC 7362 asks.
//
// The announced address and port are believed from the first packet on. Nobody else presses
// a key or draws the sound away, but for two whom no message announces: another port of the
// announced host, and another host of the PBX's networks (another card, a relay). Each must
// first give evidence, while the one that was heard is silent; on probation it is not heard.
//
// Who can forge packets from the announced address and port is heard: plain RTP has nothing
// against him.
type source struct {
	announced netip.AddrPort
	networks  []netip.Prefix // of the PBX
	since     time.Time      // announced then

	locked    netip.AddrPort
	lastHeard time.Time // the locked one's last packet
	hostHeard time.Time // the announced host's last packet, from whatever port
	first     bool      // the announced address itself was heard
	candidate candidate
}

// candidate is a sender on probation.
type candidate struct {
	from   netip.AddrPort
	source uint32 // SSRC
	number uint16 // of its last packet
	run    int    // packets that followed each other
	since  time.Time
}

// accepts says whether a packet that came from an address belongs to the call. usurped:
// a neighbour was heard until now, and here is the announced host.
func (s *source) accepts(from netip.AddrPort, p *rtp.Header, now time.Time) (accepted, usurped bool) {
	t := s.trust(from)
	if t >= host {
		defer func() { s.hostHeard = now }()
	}
	switch {
	case t == foreign:
		return false, false
	case from == s.locked:
	case t == exact && !s.first, s.candidate.follows(from, p, now) && s.silent(t, now):
		usurped = s.trust(s.locked) == neighbour && t > neighbour
		s.locked, s.candidate = from, candidate{}
	default:
		return false, false
	}
	s.first = s.first || t == exact
	s.lastHeard = now
	return true, usurped
}

func (s *source) trust(from netip.AddrPort) trust {
	switch {
	case !from.IsValid():
		return foreign
	case from == s.announced:
		return exact
	case from.Addr() == s.announced.Addr():
		return host
	case within(s.networks, from.Addr()):
		return neighbour
	}
	return foreign
}

// silent says whether those are silent whom a sender of such trust would take the call from.
func (s *source) silent(t trust, now time.Time) bool {
	if t == neighbour && now.Sub(later(s.hostHeard, s.since)) < neighbourSilence {
		return false
	}
	held := s.trust(s.locked)
	return t > held || now.Sub(s.lastHeard) >= hostSilence
}

// follows takes in a packet of a sender on probation and says whether the evidence is whole.
func (c *candidate) follows(from netip.AddrPort, p *rtp.Header, now time.Time) bool {
	if from != c.from || p.SSRC != c.source || p.SequenceNumber != c.number+1 {
		*c = candidate{from: from, source: p.SSRC, since: now}
	}
	c.number = p.SequenceNumber
	c.run++
	return c.run >= evidencePackets && now.Sub(c.since) >= evidenceTime
}

// destination is where the call's packets go: to where its own come from, once known.
func (s *source) destination() netip.AddrPort {
	if s.locked.IsValid() {
		return s.locked
	}
	return s.announced
}

func within(networks []netip.Prefix, a netip.Addr) bool {
	for _, n := range networks {
		if n.Contains(a) {
			return true
		}
	}
	return false
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
