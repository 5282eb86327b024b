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
	Calls  []netip.Prefix // of the PBX: any message
	Checks []netip.Addr   // of the other server: OPTIONS alone
}

// Allow says whether a datagram may be looked at. It is asked before anything is
// parsed: what a stranger sends costs one comparison.
func (s *Sources) Allow(from netip.Addr, data []byte) bool {
	if slices.ContainsFunc(s.Calls, func(p netip.Prefix) bool { return p.Contains(from) }) {
		return true
	}
	return slices.Contains(s.Checks, from) && bytes.HasPrefix(data, []byte("OPTIONS "))
}

// Strangers is what came from elsewhere, and was dropped without an answer.
type Strangers struct {
	Dropped int64
	Last    netip.Addr
}

// door holds the sources in force and counts who else knocked.
type door struct {
	sources   atomic.Pointer[Sources]
	mu        sync.Mutex
	strangers Strangers
}

// admits says whether a datagram may be looked at, and counts it if not.
func (d *door) admits(from netip.Addr, data []byte) bool {
	if d.sources.Load().Allow(from, data) {
		return true
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.strangers.Dropped++
	d.strangers.Last = from
	return false
}

// SetSources replaces the addresses from which SIP is taken.
func (e *Endpoint) SetSources(s Sources) { e.door.sources.Store(&s) }

// Strangers tells what was dropped since the endpoint was opened.
func (e *Endpoint) Strangers() Strangers {
	e.door.mu.Lock()
	defer e.door.mu.Unlock()
	return e.door.strangers
}
