package sip

import "bytes"

// A glance at a datagram tells what goes before what, and writes the answer to a call that there is no
// room for. It allocates next to nothing: garbage is collected on the processor that everybody waits for when
// there is too much to do. What it does not know at once (folded lines, blanks in odd places)
// is for the screen, which reads it all.
type glanced struct {
	newCall bool // an INVITE outside any dialog
	away    bool // the ACK of a call that was turned away
	plain   bool // all that an answer needs is there, each on one line
	uri     []byte
	via     []byte   // the first line
	vias    [][]byte // those behind it
	from    []byte
	to      []byte
	callID  []byte
	cseq    []byte
	test    []byte
}

// names are the headers that are looked for, in lower case, with their compact forms.
var (
	nameVia    = [2]string{"via", "v"}
	nameFrom   = [2]string{"from", "f"}
	nameTo     = [2]string{"to", "t"}
	nameCallID = [2]string{"call-id", "i"}
	nameCSeq   = [2]string{"cseq", ""}
	nameTest   = [2]string{"x-releve-test", ""}
)

var (
	lineEnd   = []byte("\r\n")
	inviteIs  = []byte("INVITE ")
	ackIs     = []byte("ACK ")
	awayTagIs = []byte(";tag=" + away)
)

// glance looks at a datagram.
func glance(data []byte) (g glanced) {
	data = bytes.TrimLeft(data, blank)
	invite := bytes.HasPrefix(data, inviteIs)
	if !invite && !bytes.HasPrefix(data, ackIs) {
		return glanced{}
	}
	start, rest, _ := bytes.Cut(data, lineEnd)
	_, uri, _ := bytes.Cut(start, []byte(" "))
	g.uri, _, _ = bytes.Cut(uri, []byte(" "))
	g.plain = true
	for len(rest) > 0 {
		var line []byte
		if line, rest, _ = bytes.Cut(rest, lineEnd); len(line) == 0 {
			break // the body is behind it
		}
		g.header(line)
	}
	g.newCall = invite && !tagged(g.to)
	g.away = !invite && bytes.Contains(g.to, awayTagIs)
	g.plain = g.plain && len(g.via) > 0 && len(g.from) > 0 && len(g.to) > 0 && len(g.callID) > 0 && len(g.cseq) > 0
	return g
}

// header takes one line in.
func (g *glanced) header(line []byte) {
	if line[0] == ' ' || line[0] == '\t' {
		g.plain = false
		return
	}
	name, value, _ := bytes.Cut(line, []byte(":"))
	switch name, value = bytes.TrimSpace(name), bytes.TrimSpace(value); {
	case is(name, nameVia) && g.via == nil:
		g.via = value
	case is(name, nameVia):
		g.vias = append(g.vias, value)
	case is(name, nameFrom):
		g.from = value
	case is(name, nameTo):
		g.to = value
	case is(name, nameCallID):
		g.callID = value
	case is(name, nameCSeq):
		g.cseq = value
	case is(name, nameTest):
		g.test = value
	}
}

// tagged says whether an address has a tag, or looks as if it had: that call is the screen's.
func tagged(to []byte) bool {
	for i, c := range to {
		if c == '=' && i >= len("tag") && same(to[i-len("tag"):i], "tag") {
			return true
		}
	}
	return false
}

// is says whether a header has one of two names.
func is(name []byte, names [2]string) bool { return same(name, names[0]) || same(name, names[1]) }

// same compares without regard to case, which header names know none of.
func same(name []byte, lower string) bool {
	if len(name) != len(lower) {
		return false
	}
	for i := range name {
		c := name[i]
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}
