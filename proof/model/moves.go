package model

import (
	"slices"

	"releve"
	"releve/rules/takeover"
)

// move is how one state becomes another. Its sentence is in page.go.
type move struct {
	what    what
	who     uint8
	outcome uint32 // of the machine's step; 0: no machine was asked
	until   uint8  // a crash came after so many of its actions; 0: after none or all
}

// what a move is about.
type what uint8

const (
	boots what = iota
	hearsNow
	hearsLate
	looksAtDatabase
	looksAtMirror
	looksLate
	timePasses
	jobDone
	jobFails
	promotionTorn
	wrongVerdict
	headersForged
	losesPBX
	toldHandOver
	toldRejoin
	toldRebuild
	toldStop
	stopFree
	stops
	crashes
	crashesHavingDone
	statusDelayed
	lookDelayed
	databaseCrashes
	becomesSlow
	diskLost
	linkPartitioned
	linkHeals
	rowWritten
	rowMirrored
	toldAbdicate
	abdicationCarried
	toldPair
	toldWitness
	toldBase
	toldMirroring
	toldHigh
	toldRestore
	mirrorAged
	registerRead
	readHeld
	claimAnswered
	claimGivenUp
	answerHeld
	answerLost
	wordLate
	claimArrives
	witnessSilent
	registerWiped
	toldMove
	toldStay
	toldClear
	toldRenew
	toldTake
	toldRelieve
	telephoneOpens
	telephoneCloses
	userBound
	userGivenBack
	bindingLapses
	cutFromPBX
	learnsOfTelephone
)

// walk makes the moves of one state.
type walk struct {
	*interned
	bounds  Bounds
	emit    func(state, move)
	dropped bool // a move was beyond the bounds
}

func (w *walk) from(s state) {
	for i := range s.servers {
		if s.servers[i].up && !s.servers[i].slow && w.news(&s, i) {
			w.observations(s, i)
			return
		}
	}
	for i := range s.servers {
		w.arrives(s, i)
		w.telephones(s, i)
		if !s.servers[i].up {
			w.boot(s, i)
			continue
		}
		w.messages(s, i)
		w.listen(s, i)
		w.observations(s, i)
		w.times(s, i)
		w.work(s, i)
		w.orders(s, i)
		w.rows(s, i)
		w.faults(s, i)
	}
	w.links(s)
	w.wipe(s)
}

// step feeds the input to server i and emits what comes of it: all actions carried
// out, or a crash between two of them.
func (w *walk) step(s state, i int, in input, m move) {
	m.who, m.outcome = uint8(i), w.interned.step(s.servers[i].machine, in)
	o := &w.outcomes[m.outcome]
	if o.silent {
		w.put(s, m)
		return
	}
	actions, machine := o.actions, o.machine // emit may grow the table of outcomes
	s.servers[i].machine = machine
	for k, a := range actions {
		if k > 0 && s.faults < uint8(w.bounds.Faults) && lasting(actions[k-1].kind) {
			t := s
			t.faults++
			t.crash(i)
			cut := m
			cut.until = uint8(k)
			w.put(t, cut)
		}
		w.carry(&s, i, a)
	}
	w.put(s, m)
}

// lasting: an action after which a crash leaves another world than before it.
func lasting(k takeover.ActionKind) bool {
	return k == takeover.Save || k == takeover.Fence || k == takeover.Begin || k == takeover.PutClaim
}

// put keeps to the bounds.
func (w *walk) put(s state, m move) {
	for i := range s.servers {
		v := &s.servers[i]
		if d := w.journals.values[v.journal]; v.known &&
			(int(d.Term) > w.bounds.Terms || int(d.Number) > w.bounds.Number || int(d.Incarnation) > w.bounds.Incarnations) {
			w.dropped = true
			return
		}
		if s.streaming(1 - i) {
			v.reported = s.servers[1-i].log.position()
		}
		w.acknowledge(&s, v)
	}
	w.emit(s, m)
}

// carry does what the agent does with an action.
func (w *walk) carry(s *state, i int, a action) {
	v := &s.servers[i]
	switch a.kind {
	case takeover.Save:
		if w.variant.forgets != nil && w.variant.forgets(w.journals.values[v.journal], w.journals.values[a.journal]) {
			return
		}
		v.journal, v.known = a.journal, true
	case takeover.Fence:
		v.work = work{}
		v.postgres, v.store, v.lone, v.reported = down, false, false, 0
	case takeover.Begin:
		v.work = a.work
	case takeover.PutClaim:
		v.claim = a.claim
	}
}

func (w *walk) boot(s state, i int) {
	v := &s.servers[i]
	v.up, v.ending, v.machine = true, running, w.machine(takeover.New(w.settings(i)))
	in := input{kind: booted, known: v.known, journal: v.journal, disk: v.disk}
	if v.disk == ours {
		in.data = v.data
	}
	w.step(s, i, in, move{what: boots})
}

// asksOther: a question is heard before it is answered.
func (w *walk) asksOther(s state, i int) state {
	o := &s.servers[1-i]
	id := w.interned.step(o.machine, input{kind: hears, status: w.said[s.servers[i].machine]})
	actions := w.outcomes[id].actions
	if o.machine = w.outcomes[id].machine; w.outcomes[id].silent {
		return s
	}
	for _, a := range actions {
		w.carry(&s, 1-i, a)
	}
	return s
}

func (w *walk) messages(s state, i int) {
	if !s.link {
		return
	}
	if o := s.servers[1-i]; o.up {
		if m := &w.machines[s.servers[i].machine]; w.backsUp() && m.Owns() && !m.Confirmed {
			s = w.asksOther(s, i)
			o = s.servers[1-i]
		}
		w.step(s, i, input{kind: hears, status: w.said[o.machine]}, move{what: hearsNow})
	}
	if late := s.servers[1-i].wire; late != 0 {
		w.step(s, i, input{kind: hears, status: late, unasked: true}, move{what: hearsLate})
	}
}

// look is the owner's view of the mirror's session as it is now.
func (s *state) look(i int) seen {
	v := &s.servers[i]
	return seen{there: true, streaming: s.streaming(1 - i), lost: s.servers[1-i].aged, flush: v.reported, own: v.log.position()}
}

// view is the local PostgreSQL as it is now.
func (s *state) view(i int, k kind) input {
	v := &s.servers[i]
	in := input{kind: k, postgres: v.postgres, streams: s.streaming(i), flush: v.log.position(), timeline: v.timeline}
	if v.postgres == down {
		in.flush, in.timeline = 0, 0
	}
	return in
}

// news: the server has something to see.
func (w *walk) news(s *state, i int) bool {
	v := &s.servers[i]
	if id := w.interned.step(v.machine, s.view(i, database)); !w.outcomes[id].silent {
		return true
	}
	if v.look.there || v.postgres != primary {
		return false
	}
	id := w.interned.step(v.machine, input{kind: mirror, seen: s.look(i)})
	return !w.outcomes[id].silent
}

func (w *walk) observations(s state, i int) {
	v := s.servers[i]
	w.either(s, i, s.view(i, database), move{what: looksAtDatabase})
	switch {
	case v.look.there: // looks follow one another
		s.servers[i].look = seen{}
		w.step(s, i, input{kind: mirror, seen: v.look}, move{what: looksLate})
	case v.postgres == primary:
		w.step(s, i, input{kind: mirror, seen: s.look(i)}, move{what: looksAtMirror})
	}
}

// either feeds an input with the other heard lately, and long ago.
func (w *walk) either(s state, i int, in input, m move) {
	w.step(s, i, in, m)
	in.unheard = true
	w.step(s, i, in, m)
}

func (w *walk) times(s state, i int) {
	w.either(s, i, input{kind: tick, late: true}, move{what: timePasses})
	w.either(s, i, input{kind: verdict}, move{what: wrongVerdict})
	if m := &w.machines[s.servers[i].machine]; m.Holds() {
		w.step(s, i, input{kind: headers}, move{what: headersForged})
	}
	w.step(s, i, input{kind: pbxGone}, move{what: losesPBX})
}

// work brings jobs to their end, in each way that they can end.
func (w *walk) work(s state, i int) {
	v := s.servers[i]
	if v.work.job == noJob {
		return
	}
	done := s
	done.servers[i].work = work{}
	if w.perform(&done, i, v.work) {
		in := done.view(i, ended)
		in.work, in.data, in.torn = v.work, done.servers[i].data, v.work.job == promote && v.torn && !w.variant.forgetsTail
		w.either(done, i, in, move{what: jobDone})
		w.tear(done, i, v.work)
	}
	if s.faults >= uint8(w.bounds.Faults) && w.canSucceed(s, i) {
		return
	}
	if w.canSucceed(s, i) {
		s.faults++
	}
	s.servers[i].work = work{}
	if v.work.job == rejoin || v.work.job == renew {
		s.servers[i].postgres = down
	}
	w.either(s, i, input{kind: ended, work: v.work, failed: true}, move{what: jobFails})
}

// tear ends a promotion before the last row that its copy had. That is found: the end of the
// old timeline is judged, and kept until it is (R4).
func (w *walk) tear(s state, i int, j work) {
	v := &s.servers[i]
	if !w.site.Torn || j.job != promote || v.log.n == 0 || v.torn || s.faults >= uint8(w.bounds.Faults) {
		return
	}
	s.faults++
	v.torn, v.log = true, v.log.shorter()
	in := s.view(i, ended)
	in.work, in.data, in.torn = j, v.data, true
	w.either(s, i, in, move{what: promotionTorn})
}

func (w *walk) canSucceed(s state, i int) bool { return w.perform(&s, i, s.servers[i].work) }

func (w *walk) orders(s state, i int) {
	v := s.servers[i]
	m := &w.machines[v.machine]
	w.repairs(s, i)
	w.stopping(s, i)
	w.carries(s, i)
	w.takesOnWord(s, i)
	w.clears(s, i)
	if s.orders >= uint8(w.bounds.Orders) {
		return
	}
	s.orders++
	for _, o := range orders {
		if !slices.Contains(w.site.Told, o.command) || !o.sense(m) {
			continue
		}
		t := s
		if o.command == takeover.Stop {
			if v.ending != running {
				continue
			}
			t.servers[i].ending = asked
		}
		w.step(t, i, input{kind: ordered, command: o.command}, move{what: o.what})
	}
}

// orders are those of an operator, and when there is a sense in them.
var orders = []struct {
	command takeover.Command
	what    what
	sense   func(*takeover.Machine) bool
}{
	{takeover.HandOver, toldHandOver, func(m *takeover.Machine) bool {
		return m.Phase == takeover.Serving && (m.RunsAt() != releve.Backup || m.Moves && !m.Vote)
	}},
	{takeover.Move, toldMove, func(m *takeover.Machine) bool { return m.Phase == takeover.Serving }},
	{takeover.Stay, toldStay, func(m *takeover.Machine) bool { return m.Phase == takeover.Silencing }},
	{takeover.Renew, toldRenew, func(m *takeover.Machine) bool { return m.Phase == takeover.Isolated }},
	{takeover.Rebuild, toldRebuild, func(m *takeover.Machine) bool { return m.Phase == takeover.Following }},
	{takeover.Stop, toldStop, func(m *takeover.Machine) bool { return m.Holds() }},
	{takeover.Abdicate, toldAbdicate, func(m *takeover.Machine) bool { return m.Holds() }},
	{takeover.UsePair, toldPair, func(m *takeover.Machine) bool { return m.Phase == takeover.Serving && m.Witnessed() }},
	{takeover.UseWitness, toldWitness, func(m *takeover.Machine) bool { return m.Phase == takeover.Serving && !m.Witnessed() }},
	{takeover.UseBase, toldBase, runsOtherwise(releve.Base)},
	{takeover.UseMirroring, toldMirroring, runsOtherwise(releve.Mirroring)},
	{takeover.UseHighAvailability, toldHigh, runsOtherwise(releve.HighAvailability)},
}

func runsOtherwise(than releve.Level) func(*takeover.Machine) bool {
	return func(m *takeover.Machine) bool { return m.Phase == takeover.Serving && m.RunsAt() != than }
}

// repairs are the orders that end a trouble. They are given whenever they help.
func (w *walk) repairs(s state, i int) {
	m := &w.machines[s.servers[i].machine]
	lost := w.oneVoice() && m.Alone() && !m.Gate && m.Phase != takeover.Restoring
	switch {
	case lost && m.Order != takeover.Restore:
		w.step(s, i, input{kind: ordered, command: takeover.Restore}, move{what: toldRestore})
	case !lost && (m.Phase == takeover.Deposed || m.Phase == takeover.Stuck) && m.Order != takeover.Rejoin:
		w.step(s, i, input{kind: ordered, command: takeover.Rejoin}, move{what: toldRejoin})
	}
}

// carries: an operator brings what the other's screen shows, for the link is partitioned (R3).
func (w *walk) carries(s state, i int) {
	o := &s.servers[1-i]
	if d := &w.journals.values[o.journal]; slices.Contains(w.site.Told, takeover.Abdicate) && o.known && d.Abdicated > 0 {
		w.step(s, i, input{kind: carried, journal: o.journal}, move{what: abdicationCarried})
	}
}

// clears: an operator looks at a PBX that shows nobody its bindings, and says that the one of the server that
// leaves is gone, where it is.
func (w *walk) clears(s state, i int) {
	v := &s.servers[i]
	m := &w.machines[v.machine]
	if w.backsUp() && !w.site.Shows && m.Phase == takeover.Silencing && !m.Cleared && !v.phone.open && !v.phone.bound {
		w.step(s, i, input{kind: ordered, command: takeover.Clear}, move{what: toldClear})
	}
}

// stopping is what the agent does after a stop was asked for: it waits until the
// other says that it has the vote, and then ends.
func (w *walk) stopping(s state, i int) {
	v := &s.servers[i]
	m := &w.machines[v.machine]
	switch {
	case v.ending == asked && !m.Holds() && m.OtherAt > 0 && m.Other.Vote:
		v.ending = free
		w.put(s, move{what: stopFree, who: uint8(i)})
	case v.ending == asked && m.Claimed > 0: // no word can give it back: the stop's limit ends it
		s.crash(i)
		w.put(s, move{what: stops, who: uint8(i)})
	case v.ending == free:
		s.crash(i)
		s.servers[i].ending = free // told from a crash until the next start
		w.put(s, move{what: stops, who: uint8(i)})
	}
}

func (w *walk) rows(s state, i int) {
	v := &s.servers[i]
	writes := v.postgres == primary && v.store
	if writes && s.written < uint8(w.bounds.Rows) {
		t := s
		t.servers[i].log = v.log.with(s.written)
		t.written++
		w.put(t, move{what: rowWritten, who: uint8(i)})
	}
	if m := &s.servers[1-i]; s.streaming(1-i) && m.log.n < v.log.n {
		t := s
		t.servers[1-i].log = m.log.with(v.log.row[m.log.n])
		w.put(t, move{what: rowMirrored, who: uint8(1 - i)})
	}
}

// acknowledge does so as soon as it is allowed: nothing depends on a row being
// acknowledged but the promise to keep it, so that the soonest is the worst. At level
// mirroring only what is told to be mirrored is promised.
func (w *walk) acknowledge(s *state, v *server) {
	if v.postgres != primary || !v.store || w.oneVoice() && w.machines[v.machine].Lone {
		return
	}
	for k, id := range v.log.row[:v.log.n] {
		if v.lone || uint8(k)+2 <= v.reported {
			s.acked |= 1 << id
		}
	}
}

func (w *walk) faults(s state, i int) {
	if s.faults >= uint8(w.bounds.Faults) || !s.servers[0].known {
		return
	}
	s.faults++
	v := s.servers[i]
	for _, t := range w.interrupted(s, i) {
		t.crash(i)
		w.variant.crashed(w.interned, &t.servers[i])
		m := move{what: crashes, who: uint8(i)}
		if t.servers[i].disk != v.disk || t.servers[i].data != v.data || t.servers[i].timeline != v.timeline {
			m.what = crashesHavingDone
		}
		w.put(t, m)
	}
	if d := w.journals.values[v.journal]; v.known && (!d.Owns() || w.oneVoice()) && v.disk == ours {
		t := s
		t.crash(i)
		t.servers[i].disk, t.servers[i].data, t.servers[i].log, t.servers[i].torn = empty, 0, rows{}, false
		w.put(t, move{what: diskLost, who: uint8(i)})
	}
	if !v.slow {
		t := s
		t.servers[i].slow = true
		w.put(t, move{what: becomesSlow, who: uint8(i)})
	}
	if status := w.said[v.machine]; s.link && v.wire != status {
		t := s
		t.servers[i].wire = status
		w.put(t, move{what: statusDelayed, who: uint8(i)})
	}
	if v.work.job == barrier && !v.look.there {
		t := s
		t.servers[i].look = s.look(i)
		w.put(t, move{what: lookDelayed, who: uint8(i)})
	}
	if w.site.Aged && v.postgres != down && !v.aged && s.servers[1-i].postgres == primary && !s.streaming(i) {
		t := s
		t.servers[i].aged = true
		w.put(t, move{what: mirrorAged, who: uint8(i)})
	}
	if v.postgres != down {
		t := s
		t.servers[i].postgres, t.servers[i].reported = down, 0
		w.put(t, move{what: databaseCrashes, who: uint8(i)})
	}
	if m := &w.machines[v.machine]; m.Owns() && !m.Vote {
		w.step(s, i, input{kind: woke}, move{what: timePasses})
	}
}

func (w *walk) links(s state) {
	if !s.link {
		s.link = true
		w.put(s, move{what: linkHeals})
		return
	}
	if s.faults < uint8(w.bounds.Faults) {
		s.faults++
		s.link = false
		w.put(s, move{what: linkPartitioned})
	}
}

// unused is a data id that nobody remembers.
func (w *walk) unused(s *state) uint8 {
	if w.variant.sameCopy {
		return 1
	}
	named := []string{string(w.registers.values[s.register].Candidate.DataID)}
	for i := range s.servers {
		v := &s.servers[i]
		d, m, t := &w.journals.values[v.journal], &w.machines[v.machine], &w.statuses.values[v.wire]
		named = append(named, string(dataID(v.data)), string(d.DataID), string(d.Candidate.DataID),
			string(m.DataID), string(m.Durable.Candidate.DataID),
			string(m.Other.DataID), string(m.Other.Candidate.DataID),
			string(t.DataID), string(t.Candidate.DataID),
			string(m.Register.Candidate.DataID),
			string(w.claims.values[v.claim].Want.Candidate.DataID),
			string(w.claims.values[v.late].Want.Candidate.DataID),
			string(w.words.values[v.held].Register.Candidate.DataID))
	}
	for n := uint8(1); ; n++ {
		if !slices.Contains(named, string(dataID(n))) {
			return n
		}
	}
}
