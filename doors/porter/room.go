// Package porter keeps the doors of this server: how many connections, and other things
// that a reader far away can hold, are open at the same time, and who gives way when a
// door is full (SPEC K4).
//
// Nobody is kept out because somebody else came first. In a full room a newcomer takes the
// place of one of those who hold the most, or of one who asks for nothing; only where
// everybody is at work, and holds as little as the newcomer would, is he turned away. Those
// who are vouched for have room of their own, which no stranger takes.
//
// Why not a limit of time alone: a stranger who comes again at once is always there. Why
// not a rate: a ward's screens all come back in the same second.
package porter

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Rules are how many may be in a room.
type Rules struct {
	Most int // guests in all that nobody vouches for
	Each int // … of them from one address; of IPv6 from one network of 64 bits
	Kept int // room beside them, of those that are vouched for; they are refused never
}

// stuck is how long something must wait to be taken before who does not take it gives way
// to others. He may go on waiting while nobody wants his place.
const stuck = time.Second

// Room is what is open at the same time. Its methods may be called from any goroutine.
type Room struct {
	rules Rules

	mu     sync.Mutex
	guests map[*Guest]struct{}
}

// NewRoom makes an empty room.
func NewRoom(r Rules) *Room { return &Room{rules: r, guests: map[*Guest]struct{}{}} }

// Guest is one that is within.
type Guest struct {
	room    *Room
	from    netip.Prefix
	end     func()
	vouched bool // these two under the room's lock
	atRest  bool // it asks for nothing now
	moved   atomic.Int64
	waits   atomic.Int64 // since when something waits to be taken; 0: nothing does
}

// Enter lets one in, who is at rest. end is called, once at most and by another's Enter,
// when it has to give way; it must not wait. ok is false when there is no room.
func (r *Room) Enter(from netip.Addr, vouched bool, end func()) (g *Guest, ok bool) {
	g = &Guest{room: r, from: place(from), end: end, vouched: vouched, atRest: true}
	g.moved.Store(time.Now().UnixNano())
	r.mu.Lock()
	victim, ok := r.roomFor(g)
	if ok {
		r.guests[g] = struct{}{}
		delete(r.guests, victim)
	}
	r.mu.Unlock()
	if victim != nil {
		victim.end()
	}
	return g, ok
}

// place is what counts as one address: whoever has one of IPv6 has 2^64 of them.
func place(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits) // the zero address, of a socket without any, has the zero prefix
	return p
}

// roomFor finds who gives way to a newcomer, nil when nobody has to.
func (r *Room) roomFor(newcomer *Guest) (victim *Guest, ok bool) {
	if newcomer.vouched {
		return r.keptPlace(), r.rules.Kept > 0
	}
	now := time.Now()
	all := r.standing(false)
	held := map[netip.Prefix]int{}
	for _, g := range all {
		held[g.from]++
	}
	switch own := held[newcomer.from]; {
	case own >= r.rules.Each:
		victim = quietest(keep(all, func(g *Guest) bool { return g.from == newcomer.from && g.dispensable(now) }), now)
	case len(all) < r.rules.Most:
		return nil, true
	default:
		most := 0
		for _, n := range held {
			most = max(most, n)
		}
		victim = quietest(keep(all, func(g *Guest) bool {
			return held[g.from] == most && most > own+1 || g.dispensable(now) && most <= own+1
		}), now)
	}
	return victim, victim != nil
}

// keptPlace finds who gives one of the places that are kept to one more that is vouched for,
// nil when one is free.
func (r *Room) keptPlace() (victim *Guest) {
	if all := r.standing(true); len(all) >= r.rules.Kept {
		return quietest(all, time.Now())
	}
	return nil
}

// standing are the guests that are vouched for, or those that are not.
func (r *Room) standing(vouched bool) []*Guest {
	var all []*Guest
	for g := range r.guests {
		if g.vouched == vouched {
			all = append(all, g)
		}
	}
	return all
}

func keep(all []*Guest, chosen func(*Guest) bool) []*Guest {
	var some []*Guest
	for _, g := range all {
		if chosen(g) {
			some = append(some, g)
		}
	}
	return some
}

// quietest is the guest that is missed least: one that asks for nothing, or takes nothing,
// before one at work, and the one that has not moved for longest. nil: there is none.
func quietest(all []*Guest, now time.Time) (found *Guest) {
	for _, g := range all {
		switch {
		case found == nil, g.dispensable(now) && !found.dispensable(now):
			found = g
		case g.dispensable(now) == found.dispensable(now) && g.moved.Load() < found.moved.Load():
			found = g
		}
	}
	return found
}

// dispensable says that nobody would miss a guest's place but itself.
func (g *Guest) dispensable(now time.Time) bool {
	waits := g.waits.Load()
	return g.atRest || waits != 0 && now.UnixNano()-waits >= int64(stuck)
}

// Leave gives the place back. It may be called twice, and by who had to give way.
func (g *Guest) Leave() {
	g.room.mu.Lock()
	defer g.room.mu.Unlock()
	delete(g.room.guests, g)
}

// Rest says whether the guest asks for nothing now.
func (g *Guest) Rest(atRest bool) {
	g.room.mu.Lock()
	defer g.room.mu.Unlock()
	g.atRest = atRest
}

// Vouch gives the guest one of the places that are kept. Where all are taken, the one that
// has been quiet for longest gives way: a server that was frozen left its old ones behind.
func (g *Guest) Vouch() {
	r := g.room
	r.mu.Lock()
	var victim *Guest
	if _, within := r.guests[g]; within && !g.vouched {
		victim = r.keptPlace()
		delete(r.guests, victim)
		g.vouched = true
	}
	r.mu.Unlock()
	if victim != nil {
		victim.end()
	}
}

// Moved says that something came from the guest, or was taken by it.
func (g *Guest) Moved() { g.moved.Store(time.Now().UnixNano()) }

// Waits says that something waits to be taken by the guest, from now on.
func (g *Guest) Waits() { g.waits.Store(time.Now().UnixNano()) }

// Taken says that nothing waits any more.
func (g *Guest) Taken() {
	g.waits.Store(0)
	g.Moved()
}
