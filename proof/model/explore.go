package model

import (
	"fmt"
	"hash/maphash"
	"maps"
	"slices"

	"releve"
	"releve/rules/takeover"
)

// Report is what a walk found.
type Report struct {
	Bounds    Bounds
	States    int
	Moves     int
	Machines  int // distinct machines, of either server
	Broken    string
	Page      []string // how it came to that, from the start
	Stuck     int      // states from which the site cannot become protected again
	StuckPage []string
	Orphaned  int // states in which nothing is left that may decide, see orphaned
	AtBounds  int // states of which that is not known, for moves beyond the bounds are open to them
	Whole     bool
	Rows      []string // rows of the table that were carried out
	leads     map[lead]bool
}

// String is the report in a line.
func (r Report) String() string {
	if r.Broken != "" {
		return fmt.Sprintf("%d states: broken after %d moves: %s", r.States, len(r.Page), r.Broken)
	}
	return fmt.Sprintf("%d states, %d moves, %d machines (%s): nothing broken, "+
		"%d states from which the site cannot become protected, "+
		"%d of which the bounds hide it, "+
		"%d in which nothing is left that may decide",
		r.States, r.Moves, r.Machines, r.Bounds, r.Stuck, r.AtBounds, r.Orphaned)
}

// Options of a walk.
type Options struct {
	Site     Site
	Bounds   Bounds
	Variant  Variant
	Liveness bool // look, too, whether each state can become protected
	InSync   bool // walk from a site that is protected, not from one just installed
	Limit    int  // states at most; 0: none
}

// explorer is one walk, breadth first, so that what it finds is found the shortest way.
type explorer struct {
	walk
	Options
	seed   maphash.Seed
	states []state
	parent []int32
	slots  []int32 // open addressing: index into states + 1
	edges  []int32
	begin  []int    // of each state's edges
	beyond []uint64 // a set of states: a move from there is beyond the bounds
	rules  map[string]bool
	broken string
	moves  int

	brokenBy breach
}

// breach is the move that broke a promise.
type breach struct {
	from int32
	move move
}

// Explore walks from a site that has just been installed.
func Explore(o Options) Report {
	n := newInterned(o.Site)
	from := state{link: true, register: n.blank()}
	if o.InSync {
		from = inSync(n, o.Bounds)
	}
	n.become(o.Variant)
	x := newExplorer(o, n, from)
	return x.report(x.explore(func(*state) bool { return false }))
}

// inSync is the first protected state of a site where nothing goes wrong.
func inSync(n *interned, b Bounds) state {
	b.Faults, b.Orders = 0, 0
	x := newExplorer(Options{Bounds: b}, n, state{link: true, register: n.blank()})
	found := state{}
	x.explore(func(s *state) bool {
		if x.protected(s) && x.journals.values[s.servers[0].journal].Witnessed() == (n.site.Arbiter == releve.Witness) {
			found = *s
		}
		return found != state{}
	})
	return found
}

func newExplorer(o Options, n *interned, from state) *explorer {
	x := &explorer{Options: o, seed: maphash.MakeSeed(), slots: make([]int32, 1<<16), rules: map[string]bool{}}
	x.walk = walk{interned: n, bounds: o.Bounds}
	x.add(from, -1)
	return x
}

// explore goes on until something is broken, nothing is left, or it is enough. It
// says whether every state was seen.
func (x *explorer) explore(enough func(*state) bool) (whole bool) {
	at := 0
	for ; at < len(x.states) && x.broken == "" && !enough(&x.states[at]) && (x.Limit == 0 || len(x.states) < x.Limit); at++ {
		x.expand(at)
	}
	return at == len(x.states)
}

func (x *explorer) report(whole bool) Report {
	r := Report{
		Bounds: x.Bounds, States: len(x.states), Moves: x.moves, Machines: len(x.machines) - 1,
		Whole: whole, Broken: x.broken, Rows: slices.Sorted(maps.Keys(x.rules)), leads: x.leads,
	}
	switch {
	case x.broken != "":
		r.Page = append(x.page(int(x.brokenBy.from)), x.line(x.brokenBy))
	case x.Liveness && whole:
		x.begin = append(x.begin, len(x.edges))
		x.liveness(&r)
	}
	return r
}

func (x *explorer) expand(at int) {
	x.begin = append(x.begin, len(x.edges))
	from := x.states[at]
	x.emit = func(s state, m move) {
		if x.broken != "" {
			return
		}
		x.moves++
		x.broken = x.inStep(&from, m)
		if s != from {
			x.arrive(s, at)
		}
		if x.broken != "" {
			x.brokenBy = breach{int32(at), m}
		}
	}
	x.dropped = false
	x.from(from)
	x.note(at, x.dropped)
}

// note remembers whether a move from the state is beyond the bounds.
func (x *explorer) note(at int, dropped bool) {
	if at/64 >= len(x.beyond) {
		x.beyond = append(x.beyond, 0)
	}
	if dropped {
		x.beyond[at/64] |= 1 << (at % 64)
	}
}

func (x *explorer) leaves(n int) bool { return x.beyond[n/64]&(1<<(n%64)) != 0 }

func (x *explorer) arrive(s state, from int) {
	n, isNew := x.add(s, from)
	if x.Liveness {
		x.edges = append(x.edges, int32(n))
	}
	if isNew && x.broken == "" {
		x.broken = x.wrong(&x.states[n])
	}
}

// inStep notes which rows were carried out, and says what the step itself did wrong.
func (x *explorer) inStep(from *state, m move) string {
	o := &x.outcomes[m.outcome]
	busy := from.servers[m.who].work.job != noJob && m.what != jobDone && m.what != jobFails && m.what != promotionTorn
	for _, a := range o.actions {
		x.rules[a.rule] = true
		if a.kind == takeover.Fence {
			busy = false
		}
		// The agent ends the one that is in vain first.
		anew := a.rule == "gate-opened-alone" && from.servers[m.who].work.job == open
		if a.kind == takeover.Begin && busy && !anew {
			return "a job is begun while another runs: " + a.rule
		}
		if a.kind == takeover.PutClaim && from.servers[m.who].claim != 0 && m.what != claimAnswered && m.what != claimGivenUp {
			return "a claim is put while another is out: " + a.rule
		}
		if m.what == toldRelieve && a.kind == takeover.Save && from.servers[1-m.who].phone.bound {
			return "the duty was taken from a server that is bound"
		}
		if a.rule == "duty-taken-from-released" && !x.journals.values[from.servers[1-m.who].journal].Released {
			return "the duty was taken from a server that has not released it"
		}
	}
	return o.broken
}

func (x *explorer) add(s state, from int) (n int, isNew bool) {
	if 4*len(x.states) >= 3*len(x.slots) {
		x.grow()
	}
	slot := x.slot(s)
	if x.slots[slot] != 0 {
		return int(x.slots[slot] - 1), false
	}
	x.states, x.parent = append(x.states, s), append(x.parent, int32(from))
	x.slots[slot] = int32(len(x.states))
	return len(x.states) - 1, true
}

func (x *explorer) slot(s state) int {
	mask := len(x.slots) - 1
	at := int(maphash.Comparable(x.seed, s)) & mask
	for x.slots[at] != 0 && x.states[x.slots[at]-1] != s {
		at = (at + 1) & mask
	}
	return at
}

func (x *explorer) grow() {
	x.slots = make([]int32, 2*len(x.slots))
	for n, s := range x.states {
		x.slots[x.slot(s)] = int32(n + 1)
	}
}

// wrong says which promise a state breaks.
func (x *explorer) wrong(s *state) string {
	if broken := x.confused(s); broken != "" || x.forced() {
		return broken
	}
	decide := [2]bool{x.decides(s, 0), x.decides(s, 1)}
	for i := range s.servers {
		v, o := &s.servers[i], &s.servers[1-i]
		d := &x.journals.values[v.journal]
		switch {
		// One that knows of it stands still.
		case decide[i] && v.disk == ours && s.acked&^v.log.mask() != 0 && (v.store || !v.torn):
			return fmt.Sprintf("an acknowledged row is missing at the %s, which %s", seats[i], holding(d))
		case decide[0] && decide[1]:
			return "two servers hold the vote" + x.whereItLies(s)
		case s.streaming(1-i) && !o.log.beginsLike(v.log):
			return "the mirror in sync holds a row that its owner lacks"
		case x.acknowledges(s, i) && x.acknowledges(s, 1-i):
			return "two servers commit"
		case v.ending == free && !v.up && decide[i] && !d.Owns():
			return fmt.Sprintf("the %s was stopped in order and took the vote with it", seats[i])
		}
	}
	return ""
}

func holding(d *takeover.Durable) string {
	if d.Vote {
		return "holds the vote"
	}
	return "may have the duty from the witness"
}

func (x *explorer) whereItLies(s *state) string {
	for i := range s.servers {
		if !x.journals.values[s.servers[i].journal].Vote {
			return fmt.Sprintf(": the %s may have the duty from the witness", seats[i])
		}
	}
	return ""
}

// acknowledges: a row that this server writes now can be acknowledged.
func (x *explorer) acknowledges(s *state, i int) bool {
	v := &s.servers[i]
	return v.store && v.postgres == primary && (v.lone || s.streaming(1-i))
}

// protected: the owner serves, and its mirror, in sync, holds the vote, or may have
// the duty from the witness, or is waited for where the vote never leaves the owner. At level base
// the owner serves alone, and there is no more to be had.
func (x *explorer) protected(s *state) bool {
	if x.backsUp() {
		return x.backedUp(s)
	}
	for i := range s.servers {
		m := &x.machines[s.servers[i].machine]
		if !s.servers[i].up || !m.Owns() {
			continue
		}
		switch at := m.RunsAt(); {
		case at == releve.Base && m.Phase == takeover.Serving && m.Gate && m.Lone:
			return true
		case at != releve.Base && m.Protected() && s.streaming(1-i) && (at == releve.Mirroring || x.decides(s, 1-i)):
			return true
		}
	}
	return false
}

// liveness looks for states from which no moves lead to a protected one.
func (x *explorer) liveness(r *Report) {
	into, begin := x.reversed()
	can := x.reaching(into, begin, func(n int) bool { return x.protected(&x.states[n]) })
	leaves := x.reaching(into, begin, x.leaves)
	for n := range x.states {
		switch {
		case can[n]:
		case leaves[n]:
			r.AtBounds++
		case x.orphaned(&x.states[n]):
			r.Orphaned++
		default:
			if r.Stuck++; r.Stuck == 1 {
				r.StuckPage = x.page(n)
			}
		}
	}
}

// reaching are the states from which moves lead to one of that kind.
func (x *explorer) reaching(into []int32, begin []int, kind func(n int) bool) []bool {
	can := make([]bool, len(x.states))
	var queue []int32
	for n := range x.states {
		if kind(n) {
			can[n] = true
			queue = append(queue, int32(n))
		}
	}
	for len(queue) > 0 {
		n := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		for _, from := range into[begin[n]:begin[n+1]] {
			if !can[from] {
				can[from] = true
				queue = append(queue, from)
			}
		}
	}
	return can
}

// reversed are the edges by where they lead.
func (x *explorer) reversed() (into []int32, begin []int) {
	begin = make([]int, len(x.states)+1)
	for _, to := range x.edges {
		begin[to+1]++
	}
	for n := range x.states {
		begin[n+1] += begin[n]
	}
	into = make([]int32, len(x.edges))
	next := slices.Clone(begin)
	for from := range x.states {
		for _, to := range x.edges[x.begin[from]:x.begin[from+1]] {
			into[next[to]] = int32(from)
			next[to]++
		}
	}
	return into, begin
}
