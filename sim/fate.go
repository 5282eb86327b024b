package sim

import (
	"context"
	"time"

	"releve/view"
)

// fault is something that goes wrong for a while. begin says what, and returns its
// end, nil for what has none. It is called with the lock held, and so is the end.
type fault struct {
	weight int
	begin  func(*site, *server, die) (end func())
}

// faults are all that a seed can choose from.
var faults = []fault{
	{6, func(_ *site, v *server, _ die) func() { return v.dies() }},
	{10, func(_ *site, v *server, d die) func() { return v.diesAtAction(d) }},
	{5, func(_ *site, v *server, _ die) func() { v.journal.fatal = true; return nil }},
	{3, func(_ *site, v *server, _ die) func() { v.spool.fatal = true; return nil }},
	{3, func(_ *site, v *server, _ die) func() { return v.leaves() }},
	{4, func(_ *site, v *server, _ die) func() { return v.freezes("whole", true, true) }},
	{2, func(_ *site, v *server, _ die) func() { return v.freezes("without its database", true, false) }},
	{2, func(_ *site, v *server, _ die) func() { return v.freezes("in its database alone", false, true) }},
	{4, func(s *site, _ *server, _ die) func() { return s.cutLink(0, 1) }},
	{2, func(s *site, _ *server, _ die) func() { return s.cutLink(0) }},
	{2, func(s *site, _ *server, _ die) func() { return s.cutLink(1) }},
	{4, func(s *site, _ *server, d die) func() { return s.badLink(d) }},
	{2, func(s *site, _ *server, _ die) func() { return s.cutSIP() }},
	{3, func(_ *site, v *server, _ die) func() { return v.cutPBX() }},
	{2, func(s *site, _ *server, _ die) func() { return s.stopPBX() }},
	{3, func(_ *site, v *server, _ die) func() { return v.databaseDies() }},
	{3, func(_ *site, v *server, _ die) func() { return v.diskFull() }},
	{2, func(_ *site, v *server, d die) func() { return v.slowJournal(d) }},
	{2, func(_ *site, v *server, _ die) func() { v.operator("return"); return nil }},
	{3, func(_ *site, v *server, _ die) func() { v.operator("switchover"); return nil }},
}

// The time in which faults begin, and after which all are mended.
const (
	troubleFrom = 3 * time.Second // a new site is protected by then
	troubleLast = 6 * time.Second
	faultsMost  = 6
)

// trouble lets faults happen, and returns when their time is over.
func (s *site) trouble() {
	d := s.dice.of("", ofFate)
	from := troubleFrom
	if d.one(6) {
		from = d.between(0, troubleFrom) // while the site is being founded
	}
	for range 1 + d.below(faultsMost) {
		s.later(from+d.between(0, troubleLast), func() { s.strike(d) })
	}
	sleep(s.ctx, from+troubleLast+d.between(0, time.Second))
}

// strike chooses one fault and how long it lasts.
func (s *site) strike(d die) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.servers[d.below(2)]
	lasts := d.between(30*time.Millisecond, 2*time.Second)
	if d.one(3) {
		lasts = d.between(2*time.Second, 12*time.Second)
	}
	s.figures.Faults++
	s.stirred = s.elapsed()
	end := choose(d).begin(s, v, d)
	s.review()
	if end == nil {
		return
	}
	s.later(lasts, func() {
		s.change(func() {
			if !s.mended {
				s.stirred = s.elapsed()
				end()
			}
		})
	})
}

func choose(d die) fault {
	n := d.below(totalWeight)
	for _, f := range faults {
		if n -= f.weight; n < 0 {
			return f
		}
	}
	panic("weights do not add up")
}

var totalWeight = func() (sum int) {
	for _, f := range faults {
		sum += f.weight
	}
	return sum
}()

// mend ends every fault.
func (s *site) mend() {
	s.change(func() {
		s.mended, s.stirred = true, s.elapsed()
		s.note("", "Everything is mended.")
		s.network.cut, s.network.sip = [2]bool{}, false
		s.network.lossy, s.network.slow, s.network.double = 0, 0, 0
		s.pbx.up, s.pbx.path = true, [2]bool{true, true}
		for _, v := range s.servers {
			v.journal.slow, v.journal.fatal, v.spool.fatal, v.database.broken = 0, false, false, false
			v.unfrozen()
			if v.running != nil {
				v.running.fuse = 0
			}
		}
	})
	s.endShift()
	for _, v := range s.servers {
		v.start()
	}
}

func (v *server) dies() func() {
	if v.running != nil {
		v.running.die("is killed")
	}
	return nil
}

func (v *server) diesAtAction(d die) func() {
	if v.running != nil {
		v.running.fuse = 1 + d.below(40)
	}
	return nil
}

func (v *server) leaves() func() {
	if p := v.running; p != nil {
		v.note(v.seat, "The server is told to stop.")
		v.work.Go(p.leave)
	}
	return nil
}

func (v *server) freezes(how string, program, database bool) func() {
	v.note(v.seat, "The server is frozen %s.", how)
	v.freeze(program, database)
	return func() {
		v.note(v.seat, "The server runs again.")
		v.unfrozen()
	}
}

// unfrozen lets everything of the server run.
func (v *server) unfrozen() {
	v.thawed()
	v.database.thawed()
	if v.running != nil {
		v.running.store.moved()
	}
}

func (s *site) cutLink(from ...int) func() {
	for _, i := range from {
		s.note("", "The link is cut from the %s.", s.servers[i].seat)
		s.network.cut[i] = true
	}
	return func() {
		s.note("", "The link is whole again.")
		for _, i := range from {
			s.network.cut[i] = false
		}
	}
}

func (s *site) badLink(d die) func() {
	n := &s.network
	n.lossy, n.slow, n.double = 2+d.below(8), d.between(0, 600*time.Millisecond), 1+d.below(4)
	s.note("", "The link is bad: one packet in %d is lost, each may be %s late, and come again.", n.lossy, n.slow.Round(time.Millisecond))
	return func() {
		s.note("", "The link is good again.")
		n.lossy, n.slow, n.double = 0, 0, 0
	}
}

func (s *site) cutSIP() func() {
	s.note("", "Direct SIP between the servers is cut.")
	s.network.sip = true
	return func() {
		s.note("", "Direct SIP is whole again.")
		s.network.sip = false
	}
}

func (v *server) cutPBX() func() {
	v.note(v.seat, "The server and the PBX do not reach each other.")
	v.pbx.path[side(v.seat)] = false
	return func() {
		v.note(v.seat, "The server and the PBX reach each other again.")
		v.pbx.path[side(v.seat)] = true
	}
}

func (s *site) stopPBX() func() {
	s.note("", "The PBX stops.")
	s.pbx.up = false
	return func() {
		s.note("", "The PBX is back, without any binding.")
		s.pbx.restart()
	}
}

func (v *server) databaseDies() func() {
	v.note(v.seat, "PostgreSQL dies.")
	v.database.exit("killed")
	return nil
}

func (v *server) diskFull() func() {
	v.note(v.seat, "PostgreSQL dies of a full disk.")
	v.database.broken = true
	v.database.exit("no space left on device")
	return func() {
		v.note(v.seat, "The disk has room again.")
		v.database.broken = false
	}
}

func (v *server) slowJournal(d die) func() {
	v.journal.slow = d.between(50*time.Millisecond, 2500*time.Millisecond)
	v.note(v.seat, "The journal's disk takes %s more for each save.", v.journal.slow.Round(time.Millisecond))
	return func() {
		v.note(v.seat, "The journal's disk is fast again.")
		v.journal.slow = 0
	}
}

// operator runs a procedure at this server, until it ends or the operator is sent home.
func (v *server) operator(name string) {
	p := v.running
	if p == nil {
		return
	}
	v.note(v.seat, "The operator asks for a %s.", name)
	v.work.Go(func() { _ = p.orders(v.shift, name) }) // it may well be refused
}

// orders runs a procedure. It ends with the process, and with the operator's shift.
func (p *process) orders(ctx context.Context, name string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(p.ctx, cancel)()
	return p.agent.Procedure(ctx, name, false, func(view.Procedure) {})
}
