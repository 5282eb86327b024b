package practice

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"

	"releve/proof/practice/sip"
)

// relay is a PBX through which the sound of calls goes: each end is told a port of the PBX in place of
// the other's.
type relay struct {
	host   netip.Addr
	passes func(packet []byte) bool
	ends   sync.WaitGroup

	mu     sync.Mutex
	pairs  map[string]*pair // by Call-ID
	closed bool
}

// pair is a call: its caller is the first end, who was called the second.
type pair struct {
	tag   string // of the caller
	faces [2]*net.UDPConn
	mu    sync.Mutex
	hears [2]netip.AddrPort // where an end said that it hears
}

func newRelay(host netip.Addr, passes func([]byte) bool) *relay {
	return &relay{host: host, passes: passes, pairs: map[string]*pair{}}
}

// of is the pair of a call, nil where it could have no ports.
func (r *relay) of(m *sip.Message) *pair {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.pairs[m.CallID()]; p != nil || r.closed {
		return p
	}
	p := &pair{tag: sip.Param(m.Get("From"), "tag")}
	for i := range p.faces {
		conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(r.host, 0)))
		if err != nil {
			return nil
		}
		p.faces[i] = conn
	}
	for i := range p.faces {
		r.ends.Go(func() { r.carry(p, i) })
	}
	r.pairs[m.CallID()] = p
	return p
}

// carry takes what one end sends to the other, until the PBX closes.
func (r *relay) carry(p *pair, from int) {
	packet := make([]byte, 2048)
	for {
		n, err := p.faces[from].Read(packet)
		if err != nil {
			return
		}
		p.mu.Lock()
		to := p.hears[1-from]
		p.mu.Unlock()
		if to.IsValid() && r.passes(packet[:n]) {
			_, _ = p.faces[1-from].WriteToUDPAddrPort(packet[:n], to) // as a line does: lost is lost
		}
	}
}

// describe has a message name a port of the PBX, where it describes sound. A response has the From of
// the request.
func (r *relay) describe(m *sip.Message) {
	if r == nil || len(m.Body) == 0 {
		return
	}
	said, err := readSDP(m.Body)
	p := r.of(m)
	if err != nil || p == nil {
		return
	}
	end := 0
	if called := sip.Param(m.Get("From"), "tag") != p.tag; called != (m.Method == "") {
		end = 1
	}
	p.mu.Lock()
	p.hears[end] = said.at
	p.mu.Unlock()
	at := p.faces[1-end].LocalAddr().(*net.UDPAddr).AddrPort()
	lines := strings.Split(string(m.Body), "\r\n")
	for i, line := range lines {
		switch {
		case strings.HasPrefix(line, "c=IN IP4 "):
			lines[i] = "c=IN IP4 " + at.Addr().String()
		case strings.HasPrefix(line, "m=audio "):
			fields := strings.SplitN(line, " ", 3)
			lines[i] = fmt.Sprintf("m=audio %d %s", at.Port(), fields[2])
		}
	}
	m.Body = []byte(strings.Join(lines, "\r\n"))
}

func (r *relay) close() {
	if r == nil {
		return
	}
	r.mu.Lock()
	r.closed = true
	for _, p := range r.pairs {
		for _, conn := range p.faces {
			_ = conn.Close()
		}
	}
	r.mu.Unlock()
	r.ends.Wait()
}
