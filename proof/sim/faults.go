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
	{6, func(_ *site, v *server, _ die) func() { return v.crashes() }},
	{2, func(s *site, _ *server, _ die) func() { return s.losesPower() }},
	{4, func(_ *site, v *server, d die) func() { return v.leavesTheOtherToCrash(d) }},
	{10, func(_ *site, v *server, d die) func() { return v.crashesAtAction(d) }},
	{5, func(_ *site, v *server, _ die) func() { v.journal.torn = true; return nil }},
	{3, func(_ *site, v *server, _ die) func() { v.spool.torn = true; return nil }},
	{3, func(_ *site, v *server, _ die) func() { return v.leaves() }},
	{4, func(_ *site, v *server, _ die) func() { return v.pauses("whole", true, true) }},
	{2, func(_ *site, v *server, _ die) func() { return v.pauses("without its database", true, false) }},
	{2, func(_ *site, v *server, _ die) func() { return v.pauses("in its database alone", false, true) }},
	{4, func(s *site, _ *server, _ die) func() { return s.partitionsLink(0, 1) }},
	{2, func(s *site, _ *server, _ die) func() { return s.partitionsLink(0) }},
	{2, func(s *site, _ *server, _ die) func() { return s.partitionsLink(1) }},
	{4, func(s *site, _ *server, d die) func() { return s.degradesLink(d) }},
	{2, func(s *site, _ *server, _ die) func() { return s.partitionsSIP() }},
	{3, func(_ *site, v *server, _ die) func() { return v.partitionsPBX() }},
	{2, func(s *site, _ *server, _ die) func() { return s.stopPBX() }},
	{3, func(_ *site, v *server, _ die) func() { return v.databaseCrashes() }},
	{3, func(_ *site, v *server, _ die) func() { return v.diskFull() }},
	{2, func(_ *site, v *server, d die) func() { return v.journalStalls(d) }},
	{2, asksFor(procedure.Return.Name)},
	{3, asksFor(procedure.Switchover.Name)},
	{1, asksFor(procedure.ResumeMirror.Name)},
	{1, asksFor(procedure.RebuildMirror.Name)},
	{1, func(_ *site, v *server, _ die) func() { return v.pausesWithItsClocks() }},
	{1, func(_ *site, v *server, d die) func() { return v.clockJumps(d) }},
}

// witnessFaults come on top at a site with a witness.
var witnessFaults = []fault{
	{3, func(s *site, _ *server, _ die) func() { return s.witnessCrashes() }},
	{2, func(s *site, _ *server, _ die) func() { return s.witnessPauses() }},
	{2, func(s *site, _ *server, _ die) func() { return s.witnessIsWiped() }},
	{3, func(_ *site, v *server, d die) func() { return v.losesPowerWithTheWitness(d) }},
	{3, func(s *site, _ *server, _ die) func() { s.witness.torn = true; return nil }},
	{5, func(s *site, _ *server, d die) func() { s.witness.afterWrite = s.crashesAfterGrant(d); return nil }},
	{1, func(s *site, _ *server, d die) func() { return s.witnessStalls(d) }},
	{2, func(_ *site, v *server, _ die) func() { return v.partitionsWitness(way{true, true}) }},
	{2, func(_ *site, v *server, _ die) func() { return v.partitionsWitness(way{there: true}) }},
	{2, func(_ *site, v *server, _ die) func() { return v.partitionsWitness(way{back: true}) }},
	{2, func(_ *site, v *server, _ die) func() { return v.isIsolated() }},
	{2, func(s *site, _ *server, d die) func() { return s.degradesWitnessLink(d) }},
	{3, asksFor(procedure.ToPair.Name)},
	{3, asksFor(procedure.ToWitness.Name)},
}

// The time in which faults begin, and after which all are mended.
const (
	wellWithin = 4 * time.Second // a new site is protected by then
	faultsLast = 4 * time.Second
	faultsMost = 6
)

// injectFaults lets faults happen, and returns when their time is over.
func (s *site) injectFaults() {
	d := s.dice.of("", ofFate)
	if d.one(6) {
		sleep(s.ctx, d.between(0, wellWithin/2)) // while the site is being founded
	} else {
		s.until(wellWithin, s.protected)
	}
	for range 1 + d.below(faultsMost) {
		s.later(d.between(0, faultsLast), func() { s.injectFault(d) })
	}
	sleep(s.ctx, faultsLast+d.between(0, 400*time.Millisecond))
}

// injectFault chooses one fault and how long it lasts.
func (s *site) injectFault(d die) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.servers[d.below(2)]
	lasts := d.between(30*time.Millisecond, 2*time.Second)
	if d.one(3) {
		lasts = d.between(2*time.Second, 12*time.Second)
	}
	s.figures.Faults++
	s.changedAt = s.elapsed()
	end := s.choose(d).begin(s, v, d)
	s.review()
	if end == nil {
		return
	}
	s.later(lasts, func() {
		s.change(func() {
			if !s.healed {
				s.changedAt = s.elapsed()
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

// heal ends every fault, a moment after the operator went home: what waits for a server that
// was paused does not have both its answer and its end.
func (s *site) heal() {
	s.endShift()
	sleep(s.ctx, moment)
	s.change(func() {
		s.healed, s.changedAt = true, s.elapsed()
		s.note("", "Everything is mended.")
		s.network.partition, s.network.sip = [2]bool{}, false
		s.network.loss, s.network.delay, s.network.duplicates = 0, 0, 0
		s.pbx.up, s.pbx.path = true, [2]bool{true, true}
		s.witness.healed()
		for _, v := range s.servers {
			v.journal.stall, v.journal.torn, v.spool.torn, v.database.broken = 0, false, false, false
			v.resumeAll()
			if v.running != nil {
				v.running.actionsLeft = 0
			}
		}
	})
	for _, v := range s.servers {
		v.start()
	}
}

func (v *server) crashes() func() {
	if v.running != nil {
		v.running.ends("crashes")
	}
	return nil
}

// leavesTheOtherToCrash: the server is stopped, and while the other goes on alone, that crashes.
func (v *server) leavesTheOtherToCrash(d die) func() {
	v.leaves()
	v.later(d.between(200*time.Millisecond, 2*time.Second), func() {
		v.change(func() {
			if !v.healed {
				v.other().crashes()
			}
		})
	})
	return nil
}

// losesPower: both servers go, and come back in any order.
func (s *site) losesPower() func() {
	for _, v := range s.servers {
		v.crashes()
	}
	return nil
}

func (v *server) crashesAtAction(d die) func() {
	if v.running != nil {
		v.running.actionsLeft = 1 + d.below(40)
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

func (v *server) pauses(how string, program, database bool) func() {
	v.note(v.seat, "The server is paused %s.", how)
	v.pause(program, database)
	return func() {
		v.note(v.seat, "The server runs again.")
		v.resumeAll()
	}
}

// resumeAll lets everything of the server run.
func (v *server) resumeAll() {
	v.resume()
	v.database.resume()
	if v.running != nil {
		v.running.store.moved()
	}
}

func (s *site) partitionsLink(from ...int) func() {
	for _, i := range from {
		s.note("", "The link is partitioned: nothing from the %s arrives.", s.servers[i].seat)
		s.network.partition[i] = true
	}
	return func() {
		s.note("", "The link is whole again.")
		for _, i := range from {
			s.network.partition[i] = false
		}
	}
}

func (s *site) degradesLink(d die) func() {
	n := &s.network
	n.loss, n.delay, n.duplicates = 2+d.below(8), d.between(0, 600*time.Millisecond), 1+d.below(4)
	s.note("", "The link is bad: one message in %d is lost, each may be delayed by %s, and come again.",
		n.loss, n.delay.Round(time.Millisecond))
	return func() {
		s.note("", "The link is good again.")
		n.loss, n.delay, n.duplicates = 0, 0, 0
	}
}

func (s *site) partitionsSIP() func() {
	s.note("", "Direct SIP between the servers is partitioned.")
	s.network.sip = true
	return func() {
		s.note("", "Direct SIP is whole again.")
		s.network.sip = false
	}
}

func (v *server) partitionsPBX() func() {
	v.note(v.seat, "The server and the PBX are partitioned.")
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

func (v *server) databaseCrashes() func() {
	v.note(v.seat, "PostgreSQL crashes.")
	v.database.exit("killed")
	return nil
}

func (v *server) diskFull() func() {
	v.note(v.seat, "PostgreSQL crashes of a full disk.")
	v.database.broken = true
	v.database.exit("no space left on device")
	return func() {
		v.note(v.seat, "The disk has room again.")
		v.database.broken = false
	}
}

func (v *server) journalStalls(d die) func() {
	v.journal.stall = d.between(50*time.Millisecond, 2500*time.Millisecond)
	v.note(v.seat, "The journal's disk stalls for %s at each save.", v.journal.stall.Round(time.Millisecond))
	return func() {
		v.note(v.seat, "The journal's disk no longer stalls.")
		v.journal.stall = 0
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

// pausesWithItsClocks: the machine is halted by its host, and its clocks do not know it.
func (v *server) pausesWithItsClocks() func() {
	if v.paused() {
		return nil
	}
	end := v.pauses("whole, and its clocks with it", true, true)
	v.clocks.stand(v.elapsed())
	return end
}

// clockJumps: nothing of the decision may depend on the time of day (R19).
func (v *server) clockJumps(d die) func() {
	by := time.Hour
	if d.one(2) {
		by = -by
	}
	v.note(v.seat, "The clock jumps: the time of day, by %s.", by)
	v.clocks.wall += by
	return nil
}

func (s *site) witnessCrashes() func() {
	s.witness.stops("crashes")
	return s.witness.starts
}

func (s *site) witnessPauses() func() {
	s.note("", "The witness is paused.")
	s.witness.pause()
	return func() {
		s.note("", "The witness runs again.")
		s.witness.resume()
	}
}

func (s *site) witnessIsWiped() func() {
	s.witness.stops("crashes")
	s.witness.wiped()
	return s.witness.starts
}

// losesPowerWithTheWitness: the witness stands in one room with a server, and that loses its power. Now
// and then the witness has a new disk afterwards.
func (v *server) losesPowerWithTheWitness(d die) func() {
	v.crashes()
	if d.one(2) {
		return v.witnessIsWiped()
	}
	return v.witnessCrashes()
}

// crashesAfterGrant: soon after the witness has written, it dies, or the server for which it
// wrote, or both. They come back by themselves.
func (s *site) crashesAfterGrant(d die) func(releve.Seat) {
	soon, server, witness := d.between(0, 600*time.Millisecond), d.one(2), d.one(2)
	return func(to releve.Seat) {
		s.later(soon, func() {
			s.change(func() {
				if server {
					s.at(to).crashes()
				}
				if witness || !server {
					s.witness.stops("crashes")
					s.later(d.between(50*time.Millisecond, 2*time.Second), func() { s.change(s.witness.starts) })
				}
			})
		})
	}
}

func (s *site) witnessStalls(d die) func() {
	s.witness.stall = d.between(50*time.Millisecond, time.Second)
	s.note("", "The witness's disk stalls for %s at each write.", s.witness.stall.Round(time.Millisecond))
	return func() {
		s.note("", "The witness's disk no longer stalls.")
		s.witness.stall = 0
	}
}

func (v *server) partitionsWitness(w way) func() {
	at := side(v.seat)
	switch {
	case w.there && w.back:
		v.note(v.seat, "The server and the witness are partitioned.")
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

// isIsolated: the server reaches neither the other nor the witness; its PBX it may.
func (v *server) isIsolated() func() {
	witness, link := v.partitionsWitness(way{true, true}), v.partitionsLink(0, 1)
	return func() { witness(); link() }
}

func (s *site) degradesWitnessLink(d die) func() {
	w := s.witness
	w.loss, w.delay, w.duplicates = 2+d.below(8), d.between(0, 600*time.Millisecond), 1+d.below(3)
	s.note("", "The way to the witness is bad: one message in %d is lost, each may be delayed by %s, and a claim may come again.",
		w.loss, w.delay.Round(time.Millisecond))
	return func() {
		s.note("", "The way to the witness is good again.")
		w.loss, w.delay, w.duplicates = 0, 0, 0
	}
}
