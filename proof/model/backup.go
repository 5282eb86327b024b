package model

import (
	"slices"
	"time"

	"releve"
	"releve/rules/takeover"
)

// Level backup adds to the world two telephones and a PBX that holds bindings. A telephone is opened and
// closed as its machine says, at any moment after; the PBX takes a binding back when it is asked to, or does
// not; it lets the binding of a closed telephone lapse, and that of one that is cut off from it. What a
// server knows of its own telephone it learns at any moment, or never.
//
// An operator's word is so: whom he calls off is off, and what the PBX holds of it counts for nothing. What
// the PBX shows to a server that asks is so when it answers; the order that follows comes at once. Of two
// servers of which one relieved the other by sight, a binding counts while its telephone is open: one that
// is on again, and tells that it is closed, is displaced.

func (n *interned) backsUp() bool { return n.site.Level == releve.Backup }

// phone is a server's way to the PBX.
type phone struct {
	open  bool
	bound bool // the PBX holds its binding, of a dead server too
	gone  bool // of one that was closed: its binding was seen, and seen gone
}

// line is what the machine is told of it.
func (w *walk) line(v *server) takeover.Line {
	return takeover.Line{
		Closed: !v.phone.open, Gone: !v.phone.open && v.phone.gone, Shown: w.site.Shows && v.phone.open && v.phone.bound,
	}
}

func (w *walk) telephones(s state, i int) {
	if !w.backsUp() {
		return
	}
	v, o := s.servers[i], &s.servers[1-i]
	changed := func(what what, is phone, faults uint8) {
		t := s
		if t.faults += faults; int(t.faults) > w.bounds.Faults {
			return
		}
		t.servers[i].phone = is
		w.put(t, move{what: what, who: uint8(i)})
	}
	if v.phone.bound && !v.phone.open {
		changed(bindingLapses, phone{gone: v.phone.gone}, 0)
	}
	if !v.up {
		return
	}
	m := &w.machines[v.machine]
	switch {
	case !m.Mute() && !v.phone.open:
		changed(telephoneOpens, phone{open: true, bound: v.phone.bound}, 0)
	case !m.Mute() && !v.phone.bound && w.mayBind(&s, i):
		changed(userBound, phone{open: true, bound: true}, 0)
	case !m.Mute() && v.phone.bound:
		changed(cutFromPBX, phone{open: true}, 1)
	case m.Mute() && v.phone.open && v.phone.bound:
		changed(userGivenBack, phone{open: true}, 0)
		changed(telephoneCloses, phone{bound: true}, 1) // the PBX did not answer
	case m.Mute() && v.phone.open:
		changed(telephoneCloses, phone{gone: w.site.Shows}, 0)
	}
	w.step(s, i, input{kind: lineTold, line: w.line(&v), bound: v.phone.open && v.phone.bound}, move{what: learnsOfTelephone})
	if slices.Contains(w.site.Told, takeover.Relieve) && !o.phone.open && !v.phone.open && s.orders < uint8(w.bounds.Orders) {
		w.relieved(s, i)
	}
}

// mayBind is what the agent lets its telephone do (agent.Front.MayRegister).
func (w *walk) mayBind(s *state, i int) bool {
	o := &s.servers[1-i]
	m := &w.machines[s.servers[i].machine]
	heard := s.link && o.up && m.OtherAt > 0 && m.Other == w.statuses.values[w.said[o.machine]]
	another := o.phone.bound && w.site.Shows
	return m.Users().Reception && (!another || m.MayDisplace(heard))
}

// relieved: an operator moves the duty, without a word that the other is off. The server asks the PBX, and
// takes the duty if that shows the other's binding gone.
func (w *walk) relieved(s state, i int) {
	own, theirs := s.servers[i].phone.bound, s.servers[1-i].phone.bound
	shown := takeover.Shown{}
	if w.site.Shows {
		shown = takeover.Shown{Any: own || theirs, There: theirs}
	}
	s.orders++
	w.step(s, i, input{kind: relieves, shown: shown, unheard: true}, move{what: toldRelieve})
}

// takesOnWord gives an operator's word that the other server is off: it is.
func (w *walk) takesOnWord(s state, i int) {
	o := &s.servers[1-i]
	if !w.backsUp() || !slices.Contains(w.site.Told, takeover.Take) || o.up || s.orders >= uint8(w.bounds.Orders) {
		return
	}
	s.orders++
	s.servers[1-i].phone = phone{}
	w.step(s, i, input{kind: ordered, command: takeover.Take, unheard: true}, move{what: toldTake})
}

// bySight: the duty is taken from a server that is not known to be off.
func (n *interned) bySight() bool { return slices.Contains(n.site.Told, takeover.Relieve) }

// forced: an operator may have a copy take the duty that lacks what came since, and whose owner holds a vote
// of a term before: what the vote promises holds no longer, and what the level does, does.
func (n *interned) forced() bool {
	return slices.Contains(n.site.Told, takeover.Take) || n.bySight()
}

// confused says which promise of level backup a state breaks.
func (x *explorer) confused(s *state) string {
	a, b := &s.servers[0], &s.servers[1]
	switch {
	case !x.backsUp():
		return ""
	case a.up && b.up && a.phone.bound && b.phone.bound && (!x.bySight() || a.phone.open && b.phone.open):
		return "the PBX has both servers' bindings"
	case x.bySight():
		return "" // a server that is cut off from its peer and from the PBX believes itself on duty
	case a.phone.open && b.phone.open:
		return "two telephones are open"
	case x.acknowledges(s, 0) && x.acknowledges(s, 1):
		return "two servers commit"
	}
	return ""
}

// backedUp: one server has the duty and the telephone, and the other a copy at rest.
func (x *explorer) backedUp(s *state) bool {
	for i := range s.servers {
		v, o := &s.servers[i], &s.servers[1-i]
		m := &x.machines[v.machine]
		if v.up && o.up && m.Phase == takeover.Serving && m.Gate && v.phone.open && v.phone.bound && o.postgres == isolated && !o.phone.open {
			return true
		}
	}
	return false
}

// settleBackup forgets the times: a look at the PBX counts for the order that comes with it.
func settleBackup(m *takeover.Machine) {
	m.Look, m.CopyOf = takeover.Look{}, ""
	if m.MoveAt = 0; m.Moves {
		m.MoveAt = now
	}
	if m.LeftAt = 0; m.Phase == takeover.Silencing {
		m.LeftAt = now
	} else {
		m.LetGo, m.Cleared = false, false
	}
}

// longAgo is before everything that level backup waits for.
const longAgo = now - 30*time.Minute
