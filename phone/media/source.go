package media

import "net/netip"

// A trust is how well a packet's sender matches what the session description announced.
type trust int

const (
	foreign   trust = iota // announced by nobody
	neighbour              // another address where the announced one is private
	host                   // the announced address, another port
	exact                  // as announced
)

// probation is how many packets in a row a neighbour must send to be believed: 100 ms.
const probation = 5

// A source decides whose packets are the caller's: symmetric RTP with a lock.
//
// The first sender believed is locked: from then on only it is heard, and the call's own
// sound goes to where it is. Nobody who guesses a port can press keys in another's call
// or draw its sound away. Only a sender of more trust takes the lock over: a packet left
// over from the port's previous call must not make this one deaf.
//
// Not every caller sends from where it announced. NAT changes ports, which is why the
// announced host is believed on any; and where its address is private, packets may
// honestly come from elsewhere (beyond NAT, or from the other card of a PBX), which is
// why a neighbour is believed in the end. A public address means what it says.
type source struct {
	announced netip.AddrPort
	locked    netip.AddrPort
	candidate netip.AddrPort // the neighbour on probation
	run       int            // packets in a row from it
}

// accepts says whether a packet from an address belongs to the call.
func (s *source) accepts(from netip.AddrPort) bool {
	if from == s.locked {
		return true
	}
	t := s.trust(from)
	if t <= s.trust(s.locked) || t == neighbour && !s.passes(from) {
		return false
	}
	s.locked = from
	return true
}

func (s *source) trust(from netip.AddrPort) trust {
	switch {
	case !from.IsValid():
		return foreign
	case from == s.announced:
		return exact
	case from.Addr() == s.announced.Addr():
		return host
	case local(s.announced.Addr()) && local(from.Addr()), s.announced.Addr().IsPrivate():
		return neighbour
	}
	return foreign
}

// local: programs of one machine announce one address of it and may send from another.
func local(a netip.Addr) bool { return a.IsLoopback() }

// passes counts a neighbour's packets until it has sent enough of them.
func (s *source) passes(from netip.AddrPort) bool {
	if from != s.candidate {
		s.candidate, s.run = from, 0
	}
	s.run++
	return s.run >= probation
}

// destination is where the call's packets go: to where its own come from, once known.
func (s *source) destination() netip.AddrPort {
	if s.locked.IsValid() {
		return s.locked
	}
	return s.announced
}
