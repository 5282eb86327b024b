package sip

import (
	"hash/maphash"
	"net/netip"
	"strconv"
	"time"

	"releve"
)

// New calls wait in a line of their own: an ACK, a BYE, the other server's question and the PBX's answer
// to ours go before them, however many there are. A server that is offered more calls than it can take
// must not be taken for one that is dead, and those who are talking must be heard.

const (
	// lineMax calls wait; where there are more, they are looked at before the socket is read again, and
	// what comes waits in the kernel.
	lineMax = 128
	// fewCalls are looked at between two looks at the socket.
	fewCalls = 4
	// spareMax is how long a datagram may be whose memory is kept for the next.
	spareMax = 4096
)

// line is the calls that wait, the first first, and the memory of those that waited before.
type line struct {
	calls []waiting
	spare [][]byte
}

// waiting is a new call in the line.
type waiting struct {
	data  []byte
	from  origin
	since time.Time
}

// join has a call wait. The reader's buffer is used again, so what came is copied.
func (l *line) join(data []byte, from origin) {
	var room []byte
	if n := len(l.spare); n > 0 {
		room, l.spare = l.spare[n-1], l.spare[:n-1]
	}
	l.calls = append(l.calls, waiting{append(room[:0], data...), from, time.Now()})
}

func (l *line) next() (w waiting, ok bool) {
	if len(l.calls) == 0 {
		return w, false
	}
	w = l.calls[0]
	l.calls = l.calls[:copy(l.calls, l.calls[1:])]
	return w, true
}

// done takes the memory of a call back.
func (l *line) done(w waiting) {
	if cap(w.data) <= spareMax && len(l.spare) < lineMax {
		l.spare = append(l.spare, w.data)
	}
}

// away begins the tags of calls that were turned away. Of those nothing is kept, so their ACK
// must tell by itself that it is one.
const away = "away-"

// admitCall takes a new call, unless it is to be turned away.
func (e *Endpoint) admitCall(w waiting) {
	defer e.survive("call")
	if !e.turnedAway(w) {
		e.admit(w.data, w.from)
	}
}

// turnedAway refuses a call without a transaction where there is no room for it (RFC 3261 §8.2.7): that
// costs a hundredth of what a call costs, and leaves nothing behind. What comes again gets the same
// answer, tag and all, and the ACK is absorbed. A call that is known already, and was only sent again, is
// not refused, and one whose form is bad is refused for that.
func (e *Endpoint) turnedAway(w waiting) bool {
	g := glance(w.data)
	if e.full == nil || !g.plain {
		return false
	}
	top, key, ok := g.transaction()
	uri, err := ParseURI(string(g.uri))
	if !ok || err != nil || e.invites.get(key) != nil {
		return false
	}
	code := e.full(releve.Opening{User: User(uri), TestID: string(g.test), Waited: time.Since(w.since)})
	to, err := top.address(w.from.AddrPort)
	if code == 0 || err != nil {
		return false
	}
	e.scrap = g.refusal(e.scrap[:0], code, top, w.from.AddrPort, maphash.String(e.seed, key))
	_ = e.sendBy(w.from.way, e.scrap, to) // as unreliable as UDP itself
	return true
}

// transaction is what a call has in common with its repetitions. Those from the days of RFC 2543 are for
// the screen.
func (g glanced) transaction() (top hop, key string, ok bool) {
	via, err := split(string(g.via), ',')
	if err != nil || len(via) == 0 {
		return top, "", false
	}
	if top, err = parseHop(via[0]); err != nil || len(top.branch) > maxBranch {
		return top, "", false
	}
	key, ok = top.key("INVITE")
	return top, key, ok
}

// refusal writes a response into a buffer.
func (g glanced) refusal(b []byte, code int, top hop, from netip.AddrPort, tag uint64) []byte {
	b = append(b, "SIP/2.0 "...)
	b = strconv.AppendInt(b, int64(code), 10)
	b = append(append(b, ' '), Reason(code)...)
	b = append(append(b, "\r\nVia: "...), top.stamp(string(g.via), from)...)
	for _, via := range g.vias {
		b = append(append(b, "\r\nVia: "...), via...)
	}
	b = append(append(b, "\r\nFrom: "...), g.from...)
	b = append(append(append(b, "\r\nTo: "...), g.to...), ";tag="+away...)
	b = strconv.AppendUint(b, tag, 16)
	b = append(append(b, "\r\nCall-ID: "...), g.callID...)
	b = append(append(b, "\r\nCSeq: "...), g.cseq...)
	return append(b, "\r\nContent-Length: 0\r\n\r\n"...)
}
