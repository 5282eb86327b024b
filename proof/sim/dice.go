package sim

import (
	"math/bits"
	"sync/atomic"
	"time"

	"releve"
)

// matter is what a draw is for.
type matter int

const (
	ofFate matter = iota // which faults, when, to whom
	ofJournal
	ofSpool
	ofDatabase
	ofCommit
	ofStream
	ofLink
	ofSIP
	ofPBX
	ofTelephone
	ofRegister
	ofAnswer
	ofCalls
	ofWitness
	ofClock
	ofPast
	matters
)

// dice draws what a seed decides. Each server has its own for each matter, so that
// what is drawn does not depend on what others draw meanwhile: goroutines of
// one moment may run in any order, and the story stays the same.
type dice [3][matters]atomic.Uint64

func newDice(seed uint64) *dice {
	d := &dice{}
	for who := range d {
		for m := range d[who] {
			d[who][m].Store(mix(seed + uint64(who*int(matters)+m+1)*golden))
		}
	}
	return d
}

const golden = 0x9e3779b97f4a7c15

// mix is the output function of SplitMix64 (Steele, Lea, Flood 2014).
func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// die is one server's dice for one matter.
type die struct{ state *atomic.Uint64 }

// of draws for a seat; the empty seat is the world between the servers.
func (d *dice) of(seat releve.Seat, m matter) die {
	who := 0
	switch seat {
	case releve.Main:
		who = 1
	case releve.Secondary:
		who = 2
	}
	return die{&d[who][m]}
}

// next is any number.
func (d die) next() uint64 {
	return mix(d.state.Add(golden))
}

// die is a new one, whose draws concern nobody else.
func (d die) die() die {
	own := &atomic.Uint64{}
	own.Store(d.next())
	return die{own}
}

// below is 0 to n-1.
func (d die) below(n int) int {
	high, _ := bits.Mul64(d.next(), uint64(n))
	return int(high)
}

// one says yes once in n times.
func (d die) one(n int) bool { return d.below(n) == 0 }

// between is a duration from low up to high. No two are likely to be the same to
// the nanosecond, so that two things seldom happen at one moment.
func (d die) between(low, high time.Duration) time.Duration {
	return low + time.Duration(d.below(int(high-low)))
}

// mostly is a duration near low for the most part, and now and then up to high: half of all are
// in the lowest eighth, as with work that is quick unless the machine is busy.
func (d die) mostly(low, high time.Duration) time.Duration {
	u := float64(d.next()>>11) / (1 << 53)
	return low + time.Duration(u*u*u*float64(high-low))
}
