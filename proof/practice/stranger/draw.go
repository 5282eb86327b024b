package stranger

import (
	"math/rand/v2"
	"strings"
)

// draw is where his variety comes from. The same seed gives the same, and what comes later is
// longer and more mangled.
type draw struct {
	*rand.Rand
	n int // drawn so far
}

func newDraw(seed, stream uint64) *draw {
	return &draw{Rand: rand.New(rand.NewPCG(seed, stream))}
}

// one is one of some texts.
func (d *draw) one(of ...string) string { return of[d.IntN(len(of))] }

const (
	leastGrown = 64
	growth     = 8 // bytes that each thing drawn adds to the longest that may come next
)

// length is a length of some bytes, short ones as likely as long ones, up to a bound that
// grows to the most.
func (d *draw) length(most int) int {
	bound, longest := min(most, leastGrown+growth*d.n), 1
	for longest < bound && d.IntN(8) > 0 {
		longest *= 2
	}
	return 1 + d.IntN(min(longest, bound))
}

const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

// word is that many letters and digits: nothing compresses it.
func (d *draw) word(length int) string {
	b := make([]byte, length)
	for i := range b {
		b[i] = letters[d.IntN(len(letters))]
	}
	return string(b)
}

// bytes are that many of any value.
func (d *draw) bytes(length int) []byte {
	b := make([]byte, length)
	for i := range b {
		b[i] = byte(d.Uint32())
	}
	return b
}

// mangled changes, cuts out or doubles some bytes: more of them, the longer he goes on.
func (d *draw) mangled(text []byte) []byte {
	b := append([]byte(nil), text...)
	for range 1 + d.IntN(1+min(d.n/500, 64)) {
		if len(b) == 0 {
			return b
		}
		at := d.IntN(len(b))
		switch d.IntN(4) {
		case 0:
			b[at] = byte(d.Uint32())
		case 1:
			b[at] = d.one("\r", "\n", "\x00", "\x1b", ";", "\"", "<", ",", "=", " ")[0]
		case 2:
			b = append(b[:at], b[min(len(b), at+1+d.IntN(16)):]...)
		default:
			piece := string(b[at:min(len(b), at+1+d.IntN(64))])
			b = []byte(string(b[:at]) + strings.Repeat(piece, 1+d.IntN(4)) + string(b[at:]))
		}
	}
	return b
}

// escape is what a terminal, a log or a page would obey.
func (d *draw) escape() string {
	return d.one("\x1b]0;owned\x07", "\x1b[31mred", "\x1b[2J", "%1b%63",
		"\u202egnal", "\x9b31m", "<script>alert(1)</script>", "=cmd|' /C calc'!A0",
		"a\rb", "a\x00b", "\xff\xfe", "';drop table call;--")
}
