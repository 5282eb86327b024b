package sim

import (
	"context"
	"slices"
	"time"

	"releve"
	"releve/rules/procedure"
	"releve/screen/view"
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
	{2, func(s *site, _ *server, _ die) func() { return s.losesPower() }},
	{4, func(_ *site, v *server, d die) func() { return v.leavesTheOtherToDie(d) }},
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
	{2, asksFor(procedure.Return.Name)},
	{3, asksFor(procedure.Switchover.Name)},
	{1, asksFor(procedure.ResumeMirror.Name)},
	{1, asksFor(procedure.RebuildMirror.Name)},
	{1, func(_ *site, v *server, _ die) func() { return v.standsStill() }},
	{1, func(_ *site, v *server, d die) func() { return v.wallJumps(d) }},
}

// witnessFaults come on top at a site with a witness.
var witnessFaults = []fault{
	{3, func(s *site, _ *server, _ die) func() { return s.witnessDies() }},
	{2, func(s *site, _ *server, _ die) func() { return s.witnessFreezes() }},
	{2, func(s *site, _ *server, _ die) func() { return s.witnessIsWiped() }},
	{3, func(_ *site, v *server, d die) func() { return v.roomIsDark(d) }},
	{3, func(s *site, _ *server, _ die) func() { s.witness.fatal = true; return nil }},
	{5, func(s *site, _ *server, d die) func() { s.witness.omen = s.grantIsFatal(d); return nil }},
	{1, func(s *site, _ *server, d die) func() { return s.witnessIsSlow(d) }},
	{2, func(_ *site, v *server, _ die) func() { return v.cutWitness(way{true, true}) }},
	{2, func(_ *site, v *server, _ die) func() { return v.cutWitness(way{there: true}) }},
	{2, func(_ *site, v *server, _ die) func() { return v.cutWitness(way{back: true}) }},
	{2, func(_ *site, v *server, _ die) func() { return v.isCutOff() }},
	{2, func(s *site, _ *server, d die) func() { return s.badWitnessLink(d) }},
	{3, asksFor(procedure.ToPair.Name)},
	{3, asksFor(procedure.ToWitness.Name)},
}

// The time in which faults begin, and after which all are mended.
const (
	wellWithin  = 4 * time.Second // a new site is protected by then
	troubleLast = 4 * time.Second
	faultsMost  = 6
)

// trouble lets faults happen, and returns when their time is over.
func (s *site) trouble() {
	d := s.dice.of("", ofFate)
	if d.one(6) {
		sleep(s.ctx, d.between(0, wellWithin/2)) // while the site is being founded
	} else {
		s.until(wellWithin, s.protected)
	}
	for range 1 + d.below(faultsMost) {
		s.later(d.between(0, troubleLast), func() { s.strike(d) })
	}
	sleep(s.ctx, troubleLast+d.between(0, 400*time.Millisecond))
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
	end := s.choose(d).begin(s, v, d)
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

func (s *site) choose(d die) fault {
	all := faults
	if s.witnessed {
		all = bothFaults
	}
	total := 0
	for _, f := range all {
		total += f.weight
	}
	n := d.below(total)
	for _, f := range all {
		if n -= f.weight; n < 0 {
			return f
		}
	}
	panic("weights do not add up")
}

var bothFaults = slices.Concat(faults, witnessFaults)

// mend ends every fault.
func (s *site) mend() {
	s.change(func() {
		s.mended, s.stirred = true, s.elapsed()
		s.note("", "Everything is mended.")
		s.network.cut, s.network.sip = [2]bool{}, false
		s.network.lossy, s.network.slow, s.network.double = 0, 0, 0
		s.pbx.up, s.pbx.path = true, [2]bool{true, true}
		s.witness.mended()
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

// leavesTheOtherToDie: the server is stopped, and while the other goes on alone, that is killed.
func (v *server) leavesTheOtherToDie(d die) func() {
	v.leaves()
	v.later(d.between(200*time.Millisecond, 2*time.Second), func() {
		v.change(func() {
			if !v.mended {
				v.other().dies()
			}
		})
	})
	return nil
}

// losesPower: both servers go, and come back in any order.
func (s *site) losesPower() func() {
	for _, v := range s.servers {
		v.dies()
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
	s.pbx.up, s.pbx.stopped = false, s.elapsed()
	return func() {
		s.note("", "The PBX is back, without any binding.")
		if !s.pbx.up {
			s.uneven()
		}
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

// asksFor is an operator at one server, until the procedure ends or he is sent home.
func asksFor(name string) func(*site, *server, die) func() {
	return func(s *site, v *server, _ die) func() {
		if p := v.running; p != nil {
			s.figures.Asked++
			s.note(v.seat, "The operator asks for the procedure %s.", name)
			s.work.Go(func() { _ = p.orders(s.shift, name) }) // it may well be refused
		}
		return nil
	}
}

// orders runs a procedure. It ends with the process, and with the operator's shift.
func (p *process) orders(ctx context.Context, name string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(p.ctx, cancel)()
	return p.agent.Procedure(ctx, name, false, func(view.Procedure) {})
}

// standsStill: the machine is halted by its host, and its clocks do not know it.
func (v *server) standsStill() func() {
	if v.frozen() {
		return nil
	}
	end := v.freezes("whole, and its clocks with it", true, true)
	v.clocks.stand(v.elapsed())
	return end
}

// wallJumps: nothing of the decision may depend on the time of day (R19).
func (v *server) wallJumps(d die) func() {
	by := time.Hour
	if d.one(2) {
		by = -by
	}
	v.note(v.seat, "The time of day jumps by %s.", by)
	v.clocks.wall += by
	return nil
}

func (s *site) witnessDies() func() {
	s.witness.stops("is killed")
	return s.witness.starts
}

func (s *site) witnessFreezes() func() {
	s.note("", "The witness is frozen.")
	s.witness.freeze()
	return func() {
		s.note("", "The witness runs again.")
		s.witness.thawed()
	}
}

func (s *site) witnessIsWiped() func() {
	s.witness.stops("is killed")
	s.witness.wiped()
	return s.witness.starts
}

// roomIsDark: the witness stands in one room with a server, and that loses its power. Now
// and then the witness has a new disk afterwards.
func (v *server) roomIsDark(d die) func() {
	v.dies()
	if d.one(2) {
		return v.witnessIsWiped()
	}
	return v.witnessDies()
}

// grantIsFatal: soon after the witness has written, it dies, or the server for which it
// wrote, or both. They come back by themselves.
func (s *site) grantIsFatal(d die) func(releve.Seat) {
	soon, server, witness := d.between(0, 600*time.Millisecond), d.one(2), d.one(2)
	return func(to releve.Seat) {
		s.later(soon, func() {
			s.change(func() {
				if server {
					s.at(to).dies()
				}
				if witness || !server {
					s.witness.stops("is killed")
					s.later(d.between(50*time.Millisecond, 2*time.Second), func() { s.change(s.witness.starts) })
				}
			})
		})
	}
}

func (s *site) witnessIsSlow(d die) func() {
	s.witness.slow = d.between(50*time.Millisecond, time.Second)
	s.note("", "The witness's disk takes %s more for each write.", s.witness.slow.Round(time.Millisecond))
	return func() {
		s.note("", "The witness's disk is fast again.")
		s.witness.slow = 0
	}
}

func (v *server) cutWitness(w way) func() {
	at := side(v.seat)
	switch {
	case w.there && w.back:
		v.note(v.seat, "The server and the witness do not reach each other.")
	case w.there:
		v.note(v.seat, "Nothing reaches the witness from here.")
	default:
		v.note(v.seat, "Nothing from the witness arrives here.")
	}
	v.witness.ways[at] = w
	return func() {
		v.note(v.seat, "The server and the witness reach each other again.")
		v.witness.ways[at] = way{}
	}
}

// isCutOff: the server reaches neither the other nor the witness; its PBX it may.
func (v *server) isCutOff() func() {
	witness, link := v.cutWitness(way{true, true}), v.cutLink(0, 1)
	return func() { witness(); link() }
}

func (s *site) badWitnessLink(d die) func() {
	w := s.witness
	w.lossy, w.late, w.twice = 2+d.below(8), d.between(0, 600*time.Millisecond), 1+d.below(3)
	s.note("", "The way to the witness is bad: one packet in %d is lost, each may be %s late, and a claim may come again.",
		w.lossy, w.late.Round(time.Millisecond))
	return func() {
		s.note("", "The way to the witness is good again.")
		w.lossy, w.late, w.twice = 0, 0, 0
	}
}
