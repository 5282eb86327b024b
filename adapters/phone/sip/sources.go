package sip

import (
	"bytes"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
)

// Sources are the addresses from which SIP is taken (SPEC K1). Ports are not compared:
// a PBX may send from any, and UDP proves none of them.
type Sources struct {
	Calls []netip.Prefix // of the PBX and what stands beside it: any message
	// PBX are its own addresses. Where it speaks by connections the others of Calls speak UDP: a gateway of analogue lines does.
	PBX    []netip.Addr
	Checks []netip.Addr // of the other server: OPTIONS alone
}

// Allow says whether a datagram may be looked at. It is asked before anything is
// parsed: what a stranger sends costs one comparison.
func (s *Sources) Allow(from netip.Addr, data []byte) bool {
	return s.calls(from) || s.checks(from, data)
}

// calls says whether an address is one of those of the PBX.
func (s *Sources) calls(from netip.Addr) bool {
	return slices.ContainsFunc(s.Calls, func(p netip.Prefix) bool { return p.Contains(from) })
}

// datagrams says whether an address speaks UDP beside a PBX that does not.
func (s *Sources) datagrams(from netip.Addr) bool {
	return s.calls(from) && !slices.Contains(s.PBX, from)
}

// checks says whether a datagram is a question of the other server's.
func (s *Sources) checks(from netip.Addr, data []byte) bool {
	return slices.Contains(s.Checks, from) && bytes.HasPrefix(data, []byte("OPTIONS "))
}

// Strangers is what came from elsewhere, and was dropped without an answer.
type Strangers struct {
	Dropped int64
	Last    netip.Addr
}

// door holds the sources in force and counts who else knocked.
type door struct {
	streams   bool // the PBX speaks by connections: a datagram in its name is a stranger's
	sources   atomic.Pointer[Sources]
	mu        sync.Mutex
	strangers Strangers
}

// admits says whether a datagram may be looked at, and counts it if not.
func (d *door) admits(from netip.Addr, data []byte) bool {
	sources := d.sources.Load()
	if d.streams && (sources.datagrams(from) || sources.checks(from, data)) || !d.streams && sources.Allow(from, data) {
		return true
	}
	d.turnAway(from)
	return false
}

// admitsConnection says whether a connection may be read, and counts it if not.
func (d *door) admitsConnection(from netip.Addr) bool {
	if d.sources.Load().calls(from) {
		return true
	}
	d.turnAway(from)
	return false
}

func (d *door) turnAway(from netip.Addr) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.strangers.Dropped++
	d.strangers.Last = from
}

// SetSources replaces the addresses from which SIP is taken. Connections from others end.
func (e *Endpoint) SetSources(s Sources) {
	e.door.sources.Store(&s)
	if e.streams != nil {
		e.streams.cutAccepted(func(c *stream) bool { return !s.calls(c.remote.Addr()) }, errSource)
	}
}

// Strangers tells what was dropped since the endpoint was opened.
func (e *Endpoint) Strangers() Strangers {
	e.door.mu.Lock()
	defer e.door.mu.Unlock()
	return e.door.strangers
}
