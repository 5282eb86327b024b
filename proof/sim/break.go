package sim

import (
	"time"

	"releve"
)

// What a test does to a site, in the words that the faults of a story have, of the model and
// of the chaos of the acceptance tests:
//
//   - a crash: a process ends without a word, and its disks are what they were;
//   - a pause: a machine is silent and does not know it, and goes on where it was;
//   - a partition: nothing comes through a road, and nobody is told;
//   - a stall: a disk, or somebody's transaction, takes its time.
//
// Each lasts until the method that stands beside it ends it.

// disturb does something to the world, which is told in the trace, and lets what was under
// way end.
func (s *Site) disturb(change func()) {
	s.change(change)
	s.settle()
}

// Crash ends the server and all that it ran. It stays off.
func (v *Server) Crash() { v.on.disturb(func() { v.crashes() }) }

// Pause stops the machine as SIGSTOP does its processes, its PostgreSQL too.
func (v *Server) Pause() { v.on.disturb(func() { v.pauses("whole", true, true) }) }
func (v *Server) Resume() {
	v.change(func() { v.note(v.seat, "The server runs again."); v.resumeAll() })
}

// PartitionLink cuts what the agents say to each other: PostgreSQL has a road of its own.
func (s *Site) PartitionLink() {
	s.change(func() { s.note("", "The agents' link is partitioned."); s.network.peers = true })
}

func (s *Site) HealLink() {
	s.change(func() { s.note("", "The agents' link is whole again."); s.network.peers = false })
}

// PartitionSIP cuts the server's telephone off from the PBX and from the other server.
func (v *Server) PartitionSIP() {
	v.change(func() {
		v.note(v.seat, "The server's SIP reaches nobody.")
		v.pbx.path[side(v.seat)], v.network.sip = false, true
	})
}

func (v *Server) HealSIP() {
	v.change(func() {
		v.note(v.seat, "The server's SIP reaches all again.")
		v.pbx.path[side(v.seat)] = true
		v.network.sip = !v.pbx.path[side(v.seat.Other())]
	})
}

// PausePBX has the PBX answer nobody. It keeps its bindings.
func (s *Site) PausePBX()  { s.change(func() { s.note("", "The PBX is paused."); s.pbx.up = false }) }
func (s *Site) ResumePBX() { s.change(func() { s.note("", "The PBX runs again."); s.pbx.up = true }) }

// LoseCalls has the PBX lose what it sends to the reception.
func (s *Site) LoseCalls() { s.change(func() { s.pbx.lost = true }) }

// RefuseOwnCalls has the PBX refuse the calls that servers make themselves, for that reason.
func (s *Site) RefuseOwnCalls(why error) { s.change(func() { s.pbx.ownCalls = why }) }

// Voicemail has somebody at that address answer those calls in the servers' place.
func (s *Site) Voicemail(at string) { s.change(func() { s.pbx.voicemail = at }) }

// KeepBindings is a PBX that keeps a user for a server that is silent, and gives it to no
// other meanwhile.
func (s *Site) KeepBindings() {
	s.change(func() {
		s.pbx.refuses, s.pbx.lasts = true, time.Hour
		for user, b := range s.pbx.bindings {
			s.pbx.bindings[user] = binding{b.server, s.elapsed() + time.Hour}
		}
	})
}

func (s *Site) GiveBindings() { s.change(func() { s.pbx.refuses = false }) }

// ForgetStandby has the PBX forget the server's standby user, and take it no more.
func (v *Server) ForgetStandby() {
	v.change(func() { v.pbx.unbind(standbyUser, v.server); v.pbx.forgets = v.server })
}

// BreakCalls has something be wrong with the server's calls.
func (v *Server) BreakCalls(why error) { v.change(func() { v.weak.calls = why }) }

// Predate makes it one of the version before, which answers a check without a word, and tells
// none upon another.
func (v *Server) Predate() { v.change(func() { v.weak.former = true }) }

// CrashDatabase ends the server's PostgreSQL. It starts again.
func (v *Server) CrashDatabase(why string) {
	v.change(func() { v.note(v.seat, "PostgreSQL crashes."); v.database.exit(why) })
}

// BreakDatabase ends it too, and it does not start again, until it is mended.
func (v *Server) BreakDatabase(why string) {
	v.change(func() { v.note(v.seat, "PostgreSQL crashes for good."); v.database.broken = true; v.database.exit(why) })
}

func (v *Server) MendDatabase() {
	v.change(func() { v.note(v.seat, "PostgreSQL can start again."); v.database.broken = false })
}

// RefuseDatabase has each start and each copy fail with an error, until that is nil.
func (v *Server) RefuseDatabase(why error) { v.change(func() { v.database.refuses = why }) }

// SickenDatabase has each proof of its health find an error, until that is nil.
func (v *Server) SickenDatabase(why error) { v.change(func() { v.database.ill = why }) }

// SlowDatabase has promotions and copies last longer from now on.
func (v *Server) SlowDatabase(by time.Duration) { v.change(func() { v.database.slow = by }) }

// DelayGate has the answer to the first commit of a term come late from now on.
func (v *Server) DelayGate(by time.Duration) { v.change(func() { v.weak.gate = by }) }

// StallReplay has a copy not replay the last bytes that it has. Where they are more than
// there is, the logs of both servers are taken for longer than they are.
func (v *Server) StallReplay(bytes releve.LSN) {
	v.change(func() { v.origin, v.database.unplayed = v.origin+2*bytes, bytes })
}

// BreakStream has no row reach this copy, until it is mended or made anew.
func (v *Server) BreakStream() {
	v.change(func() { v.note(v.seat, "No row reaches this copy."); v.database.session.deaf = true })
}

func (v *Server) MendStream() {
	v.change(func() { v.note(v.seat, "Rows reach this copy again."); v.database.session.deaf = false })
}

// OutliveLog has the other no longer keep the log that this copy needs.
func (v *Server) OutliveLog() {
	v.change(func() { v.note(v.seat, "The log that this copy needs is gone."); v.database.session.tooOld = true })
}

// HalfOpen has the other's PostgreSQL take this copy for connected, whatever becomes of it.
func (v *Server) HalfOpen(on bool) { v.change(func() { v.database.session.halfOpen = on }) }

// LockRecords is somebody's transaction in the way of facts, to the end of the story: they
// wait in the spools.
func (v *Server) LockRecords() {
	v.change(func() { v.weak.locked = make(chan struct{}) })
}

func (v *server) unlocks() {
	if v.weak.locked != nil {
		close(v.weak.locked)
		v.weak.locked = nil
	}
}

// StallJournal has saves last longer by a while, HangJournal until they are given up, which
// are not written then, and WedgeJournal for as long as it lasts. RefuseJournal has them fail
// with an error. MendJournal ends all four.
func (v *Server) StallJournal(by time.Duration) { v.change(func() { v.journal.stall = by }) }
func (v *Server) RefuseJournal(why error)       { v.change(func() { v.journal.refuses = why }) }

func (v *Server) HangJournal() {
	v.change(func() { v.note(v.seat, "The journal's disk hangs."); v.journal.hangs = make(chan struct{}) })
}

func (v *Server) WedgeJournal() {
	v.change(func() {
		v.note(v.seat, "The journal's disk hangs, and nothing that waits for it can be interrupted.")
		v.journal.hangs, v.journal.deaf = make(chan struct{}), true
	})
}

func (v *Server) MendJournal() {
	v.change(func() { v.note(v.seat, "The journal's disk is well again."); v.journal.mended() })
}

func (j *journal) mended() {
	if j.hangs != nil {
		close(j.hangs)
	}
	j.stall, j.refuses, j.hangs, j.deaf = 0, nil, nil, false
}

// PauseWitness has the witness answer nobody.
func (s *Site) PauseWitness() { s.change(func() { s.witnessPauses() }) }

func (s *Site) ResumeWitness() {
	s.change(func() { s.note("", "The witness runs again."); s.witness.resume() })
}

// WipeWitness has the witness come back with a new disk.
func (s *Site) WipeWitness() { s.change(func() { s.witnessIsWiped()() }) }

// LoseAnswers has what the witness says never arrive here: it hears, and writes.
func (v *Server) LoseAnswers() { v.change(func() { v.partitionsWitness(way{back: true}) }) }

func (v *Server) HearAnswers() { v.change(func() { v.witness.ways[side(v.seat)] = way{} }) }

// CrashAtGrant ends the server for which the witness writes next, before it hears of it.
func (s *Site) CrashAtGrant() {
	s.change(func() { s.witness.afterWrite = func(to releve.Seat) { s.at(to).crashes() } })
}

// Force says that an operator forces from now on what the vote does not allow: neither that
// two hold it nor what only the other had is a broken promise any more.
func (s *Site) Force() { s.change(func() { s.ledger.forced = true }) }
